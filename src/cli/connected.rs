//! What became of the hubs that an apply of files connected: whether each connection works, said at once
//! and never a reason to fail. A pipeline without a way to the apps applies as well as any.

use serde_json::Value;

use super::at::{At, Reach};
use super::local::say;
use super::prober;
use super::remote::text;
use crate::net::client::Method;
use crate::service::whatif::{Action, Plan};
use crate::service::{Context, checking, hub_view};

/// Ask for every hub that is new, one line each.
pub async fn tell(at: &At, reach: &Reach, plan: &Plan) {
    for hub in plan.hubs.iter().filter(|hub| hub.action == Action::Add) {
        let line = match line(at, reach, &hub.hub).await {
            Ok(line) => line,
            Err(error) => format!("could not be checked: {error:#}"),
        };
        say(&format!("{}: {line}", hub.hub));
    }
}

async fn line(at: &At, reach: &Reach, hub: &str) -> anyhow::Result<String> {
    let shown = match reach {
        Reach::Remote(remote) => remote.call(Method::Get, &["hubs", hub], &[], None).await?,
        Reach::Local(context, caller) => serde_json::to_value(hub_view::show(context, caller, hub).await?)?,
    };
    let missing: Vec<&str> = shown
        .get("secrets_missing")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if !missing.is_empty() {
        return Ok(format!("not checked: give its secrets first, `scimhub secret set {hub} {}`", missing.join(", ")));
    }
    let found = match reach {
        Reach::Remote(remote) => remote.call(Method::Post, &["hubs", hub, "check"], &[], None).await?,
        Reach::Local(context, caller) => {
            let probing = Context { prober: prober::prober(context, at.app_networks()?)?, ..(**context).clone() };
            let found = checking::of_hub(&probing, caller, hub, checking::AskedBy::Command).await?;
            if found.refused_here() {
                return Ok(String::from(
                    "not checked: this command may not call its address (app_network); the running server looks with \
                     its first sync",
                ));
            }
            serde_json::to_value(found)?
        }
    };
    Ok(match found.get("error") {
        None => String::from("the connection works"),
        Some(error) => {
            format!("the connection does not work yet ({}): {}", text(error, "class"), text(error, "detail"))
        }
    })
}
