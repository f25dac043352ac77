//! What automation cannot do: the app refuses a change, its task becomes a person's, the person does
//! it in the app, and a sync sees that and closes the item (R6.4).

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::json;

use super::cast::{ADS, Cast};
use super::watch::{Api, LOOK, PATIENCE, Someone};
use crate::base::clock::SharedClock;
use crate::base::secret::SecretString;
use crate::cli::local::say;
use crate::net::{Client, Method, Request, Target};
use crate::sandbox::Sandbox;
use crate::simulate::{Okta, Person};

/// A task that waits for a person.
#[derive(Deserialize)]
struct Item {
    id: String,
    status: String,
    person: Someone,
    error: Option<Trouble>,
    instructions: Option<String>,
}

#[derive(Deserialize)]
struct Trouble {
    detail: Option<String>,
}

#[derive(Deserialize)]
struct Items {
    items: Vec<Item>,
}

/// Somebody comes back into a team just when the app takes no new account from us.
pub(super) async fn refused(cast: &mut Cast, okta: &Okta, sandbox: &Sandbox) -> anyhow::Result<Person> {
    let gus = cast.person("gus").cloned().context("somebody is missing")?;
    let fault = json!({"match": format!("POST /{ADS}/scim/v2/Users"), "status": 405,
        "body": {"detail": "accounts are made by hand at the moment"}});
    sandbox.fault(&fault).map_err(anyhow::Error::msg)?;
    okta.push_changes("marketing", &[&gus], &[]).await?;
    cast.join("gus", "marketing");
    say("  Okta      Gus is back in marketing");
    Ok(gus)
}

/// Show the item once it is there, do what it says in the app itself, and ask for a sync. The sync's
/// end is not waited for here.
pub(super) async fn done(
    api: &Api,
    client: &Client,
    sandbox: &Sandbox,
    key: &SecretString,
    person: &Person,
    clock: &SharedClock,
) -> anyhow::Result<String> {
    let item = waiting(api, &person.user_name, clock).await?;
    let why = item.error.and_then(|error| error.detail).unwrap_or_default();
    say(&format!("  the app   refuses: {why}"));
    say("            so the task is a manual item now, with its steps:");
    for line in item.instructions.context("the item has no steps")?.lines() {
        say(&format!("            {line}"));
    }
    let seat = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": person.user_name,
        "displayName": person.display_name(),
        "emails": [{"value": person.user_name, "type": "work", "primary": true}],
        "roles": [{"value": "viewer", "primary": true}],
        "active": true,
    });
    let target = Target::parse(&sandbox.scim(ADS))?.join(&["Users"]);
    let request = Request::new(Method::Post, target).bearer(Some(key));
    let answer = client.send(request.body("application/scim+json", seat.to_string().into_bytes())).await?;
    if !answer.is_success() {
        bail!("the practice app answered {} to the change by hand", answer.status);
    }
    say("  a person  does that in the practice app");
    api.post(&["hubs", ADS, "sync"], &json!({})).await?;
    Ok(item.id)
}

/// Say who closed the item.
///
/// # Errors
/// When it was not the sync.
pub(super) async fn closed(api: &Api, item: &str) -> anyhow::Result<()> {
    #[derive(Deserialize)]
    struct Closed {
        status: String,
        finished_by: Option<String>,
    }
    let closed: Closed = api.get(&["tasks", item]).await?;
    if closed.status != "completed" || closed.finished_by.as_deref() != Some("sync") {
        bail!("the sync should have closed the manual item, which is {}", closed.status);
    }
    say("  sync      sees the seat and closes the item");
    Ok(())
}

async fn waiting(api: &Api, user_name: &str, clock: &SharedClock) -> anyhow::Result<Item> {
    let began = clock.monotonic();
    loop {
        let found: Items = api.get(&["tasks"]).await?;
        let mut items = found.items.into_iter();
        if let Some(item) = items.find(|item| item.status == "manual" && item.person.user_name == user_name) {
            return Ok(item);
        }
        if clock.monotonic().saturating_sub(began) > PATIENCE {
            bail!("the task of {user_name} did not become a manual item");
        }
        tokio::time::sleep(LOOK).await;
    }
}
