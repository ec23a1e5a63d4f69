//! What other programs say about the renders: kubeconform about the schemas, kube-score about good
//! practice, promtool about alerts.

pub(super) mod kube_score;
pub(super) mod kubeconform;
pub(super) mod promtool;
