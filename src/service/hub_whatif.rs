//! What a change of one hub would mean: its settings, its activation, its removal; and what it
//! would do now.

use serde_json::Value;

use super::hubs::{self, HubPatch};
use super::scribe::Scribe;
use super::whatif::look::{self, Make};
use super::whatif::steps::{Diff, Step, mapping_diff};
use super::whatif::{Action, Fate, HubDiff, Plan, Touched};
use super::{Caller, Context, ServiceError, hub_changes, hub_moves};
use crate::domain::catalog::Catalog;
use crate::domain::hub::{Hub, HubMode};
use crate::domain::hub_rules as rules;
use crate::store::{DbConn, mappings as rows};

/// What somebody may want of a hub.
#[derive(Clone, Debug)]
pub enum HubWish {
    /// What `PATCH /hubs/{id}` takes.
    Patch(HubPatch),
    /// Forget it.
    Remove,
    /// Nothing: show what it would do now. A hub that observes shows what its activation would do,
    /// under the digest that activates exactly that.
    Now,
}

impl HubWish {
    /// The body of a preview: what `PATCH /hubs/{id}` takes, or `{"remove": true}`.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] with what is wrong.
    pub fn read(body: Value) -> Result<Self, ServiceError> {
        if body == serde_json::json!({ "remove": true }) {
            return Ok(Self::Remove);
        }
        let patch = serde_json::from_value(body)
            .map_err(|error| ServiceError::Invalid(format!("the body is not right: {error}")))?;
        Ok(Self::Patch(patch))
    }
}

/// What the wish would mean. Writes nothing.
///
/// # Errors
/// [`ServiceError::NotFound`], [`ServiceError::Invalid`] with everything that is wrong.
pub async fn preview(context: &Context, caller: &Caller, slug: &str, wish: HubWish) -> Result<Plan, ServiceError> {
    let scribe = Scribe::new(context, caller);
    look::show(context, &scribe, maker(context, &scribe, slug, wish)).await
}

/// How the steps are made, as often as it is looked.
pub(super) fn maker(context: &Context, scribe: &Scribe, slug: &str, wish: HubWish) -> impl Make + use<> {
    let (scribe, catalog, slug) = (scribe.clone(), context.catalog.clone(), slug.to_owned());
    move |conn| {
        let hub = hubs::find(conn, scribe.workspace, &slug)?;
        match (&wish, hub.mode) {
            (HubWish::Patch(patch), _) => changed(conn, &scribe, &catalog, hub, patch),
            (HubWish::Remove, _) => removed(conn, &scribe, hub),
            (HubWish::Now, HubMode::Observe) => changed(conn, &scribe, &catalog, hub, &HubPatch::mode(HubMode::Active)),
            (HubWish::Now, HubMode::Active) => now(conn, &scribe, hub),
        }
    }
}

fn changed(
    conn: &mut DbConn,
    scribe: &Scribe,
    catalog: &Catalog,
    before: Hub,
    patch: &HubPatch,
) -> Result<Diff, ServiceError> {
    let (after, given) = hubs::wanted(catalog, &before, patch)?;
    let mut diff = Diff::default();
    if !hub_changes::same(&before, &after) {
        let app = rules::app(catalog, &after.app).map_err(ServiceError::Invalid)?;
        if before.connection != after.connection {
            hub_changes::alone(conn, scribe, app, &after)?;
        }
        let moved = hub_moves::moved_addresses(app, &before, &after);
        let given: Vec<String> = given.iter().map(|(name, _)| name.clone()).collect();
        diff.plan.notes.extend(hub_moves::secrets_lost(conn, app, &before, &after, &moved, (scribe, &given))?);
        diff.plan.notes.extend(hub_moves::known_as_before(conn, scribe, &before, &moved)?);
        if before.login != after.login {
            diff.plan.notes.push(hub_changes::other_login(&after));
        }
        let (hub, changed) = (after.slug.to_string(), hub_changes::changed(&before, &after));
        diff.plan.hubs.push(HubDiff { hub, action: Action::Change, changed });
        diff.steps.push(Step::ChangeHub { before: Box::new(before.clone()), after: Box::new(after.clone()), given });
    }
    for (name, value) in given {
        diff.plan.secrets.push(format!("{}/{name}", after.slug));
        diff.steps.push(Step::Seal(after.clone(), name, value));
    }
    if hub_changes::matters_to_people(&before, &after) {
        let mappings = rows::of_hub(conn, scribe.workspace, before.id)?;
        diff.touched.push(Touched {
            hub: after,
            was: Some(before),
            before: mappings.clone(),
            after: mappings,
            fate: Fate::Stays,
            only: None,
        });
    }
    Ok(diff)
}

fn removed(conn: &mut DbConn, scribe: &Scribe, hub: Hub) -> Result<Diff, ServiceError> {
    let mappings = rows::of_hub(conn, scribe.workspace, hub.id)?;
    let mut diff = Diff::default();
    diff.plan.hubs.push(HubDiff { hub: hub.slug.to_string(), action: Action::Remove, changed: Vec::new() });
    diff.plan.mappings.extend(mappings.iter().filter_map(|mapping| mapping_diff(&hub, Some(mapping), None)));
    diff.plan.notes.push(format!("{}: nothing changes in the app when its hub is removed", hub.slug));
    diff.steps.push(Step::RemoveHub(hub.clone()));
    diff.touched.push(Touched {
        was: Some(hub.clone()),
        hub,
        before: mappings,
        after: Vec::new(),
        fate: Fate::Goes,
        only: None,
    });
    Ok(diff)
}

/// Everything a pushing hub has not planned yet: drift, and what settles.
fn now(conn: &mut DbConn, scribe: &Scribe, hub: Hub) -> Result<Diff, ServiceError> {
    let mappings = rows::of_hub(conn, scribe.workspace, hub.id)?;
    let touched = Touched { hub, was: None, before: mappings.clone(), after: mappings, fate: Fate::Stays, only: None };
    Ok(Diff { touched: vec![touched], ..Diff::default() })
}
