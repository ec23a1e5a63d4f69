//! Which clusters the scenarios may be run on without being told so: they kill processes and drain
//! nodes, and must not do that to whichever cluster somebody used last.

/// What the names of throw-away clusters begin with.
const THROW_AWAY: [&str; 4] = ["kind-", "k3d-", "minikube", "testbed"];

/// Whether the current context may be used although nobody has named it.
pub(super) fn is_throw_away(context: &str) -> bool {
    THROW_AWAY.iter().any(|prefix| context.starts_with(prefix))
}

/// The name of the kind cluster behind a context.
pub(super) fn kind_cluster(context: &str) -> Option<&str> {
    context.strip_prefix("kind-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clusters_for_tests_are_used_unasked() {
        for context in ["kind-kind", "kind-shop", "k3d-a", "minikube", "testbed"] {
            assert!(is_throw_away(context), "{context} is there to be broken");
        }
        for context in [
            "",
            "prod",
            "gke_shop_eu_kind-1",
            "my-kind-cluster",
            "arn:aws:eks",
        ] {
            assert!(!is_throw_away(context), "{context} may be anybody's");
        }
    }

    #[test]
    fn a_kind_context_names_its_cluster() {
        assert_eq!(kind_cluster("kind-shop"), Some("shop"));
        assert_eq!(kind_cluster("testbed"), None);
    }
}
