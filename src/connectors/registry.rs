//! From a hub to its connector: the app's manifest says which kind, the hub's connection with
//! what. The engine sees only the result.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use super::manual::{self, Manual};
use super::scim::{Learned, Scim, Settings};
use crate::base::ids::HubId;
use crate::base::secret::SecretString;
use crate::domain::app::App;
use crate::domain::catalog::Catalog;
use crate::domain::hub::Hub;
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

    fn instructions(&self, hub: &Hub, task: &Task) -> String {
        match self.app(hub) {
            Ok(app) => manual::instructions(app, &hub.label, &task.effect),
            Err(failure) => failure.detail,
        }
    }
}
