//! A render in which every contract holds, and the same with something broken: each test changes one
//! text of it, so that what it breaks is all that it breaks.

use crate::check::finding::Examination;
use crate::check::render::Render;

const GOOD: &str = include_str!("fixture.yaml");

/// The render with replacements, each of which has to be found.
pub(super) fn broken(replacements: &[(&str, &str)]) -> Render {
    let mut yaml = GOOD.to_owned();
    for (from, to) in replacements {
        assert!(yaml.contains(from), "the fixture has no {from:?}");
        yaml = yaml.replace(from, to);
    }
    let yaml = yaml.replace("VERSION", env!("CARGO_PKG_VERSION"));
    Render::parse("fixture", &yaml).expect("the fixture is YAML")
}

/// A contract holds in the good render, and has looked at something.
pub(super) fn assert_holds(examine: fn(&Render) -> Examination) {
    let examination = examine(&broken(&[]));
    assert_eq!(
        examination.findings,
        [],
        "nothing is wrong with the fixture"
    );
    assert!(examination.subjects > 0, "it looks at something");
}

/// A contract does not hold in the broken render, and says so in words that contain `said`.
pub(super) fn assert_breaks(
    examine: fn(&Render) -> Examination,
    replacements: &[(&str, &str)],
    said: &str,
) {
    let findings = examine(&broken(replacements)).findings;
    assert!(
        findings
            .iter()
            .any(|it| it.problem.contains(said) || it.place.contains(said)),
        "{replacements:?} should be found, with {said:?}: {findings:#?}"
    );
}
