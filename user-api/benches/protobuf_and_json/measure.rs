//! Two things measured against each other on a machine that does other work too.
//!
//! A round measures both, one right after the other, so that what slows the machine down slows down
//! both; the order alternates, so that neither always runs on a warmer cache. The median of the
//! rounds ignores those in which only one was disturbed.

use std::time::{Duration, Instant};

/// How long one side of a round takes: far above the clock's resolution, far below a time slice of
/// the scheduler, so that most rounds are not interrupted.
const BATCH: Duration = Duration::from_micros(200);

/// How often a number of runs is timed before it is believed to fill a batch: the fastest time is the
/// one that was not interrupted.
const TRIALS: usize = 10;

/// What the rounds showed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    /// The first's median time per run, in nanoseconds.
    pub(crate) first: f64,
    /// The second's.
    pub(crate) second: f64,
    /// The median of the rounds' ratios, second to first.
    pub(crate) ratio: f64,
    /// The lower and the upper quartile of these ratios.
    pub(crate) quartiles: (f64, f64),
}

/// Measures both in `rounds` rounds, at least one.
pub(crate) fn measure(rounds: usize, mut first: impl FnMut(), mut second: impl FnMut()) -> Pair {
    let first_runs = runs_per_batch(&mut first);
    let second_runs = runs_per_batch(&mut second);
    let (mut firsts, mut seconds, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let (a, b);
        if round.is_multiple_of(2) {
            a = batch(first_runs, &mut first);
            b = batch(second_runs, &mut second);
        } else {
            b = batch(second_runs, &mut second);
            a = batch(first_runs, &mut first);
        }
        firsts.push(a);
        seconds.push(b);
        ratios.push(b / a);
    }
    Pair {
        first: quantile(&mut firsts, 2),
        second: quantile(&mut seconds, 2),
        ratio: quantile(&mut ratios, 2),
        quartiles: (quantile(&mut ratios, 1), quantile(&mut ratios, 3)),
    }
}

/// The time of one run in nanoseconds, from `runs` of them.
fn batch(runs: u32, run: &mut impl FnMut()) -> f64 {
    let started = Instant::now();
    for _ in 0..runs {
        run();
    }
    started.elapsed().as_secs_f64() * 1e9 / f64::from(runs)
}

/// How many runs fill a batch.
fn runs_per_batch(run: &mut impl FnMut()) -> u32 {
    let mut runs = 1;
    loop {
        let fastest = (0..TRIALS)
            .map(|_| batch(runs, run))
            .fold(f64::INFINITY, f64::min);
        if fastest * f64::from(runs) >= BATCH.as_secs_f64() * 1e9 || runs > u32::MAX / 2 {
            return runs;
        }
        runs *= 2;
    }
}

/// The given quarter of the values: 1 is the lower quartile, 2 the median, 3 the upper quartile.
fn quantile(values: &mut [f64], quarter: usize) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[(values.len() - 1) * quarter / 4]
}
