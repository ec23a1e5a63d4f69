//! The forms that a name is written in, and the character that stands for each until it is known.
//!
//! A text in which every name is one of these characters can be kept, compared and rendered by
//! anything that replaces strings: by [`crate::names::Names`] here, and by cargo-generate's hook. They
//! are of Unicode's private use area, which no source file has a use for.

/// How a name is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `line-item`: crates, Kubernetes' names, files.
    Kebab,
    /// `line_item`: Rust, protobuf, SQL.
    Snake,
    /// `LineItem`: types and messages.
    Camel,
    /// `lineItem`: protobuf's JSON.
    LowerCamel,
    /// `LINE_ITEM`: the environment.
    ShoutySnake,
    /// `line item`: sentences.
    Spaced,
    /// `Line item`: where a sentence begins, and titles.
    Sentence,
}

/// A shape, of one or of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// How it is written.
    pub(crate) shape: Shape,
    /// Whether it stands for several.
    pub(crate) is_plural: bool,
}

/// The indefinite article before a name: "a" or "an".
pub(crate) const ARTICLE: char = '\u{e010}';

/// The same at the beginning of a sentence.
pub(crate) const CAPITAL_ARTICLE: char = '\u{e011}';

/// What begins a section; the name of the part that it belongs to follows.
pub(crate) const SECTION: char = '\u{e020}';

/// What stands between the part's name and the section's text.
pub(crate) const SECTION_TEXT: char = '\u{e021}';

/// What ends a section.
pub(crate) const SECTION_END: char = '\u{e022}';

/// Who holds the copyright.
pub(crate) const HOLDER: char = '\u{e030}';

/// Where images are pushed to, with a slash; nothing where that is not known.
pub(crate) const REPOSITORY: char = '\u{e031}';

// === impl Shape ===

impl Shape {
    /// All of them, in the order of their characters.
    pub(crate) const ALL: [Self; 7] = [
        Self::Kebab,
        Self::Snake,
        Self::Camel,
        Self::LowerCamel,
        Self::ShoutySnake,
        Self::Spaced,
        Self::Sentence,
    ];
}

// === impl Form ===

impl Form {
    /// Every form there is.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        [false, true].into_iter().flat_map(|is_plural| {
            Shape::ALL
                .into_iter()
                .map(move |shape| Self { shape, is_plural })
        })
    }

    /// The character that stands for it.
    pub(crate) fn token(self) -> char {
        let plural = if self.is_plural { 8 } else { 0 };
        let shape = Shape::ALL.iter().position(|it| *it == self.shape);
        let offset = plural + shape.unwrap_or_default();
        u32::try_from(offset)
            .ok()
            .and_then(|offset| char::from_u32(0xe000 + offset))
            .unwrap_or(char::REPLACEMENT_CHARACTER)
    }
}

/// Whether a text has a character in it that would be taken for one of ours.
pub(crate) fn is_clear(text: &str) -> bool {
    !text
        .chars()
        .any(|it| ('\u{e000}'..='\u{e0ff}').contains(&it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_has_a_character_of_its_own() {
        let mut tokens: Vec<char> = Form::all().map(Form::token).collect();
        tokens.extend([
            ARTICLE,
            CAPITAL_ARTICLE,
            SECTION,
            SECTION_TEXT,
            SECTION_END,
            HOLDER,
            REPOSITORY,
        ]);
        let count = tokens.len();
        tokens.sort_unstable();
        tokens.dedup();
        assert_eq!(tokens.len(), count, "no two forms may share a character");
        assert!(tokens.iter().all(|it| !is_clear(&it.to_string())));
    }
}
