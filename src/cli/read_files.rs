//! Hub files from disk: files, or every `*.toml` below a folder in name order; and the values of
//! `{ env = … }`, which only a command that opens the database itself may read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::base::secret::SecretString;
use crate::domain::catalog::Catalog;
use crate::domain::hub_file::{FILE_BYTES, Given};
use crate::service::files::{self, EnvValues, FileText, Problem};

/// Folders inside folders; deeper is a loop or a mistake.
const DEPTH: usize = 16;

/// Read files, and every `*.toml` file below folders; in the order given, inside a folder by path.
/// Names that begin with a dot are left out (`.git`, an editor's copies). A file that is reached
/// twice is read once.
///
/// # Errors
/// When nothing is there or it cannot be read.
pub fn texts(paths: &[PathBuf]) -> anyhow::Result<Vec<FileText>> {
    let mut found: Vec<PathBuf> = Vec::new();
    for path in paths {
        if path.is_dir() {
            let mut inside = Vec::new();
            below(path, DEPTH, &mut inside)?;
            if inside.is_empty() {
                bail!("the folder {} has no *.toml file", path.display());
            }
            inside.sort();
            found.extend(inside);
        } else {
            found.push(path.clone());
        }
    }
    let mut seen = BTreeSet::new();
    found.retain(|path| seen.insert(std::fs::canonicalize(path).unwrap_or_else(|_| path.clone())));
    found.iter().map(|path| text(path)).collect()
}

fn below(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let cannot = || format!("cannot read {}", folder.display());
    if depth == 0 {
        bail!("{} lies more than {DEPTH} folders deep", folder.display());
    }
    for entry in std::fs::read_dir(folder).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
            continue;
        }
        if path.is_dir() {
            below(&path, depth.saturating_sub(1), found)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
    Ok(())
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
    for hub in files::read(catalog, texts).unwrap_or_default().hubs {
        for (field, given) in hub.settings.iter().flat_map(|settings| &settings.connection) {
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
