//! The scenarios there are: their names, what they claim, and on which overlays they mean something.

use clap::ValueEnum;

use super::overlay::Overlay;

/// A scenario, in the order in which they are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Scenario {
    /// One command brings all of it up, and the client's log shows the spread.
    Apply,
    /// Right after that, `kubectl diff` finds nothing.
    Diff,
    /// The API server refuses a pod that the restricted Pod Security Standard does not allow.
    Admission,
    /// The headless name resolves to every pod, the other one to one address.
    Names,
    /// Calls are even over the pods, to within one.
    Spread,
    /// A caller without the right certificate is refused, and both logs say why.
    Stranger,
    /// A pod that no policy lists cannot connect.
    Policy,
    /// Certificates change without a restart and without a failed call.
    Rotation,
    /// `kubectl rollout restart` fails no call.
    Rollout,
    /// From 3 to 5 to 2 replicas fails no call.
    Scale,
    /// A new pod gets its share of the calls soon after it is ready.
    Share,
    /// A deleted pod fails no call.
    Delete,
    /// A process that is killed by SIGKILL fails no call.
    Kill,
    /// A drained node fails no call.
    Drain,
    /// A second pod is not evicted while the first is away.
    Budget,
    /// The next version and back again fails no call.
    Upgrade,
    /// Without the database, reads come from the cache or fail UNAVAILABLE, and recover.
    Database,
    /// The autoscaler adds replicas under load.
    Autoscaling,
}

// === impl Scenario ===

impl Scenario {
    /// All that mean something on an overlay.
    pub(super) fn on(overlay: Overlay) -> Vec<Self> {
        let all = Self::value_variants().iter().copied();
        all.filter(|it| it.is_on(overlay)).collect()
    }

    /// Whether it means something on this overlay.
    ///
    /// What Istio's sidecars balance is not even to within one, and they speak TLS instead of the
    /// server. The mtls overlay differs from plain in who may connect; what rollouts and lost pods do
    /// is the same code, of which a rollout is the summary.
    pub(super) const fn is_on(self, overlay: Overlay) -> bool {
        match overlay {
            Overlay::Plain => !matches!(self, Self::Stranger | Self::Policy | Self::Rotation),
            Overlay::Mtls => matches!(
                self,
                Self::Apply
                    | Self::Diff
                    | Self::Admission
                    | Self::Spread
                    | Self::Stranger
                    | Self::Policy
                    | Self::Rotation
                    | Self::Rollout
            ),
            Overlay::Istio => matches!(
                self,
                Self::Apply | Self::Diff | Self::Admission | Self::Rollout | Self::Delete
            ),
        }
    }

    /// What an operator types.
    pub(super) fn name(self) -> String {
        let value = self.to_possible_value();
        value.map(|it| it.get_name().to_owned()).unwrap_or_default()
    }

    /// What it claims.
    pub(super) fn claim(self) -> String {
        let value = self.to_possible_value();
        let help = value.and_then(|it| it.get_help().map(ToString::to_string));
        help.unwrap_or_default()
    }
}

/// `name  claim`, a line each.
pub(super) fn list(overlay: Overlay) -> String {
    let lines = Scenario::on(overlay).into_iter();
    let lines = lines.map(|it| format!("{:<12} {}", it.name(), it.claim()));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_has_an_overlay_a_name_and_a_claim() {
        for &scenario in Scenario::value_variants() {
            assert!(
                Overlay::value_variants()
                    .iter()
                    .any(|&overlay| scenario.is_on(overlay)),
                "{scenario:?} would never be run"
            );
            assert!(!scenario.name().is_empty() && !scenario.claim().is_empty());
        }
    }

    #[test]
    fn the_list_names_what_the_overlay_has() {
        let list = list(Overlay::Mtls);
        assert!(
            list.contains("stranger") && !list.contains("upgrade"),
            "{list}"
        );
    }
}
