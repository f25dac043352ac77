//! A person gives back what a reactivated user's groups gave before: the word that the IdP would
//! give by naming the membership again (DESIGN.md section 8, reactivated user).

use serde_json::json;

use super::scribe::{About, Scribe};
use super::{Caller, Context, ServiceError, hubs};
use crate::base::ids::UserId;
use crate::store::reach::Reach;
use crate::store::{StoreError, marks, memberships, users};

/// Release what waits for this user in this hub. The memberships themselves are confirmed, so
/// other hubs mapped to the same groups give back theirs too. Individual shares stay ended.
///
/// # Errors
/// [`ServiceError::NotFound`] for an unknown hub or user; [`ServiceError::Conflict`] when nothing
/// waits.
pub async fn release(context: &Context, caller: &Caller, slug: &str, user: &str) -> Result<(), ServiceError> {
    let user: UserId = user.parse().map_err(|_| ServiceError::NotFound("user"))?;
    let (scribe, slug) = (Scribe::new(context, caller), slug.to_owned());
    context
        .store
        .write(move |tx| {
            let hub = hubs::find(tx, scribe.workspace, &slug)?;
            // The user's row first: a deactivation under way then comes before or after this word.
            users::load_for_update(tx, scribe.workspace, Reach::Workspace, user).map_err(|error| match error {
                StoreError::NotFound => ServiceError::NotFound("user"),
                other => other.into(),
            })?;
            let waited = memberships::confirm_for_hub(tx, scribe.workspace, hub.id, user, scribe.now)?;
            if waited == 0 {
                return Err(ServiceError::Conflict(String::from(
                    "no membership of this user waits here; an individual share ends with the deactivation: \
                     delete its mapping and make it anew",
                )));
            }
            marks::user_changed(tx, scribe.workspace, user, &scribe.change("released"))?;
            let target = format!("user:{user}");
            let detail = json!({ "memberships": waited });
            let about = About { target: &target, hub: Some(hub.id), user: Some(user), detail, ..About::default() };
            scribe.record(tx, "user.access_released", about)?;
            Ok(())
        })
        .await?;
    context.nudge.planner();
    Ok(())
}
