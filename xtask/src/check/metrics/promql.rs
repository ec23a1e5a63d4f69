//! The names and labels that a PromQL query asks for. Not a parser: promtool is one; this knows just
//! enough of the lexis to tell a metric from everything else.

/// A selector of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// The metric's name.
    pub(super) name: String,
    /// The labels that it is compared by.
    pub(super) labels: Vec<String>,
}

/// Words that stand before a list of labels.
const LISTS: [&str; 6] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];

/// Words that are no metrics although no parenthesis follows.
const WORDS: [&str; 22] = [
    "and",
    "or",
    "unless",
    "atan2",
    "bool",
    "offset",
    "start",
    "end",
    "inf",
    "nan",
    "sum",
    "min",
    "max",
    "avg",
    "count",
    "group",
    "stddev",
    "stdvar",
    "topk",
    "bottomk",
    "quantile",
    "count_values",
];

/// Everything that a query asks for, in its order.
pub(super) fn read(query: &str) -> Vec<Asked> {
    // Grafana's own function: the label behind the comma is no metric.
    let query = match query.trim().strip_prefix("label_values(") {
        Some(inner) => inner.rsplit_once(',').map_or(inner, |(metric, _)| metric),
        None => query,
    };
    let mut asked: Vec<Asked> = Vec::new();
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        match first {
            '"' | '\'' | '`' => rest = after_text(rest, first),
            '#' => rest = rest.split_once('\n').map_or("", |(_, rest)| rest),
            '[' => rest = rest.split_once(']').map_or("", |(_, rest)| rest),
            '{' => {
                let (labels, after) = matchers(&rest[1..]);
                if let Some(asked) = asked.last_mut() {
                    asked.labels.extend(labels);
                }
                rest = after;
            }
            '0'..='9' | '$' => {
                let is_part = |it: char| it.is_alphanumeric() || matches!(it, '.' | '_' | '$');
                rest = rest.trim_start_matches(is_part);
            }
            _ if is_name(first) => {
                let end = rest.find(|it| !is_name(it)).unwrap_or(rest.len());
                let (name, after) = rest.split_at(end);
                rest = after.trim_start();
                let word = name.to_lowercase();
                if LISTS.contains(&word.as_str()) {
                    let is_list = rest.starts_with('(');
                    rest = if is_list {
                        rest.split_once(')').map_or("", |it| it.1)
                    } else {
                        rest
                    };
                } else if !rest.starts_with('(') && !WORDS.contains(&word.as_str()) {
                    asked.push(Asked {
                        name: name.to_owned(),
                        labels: Vec::new(),
                    });
                }
            }
            other => rest = &rest[other.len_utf8()..],
        }
    }
    asked
}

fn is_name(it: char) -> bool {
    it.is_ascii_alphanumeric() || matches!(it, '_' | ':')
}

/// What follows a text in quotes.
fn after_text(text: &str, quote: char) -> &str {
    let mut characters = text.char_indices().skip(1);
    while let Some((index, it)) = characters.next() {
        match it {
            '\\' if quote != '`' => drop(characters.next()),
            it if it == quote => return &text[index + 1..],
            _ => {}
        }
    }
    ""
}

/// The labels within braces, and what follows them.
fn matchers(mut rest: &str) -> (Vec<String>, &str) {
    let mut labels = Vec::new();
    while let Some(first) = rest.chars().next() {
        match first {
            '}' => return (labels, &rest[1..]),
            '"' | '\'' | '`' => rest = after_text(rest, first),
            _ if is_name(first) => {
                let end = rest.find(|it| !is_name(it)).unwrap_or(rest.len());
                labels.push(rest[..end].to_owned());
                rest = &rest[end..];
            }
            other => rest = &rest[other.len_utf8()..],
        }
    }
    (labels, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_metrics_and_the_labels_of_their_selectors_are_read() {
        for (query, expected) in [
            ("up", "up"),
            (
                "sum by (le, pod) (rate(a_bucket{x=\"y}\", z!~'w'}[5m])) # c",
                "a_bucket{x,z}",
            ),
            ("histogram_quantile(0.99, a) > 2 * 24 * 1e3 offset 5m", "a"),
            ("a and on (pod) group_left (b) c unless absent(d)", "a c d"),
            ("rate(a[$__rate_interval]) / $x", "a"),
            (
                "ns:a:rate5m{job=\"x\"} > bool 14.4 * 0.001",
                "ns:a:rate5m{job}",
            ),
            ("label_values(a{job=\"x\"}, namespace)", "a{job}"),
            ("count(a) by (pod) == 1 or sum(b)", "a b"),
        ] {
            let shown: Vec<String> = read(query)
                .into_iter()
                .map(|Asked { name, labels }| match labels.as_slice() {
                    [] => name,
                    labels => format!("{name}{{{}}}", labels.join(",")),
                })
                .collect();
            assert_eq!(shown.join(" "), expected, "{query}");
        }
    }
}
