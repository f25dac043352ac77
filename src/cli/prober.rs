//! Connection checks over the connectors, for the services that know none.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;

use crate::base::clock::SharedClock;
use crate::base::limits::CALL_TIMEOUT;
use crate::base::network::Network;
use crate::base::random::Ids;
use crate::base::secret::SecretString;
use crate::connectors::Registry;
use crate::domain::catalog::Catalog;
use crate::domain::hub::Hub;
use crate::engine::connector::{AttemptContext, Connectors, Failure, FailureClass, NoSteps};
use crate::net::addresses::AddressPolicy;
use crate::net::client::Client;
use crate::service::Context;
use crate::service::checking::{Found, Prober, Seats};

/// Asks the app through its connector; the same address policy as for tasks.
#[derive(Debug)]
struct Connected {
    registry: Registry,
    catalog: Arc<Catalog>,
    clock: SharedClock,
    ids: Ids,
}

/// A prober that may call public addresses and those in `networks`.
///
/// # Errors
/// When no HTTP client can be made.
pub fn prober(context: &Context, networks: Vec<Network>) -> anyhow::Result<Arc<dyn Prober>> {
    let client = Client::new(AddressPolicy { networks }).context("no HTTP client")?;
    let catalog = Arc::clone(&context.catalog);
    let registry = Registry::new(Arc::clone(&catalog), client);
    Ok(Arc::new(Connected { registry, catalog, clock: Arc::clone(&context.clock), ids: context.ids.clone() }))
}

#[async_trait]
impl Prober for Connected {
    async fn probe(&self, hub: &Hub, secrets: &BTreeMap<String, SecretString>) -> Found {
        let context = AttemptContext {
            op_id: format!("check.{}", self.ids.next()),
            request_id: None,
            deadline: self.clock.monotonic().saturating_add(CALL_TIMEOUT),
            clock: Arc::clone(&self.clock),
            steps: Arc::new(NoSteps),
        };
        let checked = async { self.registry.connect(hub, secrets)?.check(&context).await };
        match tokio::time::timeout(CALL_TIMEOUT, checked).await {
            Ok(Ok(checked)) => Found {
                ok: true,
                account: checked.account,
                seats: checked.seats.map(|(used, total)| Seats { used, total }),
                warnings: checked.warnings,
                error: None,
            },
            Ok(Err(failure)) => self.trouble(hub, &failure),
            Err(_) => Found::failed(
                FailureClass::Unreachable.as_str(),
                format!("the app did not answer within {} s", CALL_TIMEOUT.as_secs()),
            ),
        }
    }
}

impl Connected {
    /// Where the app does not let us, what the account must be (R10.1).
    fn trouble(&self, hub: &Hub, failure: &Failure) -> Found {
        let role = self.catalog.get(&hub.app).and_then(|app| app.service_role.as_deref());
        let detail = match (failure.class, role) {
            (FailureClass::AuthBroken | FailureClass::Forbidden, Some(role)) => {
                format!("{}; the account that this hub works with must be: {role}", failure.detail)
            }
            _ => failure.detail.clone(),
        };
        Found::failed(failure.class.as_str(), detail)
    }
}
