//! Problems as people see them: one for each cause and hub, with what to do about it; and the one that
//! ends by nothing but a person's word.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use super::page::{Page, PageRequest};
use super::scribe::{About, Scribe};
use super::{Caller, Context, ServiceError, hubs, tasks};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, WorkspaceId};
use crate::base::limits::LEAVER_PRESENT;
use crate::domain::member::{Member, MemberStatus, Presence};
use crate::domain::problem::Cause;
use crate::store::intervals::{self, Because};
use crate::store::problems::{self, Problem};
use crate::store::{DbConn, StoreError, Tx, hub_members, leavers, reading, set_aside};

/// Problems counted in one answer: one per cause and hub is a short list.
const MOST: i64 = 1_000;
/// People named in one problem; `occurrences` counts all.
const NAMED: i64 = 50;

/// A problem as the API shows it.
#[derive(Clone, Debug, Serialize)]
pub struct ProblemView {
    /// The hub.
    pub hub: String,
    /// Whether it was removed; the name is the one it had.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub hub_removed: bool,
    /// The cause in one word.
    pub cause: &'static str,
    /// What happened, for people.
    pub message: String,
    /// What a person must do.
    pub remedy: String,
    /// How often it was met; for people still present, how many they are.
    pub occurrences: i64,
    /// Open tasks that wait for it to be mended.
    pub tasks: i64,
    /// Whom it is about, where it is about people: the longest gone first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<PersonPresent>,
    /// Since when.
    pub opened: String,
    /// When it was last met.
    pub seen: String,
}

/// Somebody who left and is still there.
#[derive(Clone, Debug, Serialize)]
pub struct PersonPresent {
    /// The user's id, for explain.
    pub user: String,
    /// The name people read.
    pub name: String,
    /// When they left.
    pub left: String,
}

/// Open problems, the newest first.
///
/// # Errors
/// [`ServiceError::Store`], [`ServiceError::Invalid`] for a bad cursor.
pub async fn list(context: &Context, caller: &Caller, page: &PageRequest) -> Result<Page<ProblemView>, ServiceError> {
    let (workspace, now) = (caller.workspace, context.clock.now());
    let (limit, sight) = (page.limit(), caller.sight.clone());
    // The cursor counts rows: the list is short.
    let skip: usize = page.after::<usize>()?.unwrap_or(0);
    let found = context
        .store
        .read(move |conn| {
            let names = hubs::slugs(conn, workspace)?;
            problems::open(conn, workspace, MOST)?
                .into_iter()
                .filter(|problem| sight.runs(problem.hub))
                .skip(skip)
                .take(limit.saturating_add(1))
                .map(|problem| {
                    let hub = name(conn, workspace, problem.hub, &names)?;
                    view(conn, workspace, problem, hub, now)
                })
                .collect::<Result<Vec<_>, ServiceError>>()
        })
        .await?;
    Ok(Page::cut(found, limit, |_| skip.saturating_add(limit).to_string()))
}

/// The hub's name; of one that was removed the name it had.
fn name(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    names: &BTreeMap<HubId, String>,
) -> Result<String, StoreError> {
    if let Some(name) = names.get(&hub) {
        return Ok(name.clone());
    }
    Ok(reading::removed_hub(conn, workspace, hub)?.unwrap_or_else(|| hub.to_string()))
}

