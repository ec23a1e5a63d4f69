//! The grace period is longer than the way to the end: preStop, then the notice and the drain of the
//! server's own settings, then the flush. A shorter one kills calls that were about to finish.

use std::time::Duration;

use serde_json::Value;

use crate::check::finding::Examination;
use crate::check::pod::{Container, Pod};
use crate::check::program;
use crate::check::render::Render;

/// What Kubernetes gives a pod that says nothing.
const DEFAULT_GRACE: u64 = 30;

/// Knative Serving gives a replica that it stops the time that a call may take.
const KNATIVE: &str = "serving.knative.dev";

/// After the drain the store closes; then the telemetry is sent that is still there, for which the settings
/// have a bound.
const CLOSE: Duration = Duration::from_secs(2);

pub(super) fn examine(render: &Render) -> Examination {
    let mut examination = Examination::default();
    for container in render.pods().flat_map(Pod::containers) {
        let Some(Ok(settings)) = program::server(render, &container) else {
            continue;
        };
        examination.subject();
        let drain = settings.drain.notice + settings.drain.deadline;
        let flush = CLOSE + settings.telemetry.flush_timeout;
        judge(&mut examination, &container, drain, flush);
    }
    examination
}

fn judge(
    examination: &mut Examination,
    container: &Container<'_>,
    drain: Duration,
    flush: Duration,
) {
    let owner = container.pod.owner;
    let hook = "/lifecycle/preStop";
    let sleep = container.value.pointer(&format!("{hook}/sleep/seconds"));
    if container.value.pointer(hook).is_some() && sleep.is_none() {
        let problem = "expected preStop.sleep, which needs no program in the image";
        let cure = "preStop: {sleep: {seconds: 5}}";
        examination.report(owner, &container.at(hook), problem, cure);
    }
    let sleep = Duration::from_secs(sleep.and_then(Value::as_u64).unwrap_or(0));
    let pointer = if owner.group() == KNATIVE {
        "/timeoutSeconds"
    } else {
        "/terminationGracePeriodSeconds"
    };
    let grace = container.pod.get(pointer).and_then(Value::as_u64);
    let grace = Duration::from_secs(grace.unwrap_or(DEFAULT_GRACE));
    let needed = sleep + drain + flush;
    if grace <= needed {
        let problem = format!(
            "{grace:?} are not more than {needed:?} (preStop {sleep:?} + notice and drain {drain:?} + \
             flush {flush:?})"
        );
        let cure =
            "raise it, or shorten drain.notice and drain.deadline in the server's config.toml";
        examination.report(owner, &container.pod.pointer(pointer), problem, cure);
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{assert_breaks, assert_holds};
    use super::*;

    const GRACE: &str = "terminationGracePeriodSeconds: 45";

    #[test]
    fn a_grace_period_that_is_longer_than_all_steps_holds() {
        assert_holds(examine);
    }

    #[test]
    fn a_grace_period_that_only_just_fits_breaks_it() {
        let short = (GRACE, "terminationGracePeriodSeconds: 35");
        assert_breaks(examine, &[short], "35s are not more than 35s");
    }

    #[test]
    fn the_settings_of_the_render_count() {
        let longer = ("deadline = \"20s\"", "deadline = \"1m\"");
        assert_breaks(examine, &[longer], "45s are not more than 75s");
    }

    #[test]
    fn what_the_last_telemetry_may_take_counts() {
        let longer = (
            "[drain]",
            "[telemetry]\n      flush_timeout = \"1m\"\n      [drain]",
        );
        assert_breaks(examine, &[longer], "45s are not more than 92s");
    }

    #[test]
    fn a_hook_that_needs_a_shell_is_found() {
        let hook = ("sleep: {seconds: 5}", "exec: {command: [sleep, '5']}");
        assert_breaks(examine, &[hook], "expected preStop.sleep");
    }
}
