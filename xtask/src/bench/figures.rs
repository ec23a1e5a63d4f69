//! Figures of several rounds.

use std::fmt;

/// What was measured, once for each round.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures(Vec<f64>);

/// The middle one, the least, and the most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

// === impl Figures ===

impl Figures {
    pub(super) fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// Each divided by the other's of the same round.
    pub(super) fn over(&self, other: &Self) -> Self {
        Self(
            self.0
                .iter()
                .zip(&other.0)
                .map(|(it, base)| it / base)
                .collect(),
        )
    }

    /// `None` where nothing was measured.
    pub(super) fn spread(&self) -> Option<Spread> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        Some(Spread {
            median: *sorted.get(sorted.len() / 2)?,
            least: *sorted.first()?,
            most: *sorted.last()?,
        })
    }

    pub(super) fn median(&self) -> Option<f64> {
        self.spread().map(|it| it.median)
    }
}

// === impl Spread ===

/// As ratios are quoted: `0.87 (0.85–0.91)`.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ({:.2}–{:.2})", self.median, self.least, self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_compared_with_themselves() {
        let of = |figures: &[f64]| Figures(figures.to_vec());
        // The machine was half as fast in the second round, for both.
        let ratio = of(&[8.0, 16.0, 9.0])
            .over(&of(&[10.0, 20.0, 10.0]))
            .spread();
        assert_eq!(
            ratio.map(|it| it.to_string()).as_deref(),
            Some("0.80 (0.80–0.90)")
        );
        assert_eq!(Figures::default().spread(), None);
    }
}