/// Somebody looked into the app of a removed hub: the people who had left are gone from it. It is said
/// of all of them at once, and stands in the record as what it is, a person's word.
///
/// # Errors
/// [`ServiceError::NotFound`] where nobody stayed behind in such a hub; [`ServiceError::Invalid`]
/// without a note.
pub async fn gone(context: &Context, caller: &Caller, hub: &str, note: Option<String>) -> Result<(), ServiceError> {
    let Some(note) = tasks::note(note)? else {
        return Err(ServiceError::Invalid(String::from("note: say who looked, and where; it is recorded")));
    };
    let (scribe, hub) = (Scribe::new(context, caller), hub.to_owned());
    context
        .store
        .write(move |tx| {
            let names = hubs::slugs(tx, scribe.workspace)?;
            let mut found = false;
            for problem in problems::open(tx, scribe.workspace, MOST)? {
                // A name may be borne again by a hub that is there: only of the removed ones it is said.
                if problem.cause == Cause::LeaverLeftBehind && name(tx, scribe.workspace, problem.hub, &names)? == hub {
                    found = true;
                    all_gone(tx, &scribe, &problem, &hub, &note)?;
                }
            }
            if found { Ok(()) } else { Err(ServiceError::NotFound("problem of people left behind in a removed hub")) }
        })
        .await
}

fn all_gone(tx: &mut Tx<'_>, scribe: &Scribe, problem: &Problem, hub: &str, note: &str) -> Result<(), ServiceError> {
    let (workspace, now) = (scribe.workspace, scribe.now);
    for one in leavers::left_behind_in(tx, workspace, problem.hub, problem.opened_at, i64::MAX)? {
        let member = hub_members::load(tx, workspace, one.member)?;
        let after = Member {
            known: Presence::Absent,
            known_role: None,
            known_assets: Vec::new(),
            known_at: now,
            status: MemberStatus::Removed,
            remote_id: None,
            ..member.clone()
        };
        hub_members::update(tx, workspace, &after, "person", now)?;
        let because = Because { cause: "gone_in_app", task: None, evidence: "by_hand", now };
        intervals::end(tx, workspace, member.id, &because)?;
        let target = format!("member:{}", member.id);
        let detail = json!({
            "bucket": member.bucket, "role": member.known_role, "assets": member.known_assets, "expired": false,
            "evidence": "by_hand",
        });
        let personal = json!({
            "person": member.email_key, "display": member.display, "remote_id": member.remote_id, "note": note,
        });
        let about = About { target: &target, hub: Some(problem.hub), user: Some(one.user), ..About::default() };
        scribe.record(tx, "member.gone_in_app", About { detail, personal: Some(personal), ..about })?;
    }
    problems::close(tx, workspace, problem.hub, Some(problem.cause), now)?;
    let target = format!("hub:{hub}");
    let detail = json!({ "cause": problem.cause.as_str() });
    let about = About { target: &target, hub: Some(problem.hub), detail, ..About::default() };
    Ok(scribe.record(tx, "leavers.gone", About { personal: Some(json!({ "note": note })), ..about })?)
}

fn view(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    problem: Problem,
    hub: String,
    now: Micros,
) -> Result<ProblemView, ServiceError> {
    let people = match problem.cause {
        Cause::LeaverPresent => leavers::present_in(conn, workspace, problem.hub, now.minus(LEAVER_PRESENT), NAMED)?,
        Cause::LeaverLeftBehind => leavers::left_behind_in(conn, workspace, problem.hub, problem.opened_at, NAMED)?,
        Cause::AuthBroken
        | Cause::AddressRefused
        | Cause::ConnectionIncomplete
        | Cause::RateLimited
        | Cause::Forbidden
        | Cause::SeatLimit
        | Cause::Unavailable
        | Cause::SyncHalted
        | Cause::NeedsData => Vec::new(),
    };
    let missing = problems::secrets_missing(conn, workspace, problem.hub, problem.cause)?;
    Ok(ProblemView {
        remedy: problem.cause.remedy_for(&hub, &missing),
        hub,
        hub_removed: problem.cause == Cause::LeaverLeftBehind,
        cause: problem.cause.as_str(),
        message: problem.message,
        occurrences: problem.occurrences,
        tasks: set_aside::waiting_for(conn, workspace, problem.hub, problem.cause)?,
        people: people
            .into_iter()
            .map(|one| PersonPresent { user: one.user.to_string(), name: one.name, left: one.left_at.to_rfc3339() })
            .collect(),
        opened: problem.opened_at.to_rfc3339(),
        seen: problem.seen_at.to_rfc3339(),
    })
}
