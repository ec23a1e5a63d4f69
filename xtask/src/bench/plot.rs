//! Lines over a logarithmic axis, as an SVG: pure, and small enough to need no library.
//!
//! The colours are of middle brightness and the background is none, so that it can be read on a light
//! page as well as on a dark one.

use std::fmt::Write as _;

/// Some lines with a title above and axes below and left. No text here may hold markup.
pub(super) struct Panel {
    pub(super) title: &'static str,
    /// What is counted on the horizontal axis.
    pub(super) across: &'static str,
    /// What is measured on the vertical one, which begins at 0.
    pub(super) up: &'static str,
    pub(super) lines: Vec<Line>,
}

/// One line, with its name at its end.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) dashed: bool,
    /// Across and up.
    pub(super) points: Vec<(f64, f64)>,
}

/// A rectangle in the picture, and what its edges stand for.
#[derive(Clone, Copy, Debug)]
struct Scale {
    top: f64,
    /// The horizontal axis is this many powers of ten long.
    decades: i32,
    /// What is at the top of the vertical one.
    most: f64,
    step: f64,
}

const WIDTH: f64 = 760.0;
const LEFT: f64 = 50.0;
/// The names of the lines are right of it.
const RIGHT: f64 = 590.0;
const TITLE: f64 = 56.0;
const HEIGHT: f64 = 170.0;
/// Below the axis stand its numbers, and below these what they count.
const BELOW: f64 = 54.0;
/// How far apart names are at least.
const APART: f64 = 16.0;

/// Contrast of at least 4:1 on white and on GitHub's dark grey alike.
const TEXT: &str = "#737b85";
const COLOURS: [&str; 2] = ["#d9622b", "#3f83d6"];

/// Draws the panels below each other.
pub(super) fn draw(panels: &[Panel]) -> String {
    let panel = TITLE + HEIGHT + BELOW;
    let height = panels.iter().fold(0.0, |height, _| height + panel);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         font-family=\"ui-sans-serif, system-ui, sans-serif\" font-size=\"13\" fill=\"{TEXT}\">\n"
    );
    let described: Vec<_> = panels.iter().map(describe).collect();
    // Writing to a String cannot fail.
    let _ = writeln!(svg, "<title>{}</title>", described.join("; "));
    let mut top = TITLE;
    for it in panels {
        axes(&mut svg, it, Scale::of(it, top));
        lines(&mut svg, it, Scale::of(it, top));
        top += panel;
    }
    svg.push_str("</svg>\n");
    svg
}

fn axes(svg: &mut String, panel: &Panel, scale: Scale) {
    let Panel {
        title, across, up, ..
    } = panel;
    let (above, below) = (scale.top - 32.0, scale.top - 12.0);
    let _ = writeln!(
        svg,
        "<text x=\"0\" y=\"{above}\" font-size=\"15\" font-weight=\"600\">{title}</text>\
         <text x=\"0\" y=\"{below}\">{up}</text>"
    );
    let mut value = 0.0;
    while value <= scale.most + scale.step / 2.0 {
        let y = scale.y(value);
        let baseline = y + 4.0;
        let opacity = if value == 0.0 { 1.0 } else { 0.3 };
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {y:.1}H{RIGHT}\" stroke=\"{TEXT}\" opacity=\"{opacity}\"/>\
             <text x=\"{}\" y=\"{baseline:.1}\" text-anchor=\"end\">{value}</text>",
            LEFT - 8.0
        );
        value += scale.step;
    }
    let numbers = scale.top + HEIGHT + 19.0;
    for decade in 0..=scale.decades {
        let value = 10_f64.powi(decade);
        let x = scale.x(value);
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{numbers}\" text-anchor=\"middle\">{}</text>",
            grouped(value)
        );
    }
    let (middle, name) = (f64::midpoint(LEFT, RIGHT), numbers + 18.0);
    let _ = writeln!(
        svg,
        "<text x=\"{middle}\" y=\"{name}\" text-anchor=\"middle\">{across}</text>"
    );
}

fn lines(svg: &mut String, panel: &Panel, scale: Scale) {
    let end = |line: &Line| line.points.last().map_or(0.0, |(_, value)| scale.y(*value));
    let names = spread_out(&panel.lines.iter().map(end).collect::<Vec<_>>());
    for (index, (line, name)) in panel.lines.iter().zip(names).enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let dashes = if line.dashed {
            " stroke-dasharray=\"6 4\""
        } else {
            ""
        };
        let place = |(across, up): &(f64, f64)| (scale.x(*across), scale.y(*up));
        let places: Vec<_> = line.points.iter().map(place).collect();
        let path: Vec<_> = places
            .iter()
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/>",
            path.join(" ")
        );
        for (x, y) in places {
            let _ = write!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>"
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{:.1}\" fill=\"{colour}\">{}</text>",
            RIGHT + 12.0,
            name + 4.0,
            line.name
        );
    }
}

