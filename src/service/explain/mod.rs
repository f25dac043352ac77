//! Why somebody has, had or lacks access to a hub, answered from rows: request → membership →
//! mapping → entitlement → task → attempts → known and observed state. Works for present, past
//! and absent access, also after the user was deleted. The words are `domain::why`'s.

mod past;
mod shapes;

pub use self::shapes::{
    ActivityLine, DecisionView, Explained, ExplainedTask, Explanation, MarkView, ObservedView, PastExplanation,
    PastRule, RuleView, SinceView, UserView, WantedView,
};
pub use crate::domain::why::{Answer, Cause, Code};

use super::access::{self, AccessView};
use super::error::FieldError;
use super::{Caller, Context, ServiceError, hubs, leavers, members, task_view, tasks as task_views};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, TaskId, UserId, WorkspaceId};
use crate::domain::app::App;
use crate::domain::decide::{Facts, Ground, decide};
use crate::domain::entitlement::Rule;
use crate::domain::guard::HoldReason;
use crate::domain::hub::Hub;
use crate::domain::hub_rules as rules;
use crate::domain::reasons::Parted;
use crate::domain::task::{Task, TaskStatus};
use crate::domain::why::present::{self, Trouble};
use crate::domain::why::{rules as words, sentences};
use crate::store::interval_list::{self, IntervalFilter};
use crate::store::reading::{self, ActivityFilter};
use crate::store::task_list::{self, TaskFilter};
use crate::store::tasks as task_rows;
use crate::store::{DbConn, attempts, facts, holds, hub_secrets, marks, pausing, problems, workspaces};

/// Tasks and records shown; enough to see how it came about.
const SHOWN: i64 = 20;

/// Explain one person in one hub: now, or at the moment or on the day that `at` names.
///
/// # Errors
/// [`ServiceError::NotFound`] for a hub or person the workspace never had;
/// [`ServiceError::InvalidFields`] that names `at`, where it is no moment or is still to come.
pub async fn explain(
    context: &Context,
    caller: &Caller,
    slug: &str,
    user: &str,
    at: Option<&str>,
) -> Result<Explained, ServiceError> {
    let user = task_views::user(user)?;
    let (workspace, slug, now) = (caller.workspace, slug.to_owned(), context.clock.now());
    let asked = at.map(|text| past::asked(text, now)).transpose()?;
    let catalog = context.catalog.clone();
    context
        .store
        .read(move |conn| {
            let hub = hubs::find(conn, workspace, &slug)?;
            let app = rules::app(&catalog, &hub.app).map_err(ServiceError::Invalid)?.with_login(hub.login);
            let ground = Place { workspace, hub: &hub, app: &app, user, now };
            Ok(match &asked {
                None => Explained::Now(Box::new(gather(conn, &ground)?)),
                Some(asked) => Explained::Then(Box::new(past::gather(conn, &ground, asked)?)),
            })
        })
        .await
}

/// Who, where and when.
struct Place<'a> {
    workspace: WorkspaceId,
    hub: &'a Hub,
    app: &'a App,
    user: UserId,
    now: Micros,
}

fn gather(conn: &mut DbConn, place: &Place<'_>) -> Result<Explanation, ServiceError> {
    let Place { workspace, hub, app, user, now } = *place;
    let rules = facts::rules(conn, workspace, hub.id)?;
    let facts = facts_of(conn, place, &rules)?;
    let tasks = task_list::page(conn, workspace, &about(hub.id, user), None, SHOWN)?;
    let access = access_of(conn, place, SHOWN)?;
    let activity = activity(conn, place, None)?;
    let stranger = facts.person.is_none()
        && facts.member.is_none()
        && tasks.is_empty()
        && access.is_empty()
        && activity.is_empty();
    if stranger {
        return Err(ServiceError::NotFound("user"));
    }
    let mark = marks::of_pair(conn, workspace, hub.id, user)?;
    let observed = match &facts.member {
        Some(member) => reading::observed(conn, workspace, member.id)?,
        None => None,
    };
    let ground = Ground { app, policy: &hub.policy, rules: &rules };
    let settle_until = mark.as_ref().map_or(now, |mark| mark.settle_until);
    let (entitled, verdict) = decide(&ground, &facts, now, settle_until);
    let words = words::words(&rules, &facts, &entitled);
    let (paused, held) = (paused_above(conn, workspace)?, held(conn, workspace, &facts)?);
    let named = leavers::deciders(conn, workspace, std::slice::from_ref(&facts))?;
    let (troubles, missing_secrets) = (troubles(conn, place)?, hub_secrets::missing(conn, workspace, hub)?);
    let because = present::causes(&present::Seen {
        hub,
        app,
        facts: &facts,
        entitled: &entitled,
        rules: &words,
        step: &verdict.step,
        paused,
        held,
        last: tasks.iter().find(|task| !task.status.is_open() && task.status != TaskStatus::Superseded),
        decided_by: leavers::decider(facts.decision.as_ref(), &named),
        troubles: &troubles,
        missing_secrets: &missing_secrets,
        now,
    });
    let known = match &facts.member {
        Some(member) => {
            let place = leavers::Place { workspace, hub, app: Some(app), now };
            Some(members::whole(conn, &place, member.clone())?)
        }
        None => None,
    };
    let seat = entitled.seat();
    let parted = Parted::by_role(&entitled.reasons, seat.map(|seat| seat.role.as_str()));
    Ok(Explanation {
        answer: Answer::now(facts.member.as_ref()),
        summary: sentences(&because),
        because,
        hub: hub.slug.to_string(),
        mode: hub.mode,
        user: UserView { id: user.to_string(), user_name: user_name(&facts), state: state(&facts) },
        wanted: WantedView {
            seat: seat.is_some(),
            role: seat.map(|seat| seat.role.clone()),
            reasons: parted.gives,
            outranked: parted.outranked,
        },
        mappings: words.iter().map(shapes::rule).collect(),
        mark: mark.map(shapes::mark),
        decision: facts.decision.map(shapes::decision),
        known,
        observed: observed.map(shapes::observed),
        tasks: explained(conn, workspace, &tasks)?,
        access,
        activity,
    })
}

