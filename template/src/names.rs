//! A name in all of its forms.

use crate::form::{ARTICLE, CAPITAL_ARTICLE, Form, HOLDER, REPOSITORY, Shape};
use crate::refusal::{self, Refusal};
use crate::repository;

/// What the service is about, who holds the copyright, and where images are pushed to: all that a text is
/// rendered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    singular: String,
    plural: String,
    holder: String,
    repository: String,
}

// === impl Names ===

impl Names {
    /// Takes a singular in kebab case, and its plural where the regular one is wrong.
    ///
    /// # Errors
    ///
    /// The first rule that one of the two breaks.
    pub(crate) fn new(singular: &str, plural: Option<&str>) -> Result<Self, Refusal> {
        let plural = plural.map_or_else(|| pluralized(singular), str::to_owned);
        refusal::examine(singular, &plural)?;
        Ok(Self {
            singular: singular.to_owned(),
            plural,
            holder: String::new(),
            repository: String::new(),
        })
    }

    /// Writes the name of the copyright's holder into the licence.
    pub(crate) fn held_by(mut self, holder: &str) -> Self {
        holder.trim().clone_into(&mut self.holder);
        self
    }

    /// Writes where images are pushed to before their names.
    ///
    /// # Errors
    ///
    /// When it cannot stand there.
    pub(crate) fn pushed_to(mut self, repository: &str) -> Result<Self, Refusal> {
        self.repository = repository::prefix(repository)?;
        Ok(self)
    }

    /// The name in one form.
    pub(crate) fn form(&self, form: Form) -> String {
        let name = if form.is_plural {
            &self.plural
        } else {
            &self.singular
        };
        shaped(name, form.shape)
    }

    /// A text with the names in the place of the characters that stand for them.
    pub(crate) fn render(&self, text: &str) -> String {
        let mut rendered = text.to_owned();
        for (token, name) in self.replacements() {
            rendered = rendered.replace(token, &name);
        }
        rendered
    }

    fn replacements(&self) -> Vec<(char, String)> {
        let article = article(&self.singular);
        let capital = if article == "an" { "An" } else { "A" };
        let mut replacements: Vec<_> = Form::all()
            .map(|form| (form.token(), self.form(form)))
            .collect();
        replacements.push((ARTICLE, article.to_owned()));
        replacements.push((CAPITAL_ARTICLE, capital.to_owned()));
        replacements.push((HOLDER, self.holder_line()));
        replacements.push((REPOSITORY, self.repository.clone()));
        replacements
    }

    fn holder_line(&self) -> String {
        if self.holder.is_empty() {
            "[yyyy] [name of copyright owner]".to_owned()
        } else {
            self.holder.clone()
        }
    }
}

/// Kebab case in another shape.
fn shaped(name: &str, shape: Shape) -> String {
    let camel = || name.split('-').map(capitalized).collect::<String>();
    match shape {
        Shape::Kebab => name.to_owned(),
        Shape::Snake => name.replace('-', "_"),
        Shape::Camel => camel(),
        Shape::LowerCamel => {
            let camel = camel();
            let first = camel.chars().next().map(|it| it.to_ascii_lowercase());
            first.into_iter().chain(camel.chars().skip(1)).collect()
        }
        Shape::ShoutySnake => name.replace('-', "_").to_uppercase(),
        Shape::Spaced => name.replace('-', " "),
        Shape::Sentence => capitalized(&name.replace('-', " ")),
    }
}

pub(crate) fn capitalized(word: &str) -> String {
    let mut chars = word.chars();
    let first = chars.next().map(|it| it.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

/// The regular plural of the last word.
pub(crate) fn pluralized(singular: &str) -> String {
    let before_y = singular
        .strip_suffix('y')
        .filter(|stem| !stem.is_empty() && !stem.ends_with(['a', 'e', 'i', 'o', 'u', '-']));
    if let Some(stem) = before_y {
        format!("{stem}ies")
    } else if ["s", "x", "z", "ch", "sh"]
        .iter()
        .any(|it| singular.ends_with(it))
    {
        format!("{singular}es")
    } else {
        format!("{singular}s")
    }
}

/// "a" or "an", by the sound that the name begins with as far as its letters tell.
fn article(singular: &str) -> &'static str {
    let word = singular.split('-').next().unwrap_or(singular);
    let is_spelt = word.len() == 1 || word.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    let starts = |prefixes: &[&str]| prefixes.iter().any(|it| word.starts_with(it));
    let is_vowel = if is_spelt {
        starts(&["a", "e", "f", "h", "i", "l", "m", "n", "o", "r", "s", "x"])
    } else if starts(&[
        "uni", "use", "usa", "usu", "uti", "ute", "eu", "one", "once", "ubi", "ura",
    ]) {
        starts(&["unin", "unim"])
    } else {
        starts(&[
            "a", "e", "i", "o", "u", "hour", "heir", "honest", "honor", "honour",
        ])
    };
    if is_vowel { "an" } else { "a" }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test stops at what it does not expect"
    )]

    use super::*;

    #[test]
    fn a_name_of_several_words_is_written_as_each_language_does() {
        let names = Names::new("line-item", None).unwrap();
        let written: Vec<String> = Form::all().map(|form| names.form(form)).collect();
        assert_eq!(
            written,
            [
                "line-item",
                "line_item",
                "LineItem",
                "lineItem",
                "LINE_ITEM",
                "line item",
                "Line item",
                "line-items",
                "line_items",
                "LineItems",
                "lineItems",
                "LINE_ITEMS",
                "line items",
                "Line items",
            ]
        );
    }

    #[test]
    fn regular_plurals_are_made_and_others_are_taken() {
        for (singular, plural) in [
            ("order", "orders"),
            ("category", "categories"),
            ("day", "days"),
            ("address", "addresses"),
            ("box-office", "box-offices"),
            ("match-up", "match-ups"),
            ("branch", "branches"),
        ] {
            assert_eq!(pluralized(singular), plural);
        }
        let names = Names::new("person", Some("people")).unwrap();
        let form = Form {
            shape: Shape::Camel,
            is_plural: true,
        };
        assert_eq!(names.form(form), "People");
    }

    #[test]
    fn the_article_follows_the_sound() {
        for (singular, expected) in [
            ("order", "an"),
            ("parcel", "a"),
            ("user", "a"),
            ("unit", "a"),
            ("uninstaller", "an"),
            ("european-order", "a"),
            ("hourly-rate", "an"),
            ("house", "a"),
            ("s3-object", "an"),
            ("b2-bucket", "a"),
            ("x-ray", "an"),
            ("invoice", "an"),
        ] {
            assert_eq!(article(singular), expected, "{singular}");
        }
    }

    #[test]
    fn the_licence_keeps_its_blanks_where_nobody_is_named() {
        let names = Names::new("order", None).unwrap();
        let text = format!("Copyright {HOLDER}");
        assert_eq!(
            names.render(&text),
            "Copyright [yyyy] [name of copyright owner]"
        );
        assert_eq!(names.held_by("ACME").render(&text), "Copyright ACME");
    }
}
