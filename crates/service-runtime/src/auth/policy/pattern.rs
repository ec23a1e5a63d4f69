//! Patterns of names in certificates: `*` stands for exactly one part of a name, never for a piece of
//! one and never for several, so that what a pattern lets in can be read off it.

use std::borrow::Cow;

/// `spiffe://cluster.local/ns/*/sa/web`, or `*.jobs.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    kind: Kind,
    parts: Vec<Part>,
}

/// Not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// There is a `*` beside other characters.
    #[error("expected * to stand for a whole part of the name, between dots or slashes")]
    PartialWildcard,
    /// Something empty.
    #[error("expected no empty part")]
    EmptyPart,
    /// The trust domain says which authority vouches; any authority is no answer.
    #[error("expected a trust domain without *, such as spiffe://cluster.local/ns/*/sa/web")]
    WildTrustDomain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Spiffe,
    Dns,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Any,
    Is(String),
}

const SPIFFE: &str = "spiffe://";

// === impl Pattern ===

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        let (kind, rest, separator) = match text.strip_prefix(SPIFFE) {
            Some(rest) => (Kind::Spiffe, rest, '/'),
            None => (Kind::Dns, text, '.'),
        };
        let parts = rest.split(separator).map(|part| match part {
            "" => Err(BadPattern::EmptyPart),
            "*" => Ok(Part::Any),
            part if part.contains('*') => Err(BadPattern::PartialWildcard),
            part => Ok(Part::Is(kind.canonical(part).into_owned())),
        });
        let parts: Vec<Part> = parts.collect::<Result<_, _>>()?;
        if kind == Kind::Spiffe && parts.first() == Some(&Part::Any) {
            return Err(BadPattern::WildTrustDomain);
        }
        Ok(Self { kind, parts })
    }

    /// Whether it is a pattern of SPIFFE IDs, and this is one that it describes.
    #[must_use]
    pub fn matches_spiffe(&self, id: &str) -> bool {
        let Some(rest) = id.strip_prefix(SPIFFE) else {
            return false;
        };
        self.kind == Kind::Spiffe && self.matches(rest.split('/'))
    }

    /// Whether it is a pattern of DNS names, and this is one that it describes.
    #[must_use]
    pub fn matches_dns(&self, name: &str) -> bool {
        self.kind == Kind::Dns && self.matches(name.split('.'))
    }

    fn matches<'a>(&self, parts: impl Iterator<Item = &'a str>) -> bool {
        let mut expected = self.parts.iter();
        for part in parts {
            let matches = match expected.next() {
                Some(Part::Any) => !part.is_empty(),
                Some(Part::Is(text)) => *text == self.kind.canonical(part),
                None => false,
            };
            if !matches {
                return false;
            }
        }
        expected.next().is_none()
    }
}

// === impl Kind ===

impl Kind {
    /// DNS names are the same in any case; SPIFFE IDs are not.
    fn canonical(self, part: &str) -> Cow<'_, str> {
        match self {
            Self::Dns if part.bytes().any(|it| it.is_ascii_uppercase()) => {
                Cow::Owned(part.to_ascii_lowercase())
            }
            _ => Cow::Borrowed(part),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_whole_part() {
        for (pattern, name, expected) in [
            (
                "spiffe://a.b/ns/*/sa/web",
                "spiffe://a.b/ns/shop/sa/web",
                true,
            ),
            (
                "spiffe://a.b/ns/*/sa/web",
                "spiffe://a.b/ns/shop/x/sa/web",
                false,
            ),
            ("spiffe://a.b/ns/*/sa/web", "spiffe://a.b/ns//sa/web", false),
            ("spiffe://a.b/ns/*", "spiffe://a.b/ns/shop/sa/web", false),
            ("spiffe://a.b/ns/shop", "spiffe://a.c/ns/shop", false),
            ("spiffe://a.b/ns/shop", "spiffe://a.b/ns/Shop", false),
        ] {
            let matches = Pattern::parse(pattern).unwrap().matches_spiffe(name);
            assert_eq!(matches, expected, "{pattern} and {name}");
        }
        for (pattern, name, expected) in [
            ("*.example.com", "job.example.com", true),
            ("*.example.com", "JOB.Example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "a.b.example.com", false),
            ("web", "web", true),
            ("web", "webb", false),
        ] {
            let matches = Pattern::parse(pattern).unwrap().matches_dns(name);
            assert_eq!(matches, expected, "{pattern} and {name}");
        }
        let dns = Pattern::parse("a.b").unwrap();
        assert!(
            !dns.matches_spiffe("spiffe://a.b"),
            "a name is no SPIFFE ID"
        );
    }

    #[test]
    fn patterns_that_let_too_much_in_are_refused() {
        for (pattern, expected) in [
            ("spiffe://*/ns/shop", BadPattern::WildTrustDomain),
            ("spiffe://a.b/ns/sh*", BadPattern::PartialWildcard),
            ("spiffe://a.b//x", BadPattern::EmptyPart),
            ("", BadPattern::EmptyPart),
            ("**", BadPattern::PartialWildcard),
        ] {
            assert_eq!(Pattern::parse(pattern), Err(expected), "{pattern}");
        }
    }
}
