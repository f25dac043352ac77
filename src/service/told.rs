//! The activity record for people: each record with the names of whom and what it speaks of. What is not
//! a reader's own stays as the API shows it, an id.

use std::collections::BTreeMap;

use super::activity::{self, ActivityQuery, ActivityView};
use super::page::Page;
use super::{Caller, Context, ServiceError};
use crate::base::ids::GroupId;
use crate::domain::caller::Sight;
use crate::store::{StoreError, back_then, hubs as hub_rows, reading};

/// A record with names beside its ids.
#[derive(Clone, Debug)]
pub struct Told {
    /// As the API shows it.
    pub record: ActivityView,
    /// Who did it: a userName, `token okta`.
    pub by: Option<String>,
    /// The userName of the person it is about.
    pub person: Option<String>,
    /// The name of a user or group that is its target.
    pub target: Option<String>,
}

/// A page of the record with names, newest first.
///
/// # Errors
/// As [`activity::list`].
pub async fn list(context: &Context, caller: &Caller, query: ActivityQuery) -> Result<Page<Told>, ServiceError> {
    let Page { items, next } = activity::list(context, caller, query).await?;
    let (workspace, sight) = (caller.workspace, caller.sight.clone());
    let items = context
        .store
        .read(move |conn| {
            // Names are people's; who sees only what is theirs has those of the hubs they run, and their own.
            let run: Option<Vec<String>> = match &sight {
                Sight::Everything => None,
                Sight::Theirs(_) | Sight::Nothing => {
                    let hubs = hub_rows::list(conn, workspace)?.into_iter().filter(|hub| sight.runs(hub.id));
                    Some(hubs.map(|hub| hub.slug.to_string()).collect())
                }
            };
            let own = sight.narrowed().and_then(|theirs| theirs.person).map(|user| user.to_string());
            let may_name = |record: &ActivityView| match (&run, &record.hub) {
                (None, _) => true,
                (Some(run), Some(hub)) => run.contains(hub),
                (Some(_), None) => false,
            };
            let nameable = || items.iter().filter(|record| may_name(record));
            let people = nameable().flat_map(|record| {
                let user = record.user.as_ref().map(|user| format!("user:{user}"));
                [Some(record.actor.clone()), Some(record.target.clone()), user].into_iter().flatten()
            });
            let people: Vec<String> = people.chain(own.iter().map(|user| format!("user:{user}"))).collect();
            let mut names = back_then::names(conn, workspace, people)?;
            let groups: Vec<GroupId> = nameable()
                .filter_map(|record| record.target.strip_prefix("group:").or(record.target.strip_prefix("team:")))
                .filter_map(|id| id.parse().ok())
                .collect();
            let groups: BTreeMap<String, String> = reading::group_names(conn, workspace, &groups)?
                .into_iter()
                .flat_map(|(id, name)| [(format!("group:{id}"), name.clone()), (format!("team:{id}"), name)])
                .collect();
            names.extend(groups);
            let own = own.map(|user| format!("user:{user}"));
            let named = |record: &ActivityView, id: &str| {
                let shown = may_name(record) || own.as_deref() == Some(id);
                names.get(id).filter(|_| shown).cloned()
            };
            let told = |record: ActivityView| Told {
                by: named(&record, &record.actor),
                person: record.user.as_ref().and_then(|user| named(&record, &format!("user:{user}"))),
                target: named(&record, &record.target),
                record,
            };
            Ok::<_, StoreError>(items.into_iter().map(told).collect::<Vec<_>>())
        })
        .await?;
    Ok(Page { items, next })
}
