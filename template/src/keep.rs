//! True terms that hold the word and are not about the entity.
//!
//! Only those that the rules of [`crate::words`] would take for a name: `username` and `superuser` are
//! words of their own and never looked at.

use crate::place::Place;

/// What stands before and behind the word in a term, with the word as it is spelt there.
const TERMS: [(&str, &str, &str); 16] = [
    ("", "user", "-agent"),
    ("", "user", "_agent"),
    ("", "USER", "_AGENT"),
    ("", "User", "-Agent"),
    ("runAs", "User", ""),
    ("", "user", "-data-dir"),
    // A test of kube-score.
    ("context-", "user", "-group-id"),
    ("", "user", ":password"),
    ("", "user", "=app"),
    ("", "USER", ":PASSWORD"),
    ("POSTGRES_", "USER", ""),
    (".Config.", "User", ""),
    ("$", "USER", ""),
    ("${", "USER", ""),
    ("", "USER", " "),
    ("\"", "USER", "\""),
];

/// Whether the word at this place belongs to another term.
pub(crate) fn is_other_term(word: &str, place: &Place<'_>) -> bool {
    TERMS.iter().any(|(before, term, after)| {
        word == *term && place.before().ends_with(before) && place.after().starts_with(after)
    })
}

/// A text without what is no trace of the entity: the terms above, and the words that contain it.
pub(crate) fn without_terms(text: &str) -> String {
    const WORDS: [&str; 7] = [
        "superuser",
        "tklauser",
        "username",
        "githubusercontent",
        "userinfo",
        "statusError",
        "runasuser",
    ];
    let mut text = text.to_owned();
    for word in WORDS {
        text = text.replace(word, "");
    }
    for (before, term, after) in TERMS {
        text = text.replace(&format!("{before}{term}{after}"), "");
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test stops at what it does not expect"
    )]

    use super::*;

    #[test]
    fn terms_are_kept_and_names_are_not() {
        for (text, word, expected) in [
            ("securityContext: {runAsUser: 1}", "User", true),
            ("USER 65532:65532", "USER", true),
            ("name: POSTGRES_USER", "USER", true),
            ("header::USER_AGENT", "USER", true),
            ("postgres:///app?user=app", "user", true),
            ("USER_SERVER__LOG", "USER", false),
            ("user-server", "user", false),
        ] {
            let start = text.find(word).unwrap();
            let place = Place::new("a.yaml", text, start, start + word.len(), false);
            assert_eq!(is_other_term(word, &place), expected, "{text}");
        }
    }

    #[test]
    fn what_is_left_of_a_text_of_terms_has_no_trace() {
        let text = without_terms("superuser runAsUser USER 65532 user-agent --username");
        assert!(!text.to_lowercase().contains("user"), "{text}");
    }
}
