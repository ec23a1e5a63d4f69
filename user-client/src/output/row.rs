//! The columns of a table of resources.
//!
//! Streams and further pages are written before their last row is known, so that a column cannot be
//! made as wide as its longest value: it has a width that fits most values, and a page widens it.

use unicode_width::UnicodeWidthStr as _;

/// A UUID's.
const ID: usize = 36;

/// Wide enough for most names.
const NAME: usize = 24;

/// The header above the rows of a stream.
pub(super) fn header() -> String {
    header_of(NAME)
}

/// One row of a stream.
pub(super) fn row(cells: [&str; 4]) -> String {
    aligned(cells, NAME)
}

/// The rows of a page, with or without a header above them.
///
/// Ends without a line break.
pub(super) fn page(rows: &[[String; 4]], with_header: bool) -> String {
    let widest = rows.iter().map(|cells| cells[2].width()).max();
    let name = widest.unwrap_or_default().max(NAME);
    let rows = rows
        .iter()
        .map(|cells| aligned(cells.each_ref().map(String::as_str), name));
    let lines: Vec<_> = with_header
        .then(|| header_of(name))
        .into_iter()
        .chain(rows)
        .collect();
    lines.join("\n")
}

fn header_of(name: usize) -> String {
    aligned(["ID", "AGE", "DISPLAY NAME", "EMAIL"], name)
}

fn aligned([id, age, display_name, email]: [&str; 4], name: usize) -> String {
    // Widths are those on a terminal, where some characters take two columns and some none.
    let id_gap = ID.saturating_sub(id.width()) + 2;
    let age_gap = 3_usize.saturating_sub(age.width());
    let name_gap = name.saturating_sub(display_name.width()) + 2;
    format!(
        "{id}{:id_gap$}{:age_gap$}{age}  {display_name}{:name_gap$}{email}",
        "", "", ""
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stay_in_place_whatever_the_script() {
        let cells = |name: &str| ["id", "7", name, "@"].map(str::to_owned);
        let rows = [cells("Ada"), cells("李明"), cells("Zoë")];
        let text = page(&rows, true);
        let place = |line: &str, of: &str| line[..line.find(of).unwrap()].width();
        let header = text.lines().next().unwrap();
        for line in text.lines().skip(1) {
            assert_eq!(place(line, "@"), place(header, "EMAIL"), "{text}");
        }
    }

    #[test]
    fn a_long_name_widens_its_page() {
        let long = "x".repeat(60);
        let cells = |name: &str| ["id", "7", name, "@"].map(str::to_owned);
        let text = page(&[cells("Ada"), cells(&long)], false);
        let places: Vec<_> = text.lines().map(|line| line.find('@')).collect();
        assert_eq!(places[0], places[1], "{text}");
    }
}
