//! Hub files from disk: one file, or every `*.toml` of a folder in name order; and the values of
//! `{ env = … }`, which only a command that opens the database itself may read.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::base::secret::SecretString;
use crate::domain::catalog::Catalog;
use crate::domain::hub_file::{FILE_BYTES, Given};
use crate::service::files::{self, EnvValues, FileText, Problem};

/// Read `path`: a file, or the `*.toml` files of a folder.
///
/// # Errors
/// When nothing is there or it cannot be read.
pub fn texts(path: &Path) -> anyhow::Result<Vec<FileText>> {
    let mut paths: Vec<PathBuf> = Vec::new();
    if path.is_dir() {
        for entry in std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))? {
            let found = entry.with_context(|| format!("cannot read {}", path.display()))?.path();
            if found.is_file() && found.extension().is_some_and(|extension| extension == "toml") {
                paths.push(found);
            }
        }
        paths.sort();
        if paths.is_empty() {
            bail!("the folder {} has no *.toml file", path.display());
        }
    } else {
        paths.push(path.to_owned());
    }
    paths.iter().map(|path| text(path)).collect()
}

fn text(path: &Path) -> anyhow::Result<FileText> {
    let name = path.display().to_string();
    let size = std::fs::metadata(path).with_context(|| format!("cannot read {name}"))?.len();
    if size > u64::try_from(FILE_BYTES).unwrap_or(u64::MAX) {
        bail!("{name} is larger than {FILE_BYTES} bytes; split it into a folder of files");
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {name}"))?;
    let text = String::from_utf8(bytes).ok().with_context(|| format!("{name} is not UTF-8 text"))?;
    Ok(FileText { name, text })
}

/// The environment's values for every `{ env = … }` of the files; a variable that is not set is
/// left out and told by the service, with its line.
pub fn environment(catalog: &Catalog, texts: &[FileText]) -> EnvValues {
    let mut values = EnvValues::new();
    // A file with mistakes is told by the service; there is nothing to look up for it.
    for hub in files::read(catalog, texts).unwrap_or_default() {
        for (field, given) in &hub.connection {
            if let Given::Env(variable) = given
                && let Ok(value) = std::env::var(variable)
            {
                values.insert((hub.slug.to_string(), field.clone()), SecretString::from(value));
            }
        }
    }
    values
}

/// All mistakes of some files, one a line.
pub fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
