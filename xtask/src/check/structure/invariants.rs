//! What a part of the code does not know: the invariants of ARCHITECTURE.md that have a word to look
//! for.

use super::File;
use crate::check::finding::{Examination, Finding};

/// What must not stand where.
struct Invariant {
    /// What is promised.
    promise: &'static str,
    /// Where: the beginnings of paths.
    within: &'static [&'static str],
    /// Except there.
    except: &'static [&'static str],
    /// The words.
    words: &'static [&'static str],
}

/// Code that ends up in the programs: what builds and tests it may know more.
const PROGRAMS: &[&str] = &[
    "user-api/src/",
    "user-server/src/",
    "user-client/src/",
    "crates/grpc-channel/src/",
    "crates/service-runtime/src/",
];

const INVARIANTS: [Invariant; 5] = [
    Invariant {
        promise: "the domain knows no I/O, no transport, no clock and no randomness of its own",
        within: &["user-server/src/domain"],
        except: &[],
        words: &[
            "tokio::",
            "tonic::",
            "prost",
            "sqlx",
            "user_api::",
            "SystemTime::now",
            "Instant::now",
            "Timestamp::now",
            "fastrand::",
        ],
    },
    Invariant {
        promise: "the pure cores of the channel take time and randomness as arguments",
        within: &[
            "crates/grpc-channel/src/balancer/change.rs",
            "crates/grpc-channel/src/resolver/dns/schedule.rs",
            "crates/grpc-channel/src/backoff.rs",
            "crates/grpc-channel/src/picker/weighted.rs",
        ],
        except: &[],
        words: &[
            "tokio::",
            "tonic::",
            "SystemTime::now",
            "Instant::now",
            "fastrand::",
        ],
    },
    Invariant {
        promise: "only main.rs ends the process",
        within: PROGRAMS,
        except: &["user-server/src/main.rs", "user-client/src/main.rs"],
        words: &["process::exit", "process::abort"],
    },
    Invariant {
        promise: "only settings read the environment",
        within: PROGRAMS,
        except: &[
            "crates/service-runtime/src/settings",
            "user-client/src/settings.rs",
            "user-server/src/settings.rs",
        ],
        words: &["env::var", "option_env!"],
    },
    Invariant {
        promise: "SQL stays in the store",
        within: &["user-server/src/"],
        except: &["user-server/src/store"],
        words: &["sqlx::"],
    },
];

pub(super) fn examine(files: &[File]) -> Examination {
    let mut examination = Examination::default();
    for invariant in &INVARIANTS {
        let begins = |file: &&File, with: &[&str]| with.iter().any(|it| file.path.starts_with(it));
        for file in files
            .iter()
            .filter(|it| it.path.ends_with(".rs") && begins(it, invariant.within))
            .filter(|it| !begins(it, invariant.except) && !it.path.ends_with("tests.rs"))
        {
            examination.subject();
            for (index, line) in code(&file.text) {
                let word = invariant.words.iter().find(|word| line.contains(**word));
                if let Some(word) = word {
                    let place = format!("{}:{index}", file.path);
                    let problem = format!("{word} stands where {}", invariant.promise);
                    let cure = "take it as an argument, or move the code to where it belongs";
                    examination
                        .findings
                        .push(Finding::in_file(place, problem, cure));
                }
            }
        }
    }
    examination
}

/// The lines that are neither comments nor tests, with their numbers.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]\n") && *line != "mod tests {")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let findings = examine(&[File::new(path, text)]).findings;
        findings.into_iter().map(|it| it.place).collect()
    }

    #[test]
    fn each_invariant_can_be_broken() {
        for (path, line) in [
            (
                "user-server/src/domain/page.rs",
                "let now = Timestamp::now();",
            ),
            ("crates/grpc-channel/src/backoff.rs", "fastrand::f64()"),
            ("user-client/src/load.rs", "std::process::exit(1);"),
            ("crates/service-runtime/src/logs.rs", "std::env::var(\"X\")"),
            ("user-server/src/rpc/get.rs", "use sqlx::Row;"),
        ] {
            assert_eq!(
                found(path, &format!("//! A.\n{line}\n")),
                [format!("{path}:2")]
            );
        }
    }

    #[test]
    fn comments_and_tests_may_say_anything() {
        let none: [&str; 0] = [];
        let path = "user-server/src/domain/page.rs";
        assert_eq!(found(path, "//! tokio::\n"), none);
        assert_eq!(
            found(path, "#[cfg(test)]\nmod tests {\n    use tokio::time;\n"),
            none
        );
    }
}
