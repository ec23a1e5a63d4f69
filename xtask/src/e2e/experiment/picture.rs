//! Bars as an SVG: pure, and small enough to need no library.
//!
//! The colours are of middle brightness and the background is none, so that it can be read on a light
//! page as well as on a dark one.

use std::fmt::Write as _;

/// Some bars with a title above them.
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) bars: Vec<Bar>,
}

/// One bar.
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) value: u64,
    /// What stands at its end.
    pub(super) text: String,
}

const WIDTH: u64 = 760;
const TITLE: u64 = 34;
const ROW: u64 = 26;
/// Where bars begin: right of their labels.
const LEFT: u64 = 250;
/// How long the longest bar is; its text fits right of it.
const LONGEST: u64 = 340;

/// Contrast of at least 4:1 on white and on GitHub's dark grey alike.
const TEXT: &str = "#737b85";
const COLOURS: [&str; 2] = ["#d9622b", "#3f83d6"];

/// Draws the panels below each other; all bars have the same scale.
pub(super) fn draw(panels: &[Panel]) -> String {
    let bars = || panels.iter().flat_map(|panel| &panel.bars);
    let longest = bars().map(|bar| bar.value).max().unwrap_or(0).max(1);
    let rows = u64::try_from(bars().count()).unwrap_or(0);
    let titles = u64::try_from(panels.len()).unwrap_or(0);
    let height = titles * TITLE + rows * ROW + 12;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         font-family=\"ui-sans-serif, system-ui, sans-serif\" font-size=\"13\" fill=\"{TEXT}\">\n"
    );
    let description = panels.iter().map(describe).collect::<Vec<_>>().join("; ");
    // Writing to a String cannot fail.
    let _ = writeln!(svg, "<title>{}</title>", escaped(&description));
    let mut y = 0;
    for (index, panel) in panels.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        y += TITLE;
        let title = escaped(&panel.title);
        let baseline = y - 10;
        let _ = writeln!(
            svg,
            "<text x=\"0\" y=\"{baseline}\" font-size=\"15\" font-weight=\"600\">{title}</text>"
        );
        for bar in &panel.bars {
            // A bar of nothing is still to be seen.
            let length = (bar.value * LONGEST / longest).max(1);
            let (label, text) = (escaped(&bar.label), escaped(&bar.text));
            let (end, baseline, right) = (LEFT + length + 8, y + 17, LEFT - 10);
            let top = y + 4;
            let _ = writeln!(
                svg,
                "<text x=\"{right}\" y=\"{baseline}\" text-anchor=\"end\">{label}</text>\
                 <rect x=\"{LEFT}\" y=\"{top}\" width=\"{length}\" height=\"18\" rx=\"2\" fill=\"{colour}\"/>\
                 <text x=\"{end}\" y=\"{baseline}\">{text}</text>"
            );
            y += ROW;
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// For those who cannot see it.
fn describe(panel: &Panel) -> String {
    let bars = panel.bars.iter();
    let bars = bars.map(|bar| format!("{} {}", bar.label, bar.text));
    format!("{}: {}", panel.title, bars.collect::<Vec<_>>().join(", "))
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(title: &str, values: &[u64]) -> Panel {
        let bar = |&value| Bar {
            label: format!("pod-{value}"),
            value,
            text: value.to_string(),
        };
        Panel {
            title: title.to_owned(),
            bars: values.iter().map(bar).collect(),
        }
    }

    #[test]
    fn bars_are_as_long_as_their_values_on_one_scale() {
        let svg = draw(&[panel("one", &[900, 0]), panel("all", &[450, 450])]);
        let full = format!("width=\"{LONGEST}\"");
        let half = format!("width=\"{}\"", LONGEST / 2);
        assert_eq!(svg.matches(&full).count(), 1, "{svg}");
        assert_eq!(svg.matches(&half).count(), 2, "{svg}");
        assert_eq!(
            svg.matches("width=\"1\"").count(),
            1,
            "nothing is still shown"
        );
    }

    #[test]
    fn what_is_drawn_is_also_said_and_nothing_breaks_the_document() {
        let svg = draw(&[panel("a < b & \"c\"", &[1])]);
        assert!(
            svg.contains("<title>a &lt; b &amp; &quot;c&quot;: pod-1 1</title>"),
            "{svg}"
        );
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn nothing_is_a_picture_too() {
        assert!(draw(&[]).ends_with("</svg>\n"));
        assert!(draw(&[panel("none", &[0, 0])]).contains("width=\"1\""));
    }
}
