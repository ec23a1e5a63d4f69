//! The README's arithmetic about the connection pool.

const README: &str = include_str!("../../../README.md");

/// The numbers of the README's line that begins with this.
fn numbers(begin: &str) -> Vec<f64> {
    let line = README
        .lines()
        .find(|line| line.starts_with(begin))
        .unwrap_or_else(|| panic!("the README must have a line that begins with {begin:?}"));
    line.split(|it: char| !it.is_ascii_digit() && it != '.' && it != ',')
        .filter_map(|number| number.replace(',', "").parse().ok())
        .collect()
}

#[test]
fn the_readme_sizes_the_pool_by_littles_law() {
    let busy = numbers("busy        =");
    let [calls_per_second, seconds_per_call, result] = busy[..] else {
        panic!("{busy:?}");
    };
    assert!((calls_per_second * seconds_per_call - result).abs() < 1e-9);

    let connections = numbers("connections =");
    let [from_above, utilisation, connections] = connections[..] else {
        panic!("{connections:?}");
    };
    assert!((from_above - result).abs() < 1e-9);
    assert!(((result / utilisation).ceil() - connections).abs() < 1e-9);

    let all = numbers("at the server =");
    let [replicas, from_above, background, result] = all[..] else {
        panic!("{all:?}");
    };
    assert!((from_above - connections).abs() < 1e-9);
    assert!((replicas * (connections + background) - result).abs() < 1e-9);
}
