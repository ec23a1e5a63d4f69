//! What is drawn of the figures: processor time of a call, by connections and by replicas.

use super::channel::{self, Growth};
use super::server::{Comparison, Point};
use crate::bench::figures::Figures;
use crate::bench::plot::{self, Line, Panel};

type Cost<T> = fn(&T) -> &Figures;

/// Three panels: the server with one and with many callers, and the channel with both.
pub(super) fn draw(servers: &Comparison, channel: &Growth) -> String {
    let server = |title, cost: Cost<Point>| Panel {
        title,
        across: "connections",
        up: "the server's CPU per call; bare tonic with one connection = 1",
        lines: vec![
            line("bare tonic", false, relative(servers, &servers.tonic, cost)),
            line("this server", false, relative(servers, &servers.ours, cost)),
        ],
    };
    let panels = [
        server("Server, one call at a time", |it| &it.alone),
        server("Server, 100 calls at a time", |it| &it.busy),
        Panel {
            title: "Channel, round_robin over all replicas",
            across: "replicas",
            up: "the client's CPU per call; 3 replicas = 1, for each line",
            lines: vec![
                line("1 call at a time", false, growth(channel, |it| &it.alone)),
                line("100 at a time", true, growth(channel, |it| &it.busy)),
            ],
        },
    ];
    plot::draw(&panels)
}

fn line(name: &'static str, dashed: bool, points: Vec<(f64, f64)>) -> Line {
    Line {
        name,
        dashed,
        points,
    }
}

fn relative(servers: &Comparison, points: &[Point], cost: Cost<Point>) -> Vec<(f64, f64)> {
    let Some(base) = servers.tonic.first() else {
        return Vec::new();
    };
    let counts = servers.connections.iter().zip(points);
    counts
        .filter_map(|(count, it)| Some((f64::from(*count), cost(it).over(cost(base)).median()?)))
        .collect()
}

/// Without subsets.
fn growth(channel: &Growth, cost: Cost<channel::Point>) -> Vec<(f64, f64)> {
    let Some(base) = channel.points.first() else {
        return Vec::new();
    };
    let all = channel.points.iter().filter(|it| it.subset.is_none());
    all.filter_map(|it| Some((it.replicas.into(), cost(it).over(cost(base)).median()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(values: &[f64]) -> Figures {
        let mut figures = Figures::default();
        for value in values {
            figures.push(*value);
        }
        figures
    }

    #[test]
    fn servers_are_drawn_to_bare_tonic_with_one_connection() {
        let mut servers = Comparison::new(10);
        for (points, one, ten) in [
            (&mut servers.tonic, 20.0, 30.0),
            (&mut servers.ours, 30.0, 40.0),
        ] {
            points[0].alone = figures(&[one]);
            points[1].alone = figures(&[ten]);
        }
        let alone: Cost<Point> = |it| &it.alone;
        let ours = relative(&servers, &servers.ours, alone);
        assert_eq!(ours, [(1.0, 1.5), (10.0, 2.0)]);
        let busy: Cost<Point> = |it| &it.busy;
        assert!(
            relative(&servers, &servers.ours, busy).is_empty(),
            "nothing was measured"
        );
    }

    #[test]
    fn a_subset_is_no_point_of_the_channels_line() {
        let mut channel = Growth::new(10_000);
        for (point, cost) in channel
            .points
            .iter_mut()
            .zip([10.0, 11.0, 12.0, 15.0, 20.0, 10.0])
        {
            point.alone = figures(&[cost, cost]);
        }
        let line = growth(&channel, |it| &it.alone);
        assert_eq!(line.len(), 5, "{line:?}");
        assert_eq!(line.last(), Some(&(10_000.0, 2.0)));
    }
}