fn facts_of(conn: &mut DbConn, place: &Place<'_>, rules: &[Rule]) -> Result<Facts, ServiceError> {
    let Place { workspace, hub, app, user, .. } = *place;
    let mut found = facts::of_people(conn, workspace, hub.id, app, rules, &[user])?;
    found.pop().ok_or(ServiceError::NotFound("user"))
}

fn access_of(conn: &mut DbConn, place: &Place<'_>, most: i64) -> Result<Vec<AccessView>, ServiceError> {
    Ok(interval_list::page(conn, place.workspace, &intervals_of(place), None, most)?
        .into_iter()
        .map(access::view)
        .collect())
}

fn intervals_of(place: &Place<'_>) -> IntervalFilter {
    let hub_slug = Some(place.hub.slug.to_string());
    IntervalFilter { user: Some(place.user), hub_slug, ..IntervalFilter::default() }
}

fn about(hub: HubId, user: UserId) -> TaskFilter {
    TaskFilter { hub: Some(hub), user: Some(user), ..TaskFilter::default() }
}

/// Which pause above the hub's own there is.
fn paused_above(conn: &mut DbConn, workspace: WorkspaceId) -> Result<Option<&'static str>, ServiceError> {
    Ok(if pausing::is_installation_paused(conn)? {
        Some("pushing")
    } else if workspaces::load(conn, workspace)?.paused {
        Some("the workspace")
    } else {
        None
    })
}

/// The hub's open problems.
fn troubles(conn: &mut DbConn, place: &Place<'_>) -> Result<Vec<Trouble>, ServiceError> {
    let open = problems::of_hub(conn, place.workspace, place.hub.id)?;
    Ok(open.into_iter().map(|one| Trouble { cause: one.cause, message: one.message }).collect())
}

/// Why the guard holds the open task.
fn held(conn: &mut DbConn, workspace: WorkspaceId, facts: &Facts) -> Result<Option<HoldReason>, ServiceError> {
    let hold = facts.open.as_ref().filter(|open| open.status == TaskStatus::Held).and_then(|open| open.hold);
    Ok(match hold {
        Some(hold) => HoldReason::from_word(&holds::load(conn, workspace, hold)?.reason),
        None => None,
    })
}

fn user_name(facts: &Facts) -> Option<String> {
    Some(facts.principal.user_name.clone()).filter(|name| !name.is_empty())
}

fn state(facts: &Facts) -> &'static str {
    match &facts.person {
        Some(person) if person.active => "active",
        Some(_) => "inactive",
        None => "deleted",
    }
}

fn explained(conn: &mut DbConn, workspace: WorkspaceId, tasks: &[Task]) -> Result<Vec<ExplainedTask>, ServiceError> {
    let names = hubs::slugs(conn, workspace)?;
    let mut found = Vec::with_capacity(tasks.len());
    for task in tasks {
        let tries = attempts::list(conn, workspace, task.id)?.iter().map(task_view::attempt).collect();
        found.push(ExplainedTask { task: task_view::view(task, &names), tries });
    }
    Ok(found)
}

/// What the record says of the person, newest first; before a moment.
fn activity(conn: &mut DbConn, place: &Place<'_>, to: Option<Micros>) -> Result<Vec<ActivityLine>, ServiceError> {
    let filter = ActivityFilter { user: Some(place.user), to, ..ActivityFilter::default() };
    let rows = reading::activity(conn, place.workspace, &filter, None, SHOWN)?;
    Ok(rows.into_iter().map(shapes::line).collect())
}

fn wrong_at(detail: impl Into<String>) -> ServiceError {
    ServiceError::InvalidFields(vec![FieldError { field: String::from("at"), detail: detail.into() }])
}

/// A task of an interval: of the ones that were loaded already, else from its row.
fn task_of(conn: &mut DbConn, workspace: WorkspaceId, id: Option<TaskId>) -> Result<Option<Task>, ServiceError> {
    match id.map(|id| task_rows::load(conn, workspace, id)) {
        None | Some(Err(crate::store::StoreError::NotFound)) => Ok(None),
        Some(found) => Ok(Some(found?)),
    }
}
