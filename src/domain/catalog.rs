//! The catalog of apps: the manifests compiled in, and more from a directory. A manifest that
//! does not parse or contradicts itself is refused whole, with the place of the mistake.

mod soundness;

use std::collections::BTreeMap;
use std::path::Path;

use crate::domain::app::{App, SupportedTasks};

const BUILTIN: [(&str, &str); 28] = [
    ("6sense.toml", include_str!("../../apps/6sense.toml")),
    ("adyen.toml", include_str!("../../apps/adyen.toml")),
    ("ahrefs.toml", include_str!("../../apps/ahrefs.toml")),
    ("appfigures.toml", include_str!("../../apps/appfigures.toml")),
    ("asana.toml", include_str!("../../apps/asana.toml")),
    ("backbox.toml", include_str!("../../apps/backbox.toml")),
    ("buyme.toml", include_str!("../../apps/buyme.toml")),
    ("chatgpt.toml", include_str!("../../apps/chatgpt.toml")),
    ("definitiv.toml", include_str!("../../apps/definitiv.toml")),
    ("enterpret.toml", include_str!("../../apps/enterpret.toml")),
    ("gearset.toml", include_str!("../../apps/gearset.toml")),
    ("github.toml", include_str!("../../apps/github.toml")),
    ("google-ads.toml", include_str!("../../apps/google-ads.toml")),
    ("jetbrains.toml", include_str!("../../apps/jetbrains.toml")),
    ("linear.toml", include_str!("../../apps/linear.toml")),
    ("linkedin-business.toml", include_str!("../../apps/linkedin-business.toml")),
    ("manual.toml", include_str!("../../apps/manual.toml")),
    ("meta-business.toml", include_str!("../../apps/meta-business.toml")),
    ("sandbox.toml", include_str!("../../apps/sandbox.toml")),
    ("sandbox-assets.toml", include_str!("../../apps/sandbox-assets.toml")),
    ("sandbox-forms.toml", include_str!("../../apps/sandbox-forms.toml")),
    ("scim.toml", include_str!("../../apps/scim.toml")),
    ("stripe.toml", include_str!("../../apps/stripe.toml")),
    ("textexpander.toml", include_str!("../../apps/textexpander.toml")),
    ("tower.toml", include_str!("../../apps/tower.toml")),
    ("tremendous.toml", include_str!("../../apps/tremendous.toml")),
    ("watershed.toml", include_str!("../../apps/watershed.toml")),
    ("youtube-studio.toml", include_str!("../../apps/youtube-studio.toml")),
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
        let mut app: App = toml::from_str(text).map_err(|e| invalid(e.to_string()))?;
        soundness::check(&app).map_err(invalid)?;
        app.offers = app.tasks;
        if !app.is_called() {
            app.tasks = SupportedTasks::default();
        }
        self.apps.insert(app.id.clone(), app);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::app::Invite;
    use crate::domain::hub::Login;

    #[test]
    fn the_built_in_manifests_are_sound() {
        let catalog = Catalog::builtin().unwrap();
        assert_eq!(catalog.apps().count(), BUILTIN.len());
        for app in catalog.apps() {
            let admin = app.roles.iter().any(|role| role.admin);
            assert!(admin || app.roles.len() == 1, "{} names its admin role", app.id);
            // Who drives it by hand still says what the app offers.
            assert!(app.is_called() || app.tasks == SupportedTasks::default(), "{}", app.id);
            assert!(app.offers.sync || app.id == "manual", "{}", app.id);
        }
        for id in ["ahrefs", "chatgpt", "manual", "meta-business", "sandbox", "scim"] {
            for kind in ["add", "update_role", "remove"] {
                assert!(catalog.get(id).unwrap().instructions.contains_key(kind), "{id} tells how to {kind} by hand");
            }
        }
        let sandbox = catalog.get("sandbox").unwrap();
        let ranks: Vec<_> = sandbox.roles.iter().map(|role| (role.id.as_str(), role.rank)).collect();
        assert_eq!(ranks, [("viewer", 1), ("editor", 2), ("admin", 3)]);
    }

    /// The rows of business-hubs.md sections 12.1 and 12.3 that stand for a shape each.
    #[test]
    fn the_shapes_are_those_of_the_catalog() {
        let catalog = Catalog::builtin().unwrap();
        let app = |id: &str| catalog.get(id).unwrap();
        let letters = |id: &str, login| {
            let offers = app(id).with_login(login).offers;
            let all = [("S", offers.sync), ("A", offers.add), ("R", offers.remove), ("U", offers.update_role)];
            all.into_iter().map(|(letter, is)| if is { letter } else { "-" }).collect::<String>()
        };
        for (id, login, offered) in [
            ("6sense", Login::Sso, "S-RU"),
            ("ahrefs", Login::Password, "SARU"),
            ("chatgpt", Login::Sso, "SARU"),
            ("definitiv", Login::Sso, "SA-U"),
            ("linear", Login::Sso, "SAR-"),
            ("meta-business", Login::Sso, "SARU"),
            ("stripe", Login::Password, "SARU"),
            ("stripe", Login::Sso, "S-R-"),
            ("tower", Login::Sso, "SAR-"),
            ("tremendous", Login::Sso, "SARU"),
            ("tremendous", Login::Password, "----"),
        ] {
            assert_eq!(letters(id, login), offered, "{id} {login:?}");
        }
        assert_eq!(app("ahrefs").logins, [Login::Password]);
        assert!(!app("ahrefs").role("owner").unwrap().assignable);
        assert_eq!(app("gearset").added_as().unwrap().id, "member");
        assert!(!app("textexpander").ranked && !app("appfigures").reinvite && !app("enterpret").invites_visible);
        assert_eq!(app("jetbrains").invite, Invite::Link);
        let wait = app("meta-business").waiting.clone().unwrap();
        assert_eq!(wait.lasts(), std::time::Duration::from_secs(7 * 24 * 60 * 60));
        assert_eq!(app("google-ads").fields[0].length, Some(10));
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
