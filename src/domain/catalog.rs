//! The catalog of apps: the manifests compiled in, and more from a directory. A manifest that
//! does not parse or contradicts itself is refused whole, with the place of the mistake.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::domain::app::App;

const BUILTIN: [(&str, &str); 6] = [
    ("ahrefs.toml", include_str!("../../apps/ahrefs.toml")),
    ("chatgpt.toml", include_str!("../../apps/chatgpt.toml")),
    ("manual.toml", include_str!("../../apps/manual.toml")),
    ("meta-business.toml", include_str!("../../apps/meta-business.toml")),
    ("sandbox.toml", include_str!("../../apps/sandbox.toml")),
    ("scim.toml", include_str!("../../apps/scim.toml")),
];

/// A manifest that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The directory or a file of it cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The text is not a manifest.
    #[error("{file}: {message}")]
    Invalid {
        /// The file's name.
        file: String,
        /// What is wrong, with line and column where the parser knows them.
        message: String,
    },
}

/// All apps a hub can be of, by id.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    apps: BTreeMap<String, App>,
}

impl Catalog {
    /// The manifests compiled in.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] for a broken manifest; a test proves that none is.
    pub fn builtin() -> Result<Self, CatalogError> {
        let mut catalog = Self::default();
        for (file, text) in BUILTIN {
            catalog.insert(file, text)?;
        }
        Ok(catalog)
    }

    /// The built-in manifests, then every `*.toml` of `folder` in name order; a file with the id
    /// of a built-in app replaces it.
    ///
    /// # Errors
    /// [`CatalogError`] naming the first file that cannot be used.
    pub fn load_dir(folder: &Path) -> Result<Self, CatalogError> {
        let mut catalog = Self::builtin()?;
        let unreadable = |path: &Path, source| CatalogError::Unreadable { path: path.display().to_string(), source };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(|e| unreadable(folder, e))? {
            let path = entry.map_err(|e| unreadable(folder, e))?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                files.push(path);
            }
        }
        files.sort();
        for path in files {
            let text = std::fs::read_to_string(&path).map_err(|e| unreadable(&path, e))?;
            catalog.insert(&path.display().to_string(), &text)?;
        }
        Ok(catalog)
    }

    /// The app of this id.
    pub fn get(&self, id: &str) -> Option<&App> {
        self.apps.get(id)
    }

    /// All apps in the order of their ids.
    pub fn apps(&self) -> impl Iterator<Item = &App> {
        self.apps.values()
    }

    fn insert(&mut self, file: &str, text: &str) -> Result<(), CatalogError> {
        let invalid = |message: String| CatalogError::Invalid { file: file.to_owned(), message };
        let app: App = toml::from_str(text).map_err(|e| invalid(e.to_string()))?;
        check(&app).map_err(invalid)?;
        self.apps.insert(app.id.clone(), app);
        Ok(())
    }
}

/// What a manifest must hold beyond its shape.
fn check(app: &App) -> Result<(), String> {
    let plain =
        |id: &str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !plain(&app.id) {
        return Err(format!("the id '{}' must be a-z, 0-9 and '-'", app.id));
    }
    if app.logins.is_empty() {
        return Err(String::from("logins must name at least one of \"sso\", \"password\""));
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = app.roles.iter().find(|role| !seen.insert(role.id.as_str())) {
        return Err(format!("the role '{}' is there twice", twice.id));
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = app.fields.iter().find(|field| !seen.insert(field.name.as_str())) {
        return Err(format!("the field '{}' is there twice", twice.name));
    }
    let kinds = ["add", "update_role", "remove"];
    if let Some(unknown) = app.instructions.keys().find(|kind| !kinds.contains(&kind.as_str())) {
        return Err(format!("instructions for '{unknown}': only add, update_role and remove have instructions"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_manifests_are_sound() {
        let catalog = Catalog::builtin().unwrap();
        let ids: Vec<_> = catalog.apps().map(|app| app.id.as_str()).collect();
        assert_eq!(ids, ["ahrefs", "chatgpt", "manual", "meta-business", "sandbox", "scim"]);
        for app in catalog.apps() {
            assert!(app.roles.iter().any(|role| role.admin), "{} names its admin role", app.id);
            for kind in ["add", "update_role", "remove"] {
                assert!(app.instructions.contains_key(kind), "{} tells how to {kind} by hand", app.id);
            }
        }
        let sandbox = catalog.get("sandbox").unwrap();
        let ranks: Vec<_> = sandbox.roles.iter().map(|role| (role.id.as_str(), role.rank)).collect();
        assert_eq!(ranks, [("viewer", 1), ("editor", 2), ("admin", 3)]);
    }

    #[test]
    fn a_broken_manifest_is_refused_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("odd.toml"), "id = \"odd\"\nnmae = \"Odd\"\n").unwrap();
        let error = Catalog::load_dir(folder.path()).unwrap_err().to_string();
        assert!(error.contains("odd.toml") && error.contains("nmae"), "{error}");
    }

    #[test]
    fn a_directory_adds_to_the_built_in_apps() {
        let folder = tempfile::tempdir().unwrap();
        let manual = include_str!("../../apps/manual.toml").replace("id = \"manual\"", "id = \"wiki\"");
        std::fs::write(folder.path().join("wiki.toml"), manual).unwrap();
        std::fs::write(folder.path().join("README.md"), "not a manifest").unwrap();
        let catalog = Catalog::load_dir(folder.path()).unwrap();
        assert!(catalog.get("wiki").is_some() && catalog.get("scim").is_some());
    }
}
