//! The services that are made: a name each, and what they leave out.

/// A service.
#[derive(Debug)]
pub(super) struct Case {
    /// What it is called on the command line.
    pub(super) name: &'static str,
    /// Why it is one of them.
    pub(super) about: &'static str,
    /// The project's name, which the entity's is taken from unless it is said.
    pub(super) project: &'static str,
    /// The entity, where the project's name does not say it.
    pub(super) entity: Option<&'static str>,
    /// Its plural, where it is irregular.
    pub(super) plural: Option<&'static str>,
    /// Where images are pushed to.
    pub(super) repository: &'static str,
    /// The parts that are left out.
    pub(super) without: &'static [&'static str],
    /// Whether the documents' steps are gone through on it.
    pub(super) walks: bool,
}

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        name: "full",
        about: "orders, with everything",
        project: "orders",
        entity: None,
        plural: None,
        repository: "ghcr.io/example",
        without: &[],
        walks: true,
    },
    Case {
        name: "minimal",
        about: "a parcel-service without any part",
        project: "parcel-service",
        entity: None,
        plural: None,
        repository: "",
        without: &["istio", "web", "page", "tilt"],
        walks: false,
    },
    Case {
        name: "two-words",
        about: "line-item: a name of two words",
        project: "billing",
        entity: Some("line-item"),
        plural: None,
        repository: "registry.example.com:5000/team",
        without: &["page"],
        walks: false,
    },
    Case {
        name: "digits",
        about: "s3-object: digits, and an article by ear",
        project: "s3-objects",
        entity: None,
        plural: None,
        repository: "",
        without: &["istio"],
        walks: false,
    },
    Case {
        name: "long",
        about: "as many letters as there can be",
        project: "compliance",
        entity: Some("internationally-recognized-certification"),
        plural: Some("recognized-certifications"),
        repository: "",
        without: &[],
        walks: false,
    },
    Case {
        name: "state",
        about: "a word that the code uses",
        project: "states",
        entity: None,
        plural: None,
        repository: "",
        without: &["tilt"],
        walks: false,
    },
    Case {
        name: "call",
        about: "a word that the code uses even more",
        project: "call",
        entity: None,
        plural: None,
        repository: "",
        without: &["web"],
        walks: false,
    },
    Case {
        name: "irregular",
        about: "person, people",
        project: "people",
        entity: Some("person"),
        plural: Some("people"),
        repository: "",
        without: &[],
        walks: false,
    },
];

// === impl Case ===

impl Case {
    /// The arguments for cargo-generate.
    pub(super) fn defines(&self) -> Vec<String> {
        let mut defines = vec![format!("--name={}", self.project)];
        let mut define = |name: &str, value: &str| defines.push(format!("--define={name}={value}"));
        if let Some(entity) = self.entity {
            define("entity", entity);
        }
        if let Some(plural) = self.plural {
            define("plural", plural);
        }
        define("image_repository", self.repository);
        for part in self.without {
            define(part, "false");
        }
        defines
    }

    /// The entity, as the project's name says it where nothing else does.
    pub(super) fn entity(&self) -> &'static str {
        let said = self
            .project
            .trim_end_matches("-service")
            .trim_end_matches('s');
        self.entity.unwrap_or(said)
    }
}
