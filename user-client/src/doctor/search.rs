//! Do search domains cost queries?
//!
//! A pod's `resolv.conf` has three search domains or more and `ndots:5`, so that a name with fewer
//! than five dots is first asked for below each of them. A client asks again and again for as long as
//! it lives; a final dot makes that one name instead of four.

use grpc_channel::resolver::Source;
use hickory_resolver::config::{ResolverConfig, ResolverOpts};
use hickory_resolver::proto::rr::Name;
use hickory_resolver::system_conf::{parse_resolv_conf, read_system_conf};

use super::finding::{Finding, Question};

const QUESTION: Question = Question::SearchDomains;

/// What `resolv.conf` says about names that are not absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    domains: Vec<Name>,
    ndots: usize,
}

// === impl Search ===

impl Search {
    /// That of this machine or pod, if it can be read.
    #[must_use]
    pub fn of_system() -> Option<Self> {
        let (config, options) = read_system_conf().ok()?;
        Some(Self::new(&config, &options))
    }

    /// That of the text of a `resolv.conf`; `None` if it is none.
    #[must_use]
    pub fn parse(resolv_conf: &[u8]) -> Option<Self> {
        let (config, options) = parse_resolv_conf(resolv_conf).ok()?;
        Some(Self::new(&config, &options))
    }

    /// The names that a look-up of `name` asks for, in this order, until one exists. None for what is
    /// no name.
    #[must_use]
    pub fn names(&self, name: &str) -> Vec<String> {
        let candidates = name.parse().map(|name| self.candidates(&name));
        let candidates = candidates.unwrap_or_default();
        candidates.iter().map(Name::to_string).collect()
    }

    fn new(config: &ResolverConfig, options: &ResolverOpts) -> Self {
        // The resolver tries the domain before the search list, unless it is a part of that.
        let search = config.search();
        let domain = config.domain().filter(|domain| !search.contains(domain));
        Self {
            domains: domain.into_iter().chain(search).cloned().collect(),
            ndots: options.ndots,
        }
    }

    /// The domains, without a final dot.
    #[must_use]
    pub fn domains(&self) -> Vec<String> {
        let relative = |domain: &Name| domain.to_string().trim_end_matches('.').to_owned();
        self.domains.iter().map(relative).collect()
    }

    /// The names that are asked for, in this order, until one exists.
    fn candidates(&self, name: &Name) -> Vec<Name> {
        if name.is_fqdn() {
            return vec![name.clone()];
        }
        let mut absolute = name.clone();
        absolute.set_fqdn(true);
        let below = |domain: &Name| name.clone().append_domain(domain).ok();
        let mut candidates: Vec<Name> = self.domains.iter().filter_map(below).collect();
        candidates.retain(|candidate| *candidate != absolute);
        if usize::from(name.num_labels()) > self.ndots || name.is_localhost() {
            candidates.insert(0, absolute);
        } else {
            candidates.push(absolute);
        }
        candidates
    }
}

/// What it costs to ask for a name that was found as `found`.
#[must_use]
pub fn verdict(source: &Source, found: Option<&str>, search: Option<&Search>) -> Finding {
    let (Source::Dns { name, server } | Source::Srv { name, server }) = source else {
        return Finding::skipped(QUESTION, "no name is asked for");
    };
    let Ok(name) = name.parse::<Name>() else {
        return Finding::skipped(QUESTION, "the name cannot be read");
    };
    if name.is_fqdn() {
        return Finding::passed(QUESTION, "none is tried: the name is absolute");
    }
    if server.is_some() {
        return Finding::passed(QUESTION, "none is tried: the target names its DNS server");
    }
    let Some(search) = search else {
        return Finding::skipped(QUESTION, "/etc/resolv.conf cannot be read");
    };
    if matches!(source, Source::Srv { .. }) {
        // The answer of an SRV record does not tell below which domain it was found.
        return Finding::skipped(
            QUESTION,
            "the name is relative; a final dot makes it one query",
        );
    }
    let Some(found) = found.and_then(|found| found.parse::<Name>().ok()) else {
        return Finding::skipped(QUESTION, "the name does not resolve");
    };
    let candidates = search.candidates(&name);
    let Some(before) = candidates.iter().position(|candidate| *candidate == found) else {
        return Finding::skipped(QUESTION, "the name is not one of DNS");
    };
    if before == 0 {
        return Finding::passed(QUESTION, "the first name that is tried is the right one");
    }
    Finding::failed(
        QUESTION,
        format!(
            "each look-up asks for {} names, of which {before} do not exist (ndots:{}): {} queries \
             instead of 2",
            before + 1,
            search.ndots,
            2 * (before + 1),
        ),
        vec![format!(
            "end the name with a dot, so that it is absolute: {found}"
        )],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    /// What a pod's `resolv.conf` says.
    const POD: &str = "\
search team.svc.cluster.local svc.cluster.local cluster.local
nameserver 10.96.0.10
options ndots:5
";

    fn verdict_of(name: &str, found: &str) -> Finding {
        let search = Search::parse(POD.as_bytes());
        let source = Source::Dns {
            name: name.to_owned(),
            server: None,
        };
        verdict(&source, Some(found), search.as_ref())
    }

    #[test]
    fn a_whole_name_without_its_final_dot_costs_every_search_domain() {
        const WHOLE: &str = "echo.default.svc.cluster.local.";
        let finding = verdict_of(WHOLE.trim_end_matches('.'), WHOLE);
        assert_eq!(finding.outcome, Outcome::Failed);
        for part in ["4 names", "3 do not exist", "ndots:5", "8 queries"] {
            assert!(
                finding.says.contains(part),
                "{part:?} is missing: {finding:?}"
            );
        }
        assert!(
            finding.next[0].ends_with(WHOLE),
            "the cure is the dot: {finding:?}"
        );
    }

    #[test]
    fn a_name_that_costs_nothing_more_is_well() {
        for (name, found) in [
            (
                "echo.default.svc.cluster.local.",
                "echo.default.svc.cluster.local.",
            ),
            ("echo", "echo.team.svc.cluster.local."),
            ("a.b.c.d.e.example", "a.b.c.d.e.example."),
        ] {
            let finding = verdict_of(name, found);
            assert_eq!(finding.outcome, Outcome::Passed, "{name}: {finding:?}");
        }
    }

    #[test]
    fn a_service_of_another_namespace_costs_one_name_more() {
        let finding = verdict_of("echo.default", "echo.default.svc.cluster.local.");
        assert!(finding.says.contains("2 names, of which 1"), "{finding:?}");
    }
}
