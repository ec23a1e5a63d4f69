//! The plan as a script that cargo-generate's hook can run: it may write files, and it may not read
//! them, so that everything it is to write must be in a script.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::error::Error;
use crate::form::{
    ARTICLE, CAPITAL_ARTICLE, Form, HOLDER, REPOSITORY, SECTION, SECTION_END, SECTION_TEXT,
};
use crate::part::{self, PARTS};
use crate::plan::Plan;
use crate::refusal::{KEYWORDS, LONGEST, TAKEN};

/// Where it stands.
pub(crate) const PATH: &str = "template/bundle.rhai";

/// Writes it.
///
/// # Errors
///
/// When the file cannot be written.
pub(crate) fn write(root: &Path, plan: &Plan) -> Result<(), Error> {
    fs::write(root.join(PATH), script(plan)).map_err(|source| Error::file("write", PATH, source))
}

/// Fails where the file is not what would be written.
///
/// # Errors
///
/// When it is stale, or cannot be read.
pub(crate) fn check(root: &Path, plan: &Plan) -> Result<(), Error> {
    let written =
        fs::read_to_string(root.join(PATH)).map_err(|source| Error::file("read", PATH, source))?;
    if written == script(plan) {
        Ok(())
    } else {
        Err(Error::Stale(PATH.to_owned()))
    }
}

fn script(plan: &Plan) -> String {
    let mut script = String::from(
        "// Made by `cargo run --manifest-path template/Cargo.toml -- . --bundle`; ADR 16 says what for.\n\n",
    );
    list(
        &mut script,
        "keywords",
        KEYWORDS.iter().map(|it| quoted(it)),
    );
    map(
        &mut script,
        "taken",
        TAKEN.iter().map(|(word, reason)| (*word, quoted(reason))),
    );
    let _ = writeln!(script, "fn longest() {{ {LONGEST} }}\n");
    list(
        &mut script,
        "tokens",
        tokens().map(|it| quoted(&it.to_string())),
    );
    let marks = [SECTION, SECTION_TEXT, SECTION_END];
    list(
        &mut script,
        "section_marks",
        marks.iter().map(|it| quoted(&it.to_string())),
    );
    list(
        &mut script,
        "parts",
        PARTS.iter().map(|part| {
            let paths: Vec<String> = part.paths.iter().map(|it| quoted(it)).collect();
            let needs = quoted(part.needs.unwrap_or_default());
            format!(
                "#{{ name: {}, needs: {needs}, paths: [{}] }}",
                quoted(part.name),
                paths.join(", ")
            )
        }),
    );
    list(
        &mut script,
        "own_paths",
        part::TEMPLATE.iter().map(|it| quoted(it)),
    );
    list(
        &mut script,
        "moves",
        plan.moves
            .iter()
            .map(|(path, name)| format!("[{}, {}]", quoted(path), quoted(name))),
    );
    map(
        &mut script,
        "texts",
        plan.texts
            .iter()
            .map(|(path, text)| (path.as_str(), raw(text))),
    );
    script.truncate(script.trim_end().len());
    script.push('\n');
    script
}

/// In the order in which `names.rhai` makes what they stand for.
fn tokens() -> impl Iterator<Item = char> {
    Form::all()
        .map(Form::token)
        .chain([ARTICLE, CAPITAL_ARTICLE, HOLDER, REPOSITORY])
}

fn list(script: &mut String, name: &str, items: impl Iterator<Item = String>) {
    let _ = writeln!(script, "fn {name}() {{ [");
    for item in items {
        let _ = writeln!(script, "    {item},");
    }
    script.push_str("] }\n\n");
}

fn map<'a>(script: &mut String, name: &str, entries: impl Iterator<Item = (&'a str, String)>) {
    let _ = writeln!(script, "fn {name}() {{ #{{");
    for (key, value) in entries {
        let _ = writeln!(script, "{}: {value},", quoted(key));
    }
    script.push_str("} }\n\n");
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A raw string, with more `#` around it than behind any quotation mark in it.
fn raw(text: &str) -> String {
    let mut hashes = String::from("####");
    while text.contains(&format!("\"{hashes}")) {
        hashes.push('#');
    }
    format!("{hashes}\"{text}\"{hashes}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raw_string_holds_any_text() {
        assert_eq!(raw("a"), "####\"a\"####");
        assert_eq!(raw("r####\"a\"####"), "#####\"r####\"a\"####\"#####");
    }

    #[test]
    fn the_script_holds_every_text_and_every_move() {
        let mut plan = Plan::default();
        plan.texts
            .insert("a/b.rs".to_owned(), "fn main() {}\n".to_owned());
        plan.moves
            .push(("a/user.rs".to_owned(), "\u{e001}.rs".to_owned()));
        let script = script(&plan);
        assert!(
            script.contains("\"a/b.rs\": ####\"fn main() {}\n\"####,"),
            "{script}"
        );
        assert!(
            script.contains("[\"a/user.rs\", \"\u{e001}.rs\"],"),
            "{script}"
        );
    }
}
