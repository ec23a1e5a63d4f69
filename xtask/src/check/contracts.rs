//! What holds between the objects of one render, and between them and the programs: rules that no
//! schema sees, each a pure function with tests that break it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`certificates`] | certificates carry the names that clients dial |
//! | [`hosts`] | the hosts of Istio objects are Services, subsets are pods |
//! | [`images`] | images have a version, ours the workspace's |
//! | [`network`] | NetworkPolicies let through what is used, and nothing else |
//! | [`pods`] | what every pod says about itself; the restricted Pod Security Standard |
//! | [`policy`] | the policy covers every served method |
//! | [`probes`] | probes fit what the ports speak |
//! | [`references`] | whatever is named is there |
//! | [`selectors`] | selectors select something |
//! | [`settings`] | the programs accept their files and arguments |
//! | [`shutdown`] | the grace period is longer than the way to the end |
//! | [`targets`] | clients dial a Service by its absolute name |

mod certificates;
#[cfg(test)]
mod fixture;
mod hosts;
mod images;
mod network;
mod pods;
mod policy;
mod probes;
mod references;
mod selectors;
mod settings;
mod shutdown;
mod targets;

use super::finding::Examination;
use super::render::Render;

/// A rule about one render.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contract {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// What it promises.
    pub(crate) promise: &'static str,
    /// Looks at a render.
    pub(crate) examine: fn(&Render) -> Examination,
}

/// All of them.
pub(crate) const CONTRACTS: [Contract; 13] = [
    Contract {
        name: "settings",
        promise: "the programs accept their settings files, arguments and environment",
        examine: settings::examine,
    },
    Contract {
        name: "policy",
        promise: "the policy says which permission each served method needs",
        examine: policy::examine,
    },
    Contract {
        name: "shutdown",
        promise: "the grace period is longer than preStop, drain and flush together",
        examine: shutdown::examine,
    },
    Contract {
        name: "probes",
        promise: "probes have numeric ports and fit what the ports speak",
        examine: probes::examine,
    },
    Contract {
        name: "selectors",
        promise: "selectors select pods of the render, and Services their ports",
        examine: selectors::examine,
    },
    Contract {
        name: "references",
        promise: "every ConfigMap, Secret, account and target that is named is there",
        examine: references::examine,
    },
    Contract {
        name: "targets",
        promise: "clients dial Services of the render by their absolute names",
        examine: targets::examine,
    },
    Contract {
        name: "network",
        promise: "NetworkPolicies allow the connections that the settings ask for, and no others",
        examine: network::examine,
    },
    Contract {
        name: "mesh",
        promise: "hosts of Istio objects are Services, subsets are pods, principals are accounts",
        examine: hosts::examine,
    },
    Contract {
        name: "certificates",
        promise: "certificates carry every name that clients dial, and the workloads' identities",
        examine: certificates::examine,
    },
    Contract {
        name: "images",
        promise: "images carry a version, and ours that of the workspace",
        examine: images::examine,
    },
    Contract {
        name: "pods",
        promise: "pods get no service links, and no token of the API that they do not use",
        examine: pods::examine,
    },
    Contract {
        name: "pod-security",
        promise: "pods keep to the restricted Pod Security Standard, with a read-only root",
        examine: pods::restricted::examine,
    },
];
