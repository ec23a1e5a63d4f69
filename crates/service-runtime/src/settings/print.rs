//! Writes the effective settings as TOML that can be loaded again, each value with its layer.

use std::collections::BTreeMap;

use super::Origin;

/// Adds `# from …` to every line that sets a value.
pub(super) fn annotate(toml: &str, origins: &BTreeMap<String, Origin>) -> String {
    let mut section = String::new();
    let mut out = String::with_capacity(toml.len() * 2);
    for line in toml.lines() {
        out.push_str(line);
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            section = format!("{name}.");
        } else if let Some((name, _)) = line.split_once(" = ")
            && let Some(origin) = origins.get(&format!("{section}{name}"))
        {
            out.push_str("  # ");
            out.push_str(&origin.to_string());
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_says_where_it_came_from() {
        let origins = BTreeMap::from([
            ("name".to_owned(), Origin::Default),
            (
                "server.address".to_owned(),
                Origin::Environment("X__SERVER__ADDRESS".to_owned()),
            ),
        ]);
        let printed = annotate("name = \"a\"\n\n[server]\naddress = \"b\"\n", &origins);
        assert_eq!(
            printed,
            "name = \"a\"  # default\n\n[server]\naddress = \"b\"  # environment variable \
             X__SERVER__ADDRESS\n"
        );
    }
}