/// For those who cannot see it.
fn describe(panel: &Panel) -> String {
    let lines = panel.lines.iter().map(|line| {
        let points = line.points.iter();
        let points = points.map(|(across, up)| format!("{up:.2} at {}", grouped(*across)));
        format!("{}: {}", line.name, points.collect::<Vec<_>>().join(", "))
    });
    let lines = lines.collect::<Vec<_>>().join("; ");
    format!(
        "{}, {}, by {}: {lines}",
        panel.title, panel.up, panel.across
    )
}

/// Moves places down that are too close to the one above, and keeps their order.
fn spread_out(places: &[f64]) -> Vec<f64> {
    let mut order: Vec<_> = (0..places.len()).collect();
    order.sort_by(|a, b| places[*a].total_cmp(&places[*b]));
    let mut moved = places.to_vec();
    let mut next = f64::NEG_INFINITY;
    for index in order {
        moved[index] = moved[index].max(next);
        next = moved[index] + APART;
    }
    moved
}

/// `10,000`.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

// === impl Scale ===

impl Scale {
    /// Everything fits in, and the vertical axis ends at a number that is written.
    fn of(panel: &Panel, top: f64) -> Self {
        let points = || panel.lines.iter().flat_map(|line| &line.points);
        let across = points().map(|(across, _)| *across).fold(10.0, f64::max);
        let up = points().map(|(_, up)| *up).fold(1.0, f64::max);
        let steps = [0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0];
        let few = |step: &f64| up / step <= 6.0;
        let step = steps.into_iter().find(few).unwrap_or(up);
        let mut decades = 1;
        while 10_f64.powi(decades) < across {
            decades += 1;
        }
        Self {
            top,
            decades,
            most: (up / step).ceil() * step,
            step,
        }
    }

    fn x(self, across: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * across.log10() / f64::from(self.decades)
    }

    fn y(self, up: f64) -> f64 {
        self.top + HEIGHT * (1.0 - up / self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(points: &[(f64, f64)]) -> Panel {
        Panel {
            title: "growth",
            across: "connections",
            up: "cost",
            lines: vec![Line {
                name: "ours",
                dashed: false,
                points: points.to_vec(),
            }],
        }
    }

    fn near(one: f64, other: f64) -> bool {
        (one - other).abs() < 0.01
    }

    #[test]
    fn a_power_of_ten_is_as_wide_as_any_other() {
        let scale = Scale::of(&panel(&[(1.0, 1.0), (10_000.0, 2.0)]), 0.0);
        assert!(near(scale.x(1.0), LEFT) && near(scale.x(10_000.0), RIGHT));
        assert!(near(scale.x(100.0), f64::midpoint(LEFT, RIGHT)));
    }

    #[test]
    fn the_vertical_axis_begins_at_nothing_and_ends_at_a_step_above_the_most() {
        let scale = Scale::of(&panel(&[(1.0, 1.0), (9.0, 2.6)]), 40.0);
        assert!(near(scale.step, 0.5) && near(scale.most, 3.0), "{scale:?}");
        assert!(near(scale.y(0.0), 40.0 + HEIGHT) && near(scale.y(3.0), 40.0));
        let flat = Scale::of(&panel(&[]), 0.0);
        assert!(near(flat.most, 1.0) && flat.decades == 1, "{flat:?}");
    }

    #[test]
    fn names_do_not_cover_each_other() {
        assert_eq!(spread_out(&[50.0, 10.0, 12.0]), [50.0, 10.0, 26.0]);
        assert_eq!(spread_out(&[10.0, 10.0, 10.0]), [10.0, 26.0, 42.0]);
        assert!(spread_out(&[]).is_empty());
    }

    #[test]
    fn what_is_drawn_is_also_said() {
        let svg = draw(&[panel(&[(1.0, 1.0), (10_000.0, 1.5)])]);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        let said = "<title>growth, cost, by connections: ours: 1.00 at 1, 1.50 at 10,000</title>";
        assert!(svg.contains(said), "{svg}");
        assert!(svg.contains("points=\"50.0,112.7 590.0,56.0\""), "{svg}");
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (value, text) in [(1.0, "1"), (1_000.0, "1,000"), (100_000.0, "100,000")] {
            assert_eq!(grouped(value), text);
        }
    }
}
