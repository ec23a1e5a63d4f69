//! What callgrind has written: how many instructions were counted, and how many of them are SHA-256.

use std::fs;
use std::iter::Sum;
use std::ops::Sub;
use std::path::Path;

/// Most processors have instructions for SHA-256; valgrind's has none, so that ring computes it with ten
/// times as many others. They say nothing of the server, and are told apart.
const SHA256: &str = "sha256_block_data_order_";

/// Instructions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted {
    /// Those of everything but SHA-256.
    pub plain: f64,
    pub sha256: f64,
}

// === impl Counted ===

impl Counted {
    /// What was counted in all threads of a row, for each of so many calls; `None` where there is nothing.
    pub fn read(folder: &Path, calls: u32) -> Option<Self> {
        let entries = fs::read_dir(folder).ok()?.filter_map(Result::ok);
        let outputs = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|it| it == "out"));
        let texts = outputs.filter_map(|path| fs::read_to_string(path).ok());
        let Self { plain, sha256 } = texts.map(|text| Self::of(&text)).sum();
        let each = |sum| sum / f64::from(calls);
        (plain > 0.0).then(|| Self {
            plain: each(plain),
            sha256: each(sha256),
        })
    }

    /// Of one output in callgrind's format, with whole names: costs follow the function that they are of.
    fn of(text: &str) -> Self {
        let (mut all, mut sha256) = (0.0, 0.0);
        let mut within = false;
        let mut is_inclusive = false;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("fn=") {
                within = name.contains(SHA256);
            } else if line.starts_with("calls=") {
                // What follows is the cost of what is called, which is told there as well.
                is_inclusive = true;
            } else if let Some(total) = line.strip_prefix("totals: ") {
                // Instructions come first, if other events were counted as well.
                let first = total.split(' ').next().and_then(|it| it.parse().ok());
                all = first.unwrap_or_default();
            } else if line.starts_with(|it: char| it.is_ascii_digit() || "+-*".contains(it)) {
                let cost = line.split(' ').nth(1).and_then(|it| it.parse::<f64>().ok());
                if within && !is_inclusive {
                    sha256 += cost.unwrap_or_default();
                }
                is_inclusive = false;
            }
        }
        Self {
            plain: all - sha256,
            sha256,
        }
    }
}

impl Sum for Counted {
    fn sum<I: Iterator<Item = Self>>(counted: I) -> Self {
        counted.fold(Self::default(), |sum, it| Self {
            plain: sum.plain + it.plain,
            sha256: sum.sha256 + it.sha256,
        })
    }
}

impl Sub for Counted {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            plain: self.plain - other.plain,
            sha256: self.sha256 - other.sha256,
        }
    }
}
