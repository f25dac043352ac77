//! From a hub to its connector: the app's manifest says which kind, the hub's connection with
//! what. The engine sees only the result.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use super::manual::Manual;
use super::scim::{Learned, Scim, Settings};
use crate::base::ids::HubId;
use crate::base::secret::SecretString;
use crate::domain::app::App;
use crate::domain::catalog::Catalog;
use crate::domain::hub::Hub;
use crate::domain::instructions;
use crate::domain::task::Task;
use crate::engine::connector::{Connector, Connectors, Failure, FailureClass};
use crate::net::Client;

/// Builds connectors, and keeps what they learned about each hub's app.
#[derive(Debug)]
pub struct Registry {
    catalog: Arc<Catalog>,
    client: Client,
    learned: Mutex<HashMap<HubId, (i64, Arc<Learned>)>>,
}

impl Registry {
    /// Connectors for the apps of `catalog`, calling out through `client`.
    pub fn new(catalog: Arc<Catalog>, client: Client) -> Self {
        Self { catalog, client, learned: Mutex::default() }
    }

    fn app(&self, hub: &Hub) -> Result<&App, Failure> {
        self.catalog
            .get(&hub.app)
            .ok_or_else(|| Failure::new(FailureClass::Invalid, format!("the catalog has no app '{}'", hub.app)))
    }

    /// What is known about a hub's app; a changed connection starts anew.
    fn learned(&self, hub: &Hub) -> Arc<Learned> {
        let mut all = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = all.entry(hub.id).or_insert_with(|| (hub.revision, Arc::default()));
        if entry.0 != hub.revision {
            *entry = (hub.revision, Arc::default());
        }
        Arc::clone(&entry.1)
    }
}

impl Connectors for Registry {
    fn connect(&self, hub: &Hub, secrets: &BTreeMap<String, SecretString>) -> Result<Arc<dyn Connector>, Failure> {
        let app = self.app(hub)?;
        match app.connector.as_str() {
            "scim" => {
                let settings = Settings::read(app, hub, secrets, self.client.policy())?;
                Ok(Arc::new(Scim::new(settings, self.client.clone(), self.learned(hub))))
            }
            "manual" => Ok(Arc::new(Manual::new(app.clone(), hub.label.clone()))),
            other => Err(Failure::new(FailureClass::Invalid, format!("there is no connector called '{other}'"))),
        }
    }

    fn lists(&self, hub: &Hub) -> bool {
        self.app(hub).is_ok_and(|app| app.with_login(hub.login).tasks.sync)
    }

    fn instructions(&self, hub: &Hub, task: &Task) -> String {
        match self.app(hub) {
            Ok(app) => instructions::write(app, &hub.label, &task.effect),
            Err(failure) => failure.detail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::HubId;
    use crate::connectors::scim::SETTINGS;
    use crate::domain::app::ASSETS_ATTRIBUTE;
    use crate::domain::hub::{ConnectionValue, HubMode, HubPolicy, Login};
    use crate::net::AddressPolicy;
    use std::time::Duration;

    fn hub(app: &str, connection: &[(&str, ConnectionValue)]) -> Hub {
        Hub {
            id: HubId::from_uuid(uuid::Uuid::nil()),
            slug: "h".parse().unwrap(),
            app: app.to_owned(),
            label: String::from("H"),
            login: Login::Sso,
            mode: HubMode::Active,
            paused: false,
            settle: Duration::ZERO,
            connection: connection.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            policy: HubPolicy::default(),
            owner: None,
            file_ref: None,
            revision: 1,
        }
    }

    fn plain(text: &str) -> ConnectionValue {
        ConnectionValue::Plain(text.to_owned())
    }

    fn registry(policy: AddressPolicy) -> Registry {
        Registry::new(Arc::new(Catalog::builtin().unwrap()), Client::new(policy).unwrap())
    }

    #[test]
    fn every_app_of_the_catalog_has_a_connector() {
        let registry = registry(AddressPolicy::public_only());
        for app in Catalog::builtin().unwrap().apps() {
            let hub = hub(&app.id, &[("base_url", plain("https://app.example/scim"))]);
            let connector = registry.connect(&hub, &BTreeMap::new()).unwrap();
            assert_eq!(connector.kind(), app.connector);
        }
        let unknown = registry.connect(&hub("nothing", &[]), &BTreeMap::new()).unwrap_err();
        assert_eq!(unknown.class, FailureClass::Invalid);
    }

    #[test]
    fn every_field_of_a_scim_manifest_is_read_by_its_connector() {
        let catalog = Catalog::builtin().unwrap();
        for app in catalog.apps().filter(|app| app.connector == "scim") {
            let fields = app.fields.iter().map(|field| &field.name);
            // The account that a hub works with is the sync's business (R4.8).
            let elsewhere = ["service_account", ASSETS_ATTRIBUTE];
            // Where assets are is the manifest's to say, like their kinds.
            for name in fields.chain(app.settings.keys()).filter(|name| !elsewhere.contains(&name.as_str())) {
                assert!(SETTINGS.contains(&name.as_str()), "{}: nobody reads {name}", app.id);
            }
        }
        let scim = catalog.get("scim").unwrap();
        for name in SETTINGS {
            assert!(scim.fields.iter().any(|field| field.name == name), "nobody can set {name}");
        }
    }

    #[test]
    fn t23_a_connection_into_a_private_network_is_refused_before_any_call() {
        for url in ["http://127.0.0.1/scim", "https://169.254.169.254/", "https://10.0.0.8/scim", "http://app.example/"]
        {
            let hub = hub("scim", &[("base_url", plain(url))]);
            let refused = registry(AddressPolicy::public_only()).connect(&hub, &BTreeMap::new()).unwrap_err();
            assert_eq!(refused.class, FailureClass::AddressRefused, "{url}");
        }
        let hub = hub("scim", &[("base_url", plain("http://127.0.0.1:9/scim"))]);
        assert!(registry(AddressPolicy::with_loopback()).connect(&hub, &BTreeMap::new()).is_ok());
    }

    #[test]
    fn a_missing_secret_is_named_and_a_plain_token_refused() {
        let registry = registry(AddressPolicy::public_only());
        let url = ("base_url", plain("https://app.example/scim"));
        let token = ("token", ConnectionValue::Secret { secret: String::from("APP_TOKEN") });
        let waiting = hub("scim", &[url.clone(), token]);
        let missing = registry.connect(&waiting, &BTreeMap::new()).unwrap_err();
        assert!(missing.class == FailureClass::AuthBroken && missing.detail.contains("APP_TOKEN"), "{missing:?}");
        let secrets = BTreeMap::from([(String::from("APP_TOKEN"), SecretString::from(String::from("canary")))]);
        let connector = registry.connect(&waiting, &secrets).unwrap();
        assert!(!format!("{connector:?}").contains("canary"));
        let open = registry.connect(&hub("scim", &[url, ("token", plain("canary"))]), &BTreeMap::new()).unwrap_err();
        assert!(open.class == FailureClass::AuthBroken && !open.detail.contains("canary"), "{open:?}");
    }

    #[test]
    fn what_was_learned_ends_with_a_changed_connection() {
        let registry = registry(AddressPolicy::public_only());
        let mut hub = hub("scim", &[]);
        let first = registry.learned(&hub);
        assert!(Arc::ptr_eq(&first, &registry.learned(&hub)));
        hub.revision = 2;
        assert!(!Arc::ptr_eq(&first, &registry.learned(&hub)));
    }
}
