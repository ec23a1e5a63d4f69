//! Makes a service: by cargo-generate as its callers do, and in place; both must give the same files.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::case::Case;
use super::error::Error;
use super::proof::Outcome;
use super::{seed, tree};

/// Where it is done: folders below the target folder, and the programs.
#[derive(Debug)]
pub(super) struct Workshop {
    root: PathBuf,
    folder: PathBuf,
    target: PathBuf,
    generator: PathBuf,
    /// What `cargo xtask check` of the services is given; without, it fetches them.
    schemas: Option<PathBuf>,
}

// === impl Workshop ===

impl Workshop {
    /// Takes what git would commit; cargo-generate copies whatever lies about.
    pub(super) fn open(
        root: PathBuf,
        generator: PathBuf,
        schemas: Option<PathBuf>,
    ) -> Result<Self, Error> {
        let target =
            env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let folder = target.join("template");
        let workshop = Self {
            root,
            folder,
            target,
            generator,
            schemas,
        };
        workshop.pack()?;
        seed::link(&workshop.target, &workshop.compiled())?;
        Ok(workshop)
    }

    fn pack(&self) -> Result<(), Error> {
        let source = self.source();
        tree::clear(&source)?;
        let arguments = [
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "-z",
        ];
        let listed = Self::run(Command::new("git").args(arguments).current_dir(&self.root))?;
        for path in String::from_utf8_lossy(&listed.stdout).split_terminator('\0') {
            let (from, to) = (self.root.join(path), source.join(path));
            if let Some(folder) = to.parent().filter(|_| from.is_file()) {
                fs::create_dir_all(folder).map_err(Error::file(folder))?;
                fs::copy(&from, &to).map_err(Error::file(&from))?;
            }
        }
        Ok(())
    }

    /// The repository, without what git does not know.
    pub(super) fn source(&self) -> PathBuf {
        self.folder.join("source")
    }

    /// Where cargo-generate puts its results.
    pub(super) fn results(&self) -> PathBuf {
        self.folder.join("generated")
    }

    /// Where the services are compiled.
    fn compiled(&self) -> PathBuf {
        self.folder.join("target")
    }

    /// Where the renamer is compiled.
    pub(super) fn renamer(&self) -> PathBuf {
        self.folder.join("renamer")
    }

    /// Where the project is compiled: always the same place, so that what has not changed stays compiled.
    fn project(&self) -> PathBuf {
        self.folder.join("project")
    }

    /// cargo-generate with these arguments, as a script calls it.
    ///
    /// `None` without the program.
    pub(super) fn generate(&self, arguments: &[String]) -> Result<Option<Output>, Error> {
        let results = self.results();
        tree::clear(&results)?;
        let mut command = Command::new(&self.generator);
        command.args([
            "generate",
            "--silent",
            "--vcs=none",
            "--no-workspace",
            "--path",
        ]);
        command
            .arg(self.source())
            .arg("--destination")
            .arg(results)
            .args(arguments);
        command.env("RUST_BACKTRACE", "0");
        match command.output() {
            Ok(output) => Ok(Some(output)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Start {
                program: self.generator.display().to_string(),
                source,
            }),
        }
    }

    /// The renamer with these arguments.
    pub(super) fn rename(&self, folder: &Path, arguments: &[String]) -> Result<Output, Error> {
        let mut command = self.cargo(
            &self.root,
            &[
                "run",
                "--quiet",
                "--offline",
                "--manifest-path=template/Cargo.toml",
                "--",
            ],
        );
        command.env("CARGO_TARGET_DIR", self.renamer());
        Self::run(command.arg(folder).args(arguments))
    }

    /// Makes the service in both ways, formats it, and returns where it is.
    pub(super) fn make(&self, case: &Case) -> Result<(Outcome, PathBuf), Error> {
        let in_place = self.folder.join("in-place");
        tree::clear(&in_place)?;
        tree::mirror(&self.source(), &in_place)?;
        let mut arguments = vec![case.entity().to_owned()];
        arguments.extend(case.plural.map(|it| format!("--plural={it}")));
        arguments.push(format!("--image-repository={}", case.repository));
        if !case.without.is_empty() {
            arguments.push(format!("--without={}", case.without.join(",")));
        }
        let renamed = self.rename(&in_place, &arguments)?;
        if !renamed.status.success() {
            return Ok((Outcome::of(&renamed), in_place));
        }
        let outcome = match self.generate(&case.defines())? {
            None => Outcome::Skipped(format!(
                "{} is not there; made in place",
                self.generator.display()
            )),
            Some(output) if !output.status.success() => Outcome::of(&output),
            Some(_) => {
                let generated = self.results().join(case.project);
                let differences = tree::differences(&generated, &in_place)?;
                Outcome::without(
                    differences
                        .iter()
                        .map(|it| format!("{} differs", it.display())),
                )
            }
        };
        let project = self.project();
        Self::run(&mut self.cargo(&in_place, &["fmt"]))?;
        tree::mirror(&in_place, &project)?;
        Ok((outcome, project))
    }

    /// Cargo in a folder, with the target folder of all services.
    pub(super) fn cargo(&self, folder: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new("cargo");
        command
            .args(arguments)
            .current_dir(folder)
            .env("CARGO_TARGET_DIR", self.compiled());
        // Of this program's own build.
        for variable in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
            command.env_remove(variable);
        }
        command
    }

    /// `cargo xtask check` in a folder.
    pub(super) fn check(&self, folder: &Path) -> Command {
        let mut command = self.cargo(folder, &["xtask", "check"]);
        if let Some(schemas) = &self.schemas {
            command.arg("--schemas").arg(schemas);
        }
        command
    }

    /// Runs a program to its end.
    pub(super) fn run(command: &mut Command) -> Result<Output, Error> {
        command.output().map_err(|source| Error::Start {
            program: command.get_program().to_string_lossy().into_owned(),
            source,
        })
    }
}
