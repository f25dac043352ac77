//! `scimhub validate PATH`: reads hub files without any database and tells every mistake.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::local::say;
use super::read_files;
use super::table::count;
use crate::domain::catalog::Catalog;
use crate::service::files;

/// Arguments of `validate`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Files, or folders of *.toml files with all they hold
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// A folder of app manifests besides those compiled in
    #[arg(long, env = "SCIMHUB_APPS", value_name = "FOLDER")]
    apps: Option<PathBuf>,
}

/// Do it.
///
/// # Errors
/// With every mistake as `file:line: …`.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let catalog = match &arguments.apps {
        Some(folder) => Catalog::load_dir(folder),
        None => Catalog::builtin(),
    };
    let catalog = catalog.context("the app manifests cannot be used")?;
    let texts = read_files::texts(&arguments.paths)?;
    match files::read(&catalog, &texts) {
        Ok(declared) => {
            let mappings: usize = declared.hubs.iter().map(|hub| hub.mappings.len()).sum();
            let roles = match declared.roles.declared.len() {
                0 => String::new(),
                roles => format!(" and {}", count(roles, "role mapping")),
            };
            let hubs = count(declared.hubs.len(), "hub");
            say(&format!("{hubs} and {}{roles}, no mistakes", count(mappings, "mapping")));
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => anyhow::bail!("{}\n{}", count(problems.len(), "mistake"), read_files::lines(&problems)),
    }
}
