//! The limit of open files, which the measured processes inherit: a connection is one at either end.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Error;

/// Raises the limit to what is wanted, as far as this process may.
pub(super) fn allow(wanted: u32) -> Result<(), Error> {
    let present = getrlimit(Resource::Nofile);
    let Some(limit) = raised(&present, wanted.into())? else {
        return Ok(());
    };
    setrlimit(Resource::Nofile, limit).map_err(|source| Error::Start {
        program: format!("a process with {wanted} open files"),
        source: source.into(),
    })
}

/// `None` where the present limit is enough. Without a limit anything is.
fn raised(present: &Rlimit, wanted: u64) -> Result<Option<Rlimit>, Error> {
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= wanted);
    if enough(present.current) {
        return Ok(None);
    }
    if !enough(present.maximum) {
        return Err(Error::OpenFiles {
            wanted,
            allowed: present.maximum.unwrap_or_default(),
        });
    }
    Ok(Some(Rlimit {
        current: Some(wanted),
        maximum: present.maximum,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(current: Option<u64>, maximum: Option<u64>) -> Rlimit {
        Rlimit { current, maximum }
    }

    #[test]
    fn a_limit_is_raised_only_where_it_must_and_may_be() {
        for (present, expected) in [
            (limit(None, None), Some(None)),
            (limit(Some(500), Some(500)), Some(None)),
            (limit(Some(499), Some(500)), Some(Some(500))),
            (limit(Some(499), None), Some(Some(500))),
            (limit(Some(10), Some(499)), None),
        ] {
            let raised = raised(&present, 500).ok();
            let current = raised.map(|it| it.and_then(|it| it.current));
            assert_eq!(current, expected, "{present:?}");
        }
    }
}
