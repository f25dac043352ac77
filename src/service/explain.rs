//! Why somebody has, had or lacks access to a hub, answered from rows: request → membership →
//! mapping → entitlement → task → attempts → known and observed state. Works for present, past
//! and absent access, also after the user was deleted.

use serde::Serialize;

use super::access::{self, AccessView};
use super::activity::json;
use super::members::{self, MemberView};
use super::task_view::{self, AttemptView, TaskView};
use super::tasks as task_views;
use super::{Caller, Context, ServiceError, hubs};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, UserId, WorkspaceId};
use crate::domain::app::App;
use crate::domain::create_fields;
use crate::domain::decide::{Facts, Ground, decide};
use crate::domain::entitlement::{Entitlement, Refusal, Rule};
use crate::domain::guard::HoldReason;
use crate::domain::hub::{Hub, HubMode};
use crate::domain::hub_rules as rules;
use crate::domain::mapping::{Binding, Mapping};
use crate::domain::member::{Presence, Reason};
use crate::domain::permissions::Permissions;
use crate::domain::plan::{Start, Step};
use crate::domain::task::TaskStatus;
use crate::store::interval_list::{self, IntervalFilter};
use crate::store::marks::{self, Mark};
use crate::store::reading::{self, ActivityFilter, Observed};
use crate::store::task_list::{self, TaskFilter};
use crate::store::{DbConn, attempts, facts, given_fields, holds, pausing, workspaces};

/// Tasks and records shown; enough to see how it came about.
const SHOWN: i64 = 20;

/// The whole answer.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The answer in sentences.
    pub summary: Vec<String>,
    /// The hub.
    pub hub: String,
    /// Whether it pushes.
    pub mode: HubMode,
    /// The person.
    pub user: UserView,
    /// What they should hold.
    pub wanted: WantedView,
    /// Every mapping of the hub, and what it means for this person.
    pub mappings: Vec<RuleView>,
    /// What the planner has still to look at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark: Option<MarkView>,
    /// What was decided before, and holds while nothing changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionView>,
    /// What we know of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<MemberView>,
    /// What the last sync saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed: Option<ObservedView>,
    /// Their tasks in this hub, newest first.
    pub tasks: Vec<ExplainedTask>,
    /// When they held access.
    pub access: Vec<AccessView>,
    /// What the record says about them, newest first: the IdP's requests among it.
    pub activity: Vec<ActivityLine>,
}

/// The person.
#[derive(Clone, Debug, Serialize)]
pub struct UserView {
    /// SCIM id.
    pub id: String,
    /// The userName, as far as it is still known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// `active`, `inactive` or `deleted`.
    pub state: &'static str,
}

/// What somebody should hold.
#[derive(Clone, Debug, Serialize)]
pub struct WantedView {
    /// Whether an account is wanted.
    pub seat: bool,
    /// The role that wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The mappings that count.
    pub reasons: Vec<Reason>,
}

/// A mapping, seen from one person.
#[derive(Clone, Debug, Serialize)]
pub struct RuleView {
    /// Its id.
    pub id: String,
    /// `group meta-admins` …
    pub subject: String,
    /// The role it gives.
    pub app_role: String,
    /// Its filter.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// `counts`, `refused`, `not_in_group`, `other_user`, `waiting`, `gone`.
    pub applies: &'static str,
    /// In a sentence.
    pub why: String,
    /// When the IdP last named the membership.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member_since: Option<String>,
    /// Whose file made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The commit it came with.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub file_ref: Option<String>,
}

/// A mark.
#[derive(Clone, Debug, Serialize)]
pub struct MarkView {
    /// Looked at from then on.
    pub due: String,
    /// Removals and downgrades wait until then.
    pub settle_until: String,
    /// The newest cause.
    pub cause: String,
    /// The newest request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// A decision.
#[derive(Clone, Debug, Serialize)]
pub struct DecisionView {
    /// `rejected`, `cancelled` or `failed`.
    pub kind: &'static str,
    /// Who.
    pub by: String,
    /// Why, in their words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What a sync saw.
#[derive(Clone, Debug, Serialize)]
pub struct ObservedView {
    /// `active`, `pending` …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Where what we know comes from: `task:<id>`, `sync` …
    pub known_from: String,
}

/// A task with its attempts.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedTask {
    /// The task.
    #[serde(flatten)]
    pub task: TaskView,
    /// Every try.
    pub tries: Vec<AttemptView>,
}

/// A line of the record.
#[derive(Clone, Debug, Serialize)]
pub struct ActivityLine {
    /// When.
    pub at: String,
    /// What.
    pub kind: String,
    /// Who.
    pub actor: String,
    /// The request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The facts.
    pub detail: serde_json::Value,
}

/// Explain one person in one hub.
///
/// # Errors
/// [`ServiceError::NotFound`] for a hub or person the workspace never had.
pub async fn explain(context: &Context, caller: &Caller, slug: &str, user: &str) -> Result<Explanation, ServiceError> {
    let user = task_views::user(user)?;
    let (workspace, slug, now) = (caller.workspace, slug.to_owned(), context.clock.now());
    let catalog = context.catalog.clone();
    context
        .store
        .read(move |conn| {
            let hub = hubs::find(conn, workspace, &slug)?;
            let app = rules::app(&catalog, &hub.app).map_err(ServiceError::Invalid)?;
            gather(conn, workspace, &hub, &app.with_login(hub.login), user, now)
        })
        .await
}

fn gather(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: &Hub,
    app: &App,
    user: UserId,
    now: Micros,
) -> Result<Explanation, ServiceError> {
    let rules = facts::rules(conn, workspace, hub.id)?;
    let mut found = facts::of_people(conn, workspace, hub.id, app, &rules, &[user])?;
    let facts = found.pop().ok_or(ServiceError::NotFound("user"))?;
    let tasks = tasks(conn, workspace, hub.id, user)?;
    let intervals =
        IntervalFilter { user: Some(user), hub_slug: Some(hub.slug.to_string()), ..IntervalFilter::default() };
    let access: Vec<AccessView> =
        interval_list::page(conn, workspace, &intervals, None, SHOWN)?.into_iter().map(access::view).collect();
    let activity = activity(conn, workspace, user)?;
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
    let mappings: Vec<RuleView> = rules.iter().map(|rule| rule_view(rule, &facts, &entitled)).collect();
    let around = around(conn, workspace, &facts)?;
    let known = match &facts.member {
        Some(member) => Some(members::whole(conn, workspace, member.clone())?),
        None => None,
    };
    let seat = entitled.seat();
    Ok(Explanation {
        summary: summary(hub, app, &around, &facts, &entitled, &mappings, &verdict.step, now),
        hub: hub.slug.to_string(),
        mode: hub.mode,
        user: UserView {
            id: user.to_string(),
            user_name: Some(facts.principal.user_name.clone()).filter(|name| !name.is_empty()),
            state: state(&facts),
        },
        wanted: WantedView {
            seat: seat.is_some(),
            role: seat.map(|seat| seat.role.clone()),
            reasons: entitled.reasons.clone(),
        },
        mappings,
        mark: mark.map(mark_view),
        decision: facts.decision.map(|decision| DecisionView {
            kind: decision.kind.as_str(),
            by: decision.decided_by,
            note: decision.note,
        }),
        known,
        observed: observed.map(observed_view),
        tasks,
        access,
        activity,
    })
}

/// What keeps a wish waiting, beyond the hub's own row.
struct Waits {
    /// Which pause above the hub's own.
    paused: Option<&'static str>,
    /// Why the guard holds the open task.
    held: Option<HoldReason>,
}

fn around(conn: &mut DbConn, workspace: WorkspaceId, facts: &Facts) -> Result<Waits, ServiceError> {
    let paused = if pausing::is_installation_paused(conn)? {
        Some("pushing")
    } else if workspaces::load(conn, workspace)?.paused {
        Some("the workspace")
    } else {
        None
    };
    let hold = facts.open.as_ref().filter(|open| open.status == TaskStatus::Held).and_then(|open| open.hold);
    let held = match hold {
        Some(hold) => HoldReason::from_word(&holds::load(conn, workspace, hold)?.reason),
        None => None,
    };
    Ok(Waits { paused, held })
}

fn state(facts: &Facts) -> &'static str {
    match &facts.person {
        Some(person) if person.active => "active",
        Some(_) => "inactive",
        None => "deleted",
    }
}

fn mark_view(mark: Mark) -> MarkView {
    MarkView {
        due: mark.due_at.to_rfc3339(),
        settle_until: mark.settle_until.to_rfc3339(),
        cause: mark.cause,
        request_id: mark.request_id,
    }
}

fn observed_view(observed: Observed) -> ObservedView {
    ObservedView {
        state: observed.state,
        role: observed.role,
        at: observed.at.map(Micros::to_rfc3339),
        known_from: observed.known_from,
    }
}

fn tasks(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    user: UserId,
) -> Result<Vec<ExplainedTask>, ServiceError> {
    let filter = TaskFilter { hub: Some(hub), user: Some(user), ..TaskFilter::default() };
    let names = hubs::slugs(conn, workspace)?;
    let mut found = Vec::new();
    for task in task_list::page(conn, workspace, &filter, None, SHOWN)? {
        let tries = attempts::list(conn, workspace, task.id)?.iter().map(task_view::attempt).collect();
        found.push(ExplainedTask { task: task_view::view(&task, &names), tries });
    }
    Ok(found)
}

fn activity(conn: &mut DbConn, workspace: WorkspaceId, user: UserId) -> Result<Vec<ActivityLine>, ServiceError> {
    let filter = ActivityFilter { user: Some(user), ..ActivityFilter::default() };
    Ok(reading::activity(conn, workspace, &filter, None, SHOWN)?
        .into_iter()
        .map(|row| ActivityLine {
            at: row.at.to_rfc3339(),
            kind: row.kind,
            actor: row.actor,
            request_id: row.request_id,
            detail: json(&row.detail),
        })
        .collect())
}

/// An individual share waits for another word than a membership does.
fn why_refused(why: Refusal, binding: Binding) -> &'static str {
    match (why, binding) {
        (Refusal::WaitingForConfirmation, Binding::User(_)) => {
            "the user was deactivated since, which ends an individual share: delete the mapping and make it anew"
        }
        (Refusal::WaitingForConfirmation, _) => {
            "the user was deactivated since: waiting until the identity provider names the membership again or a \
             person releases it (POST /api/v1/hubs/HUB/users/USER/release)"
        }
        (why, _) => why.explain(),
    }
}

/// Which permissions of a mapping give way to which, to be put behind a sentence.
fn without(mapping: &Mapping, entitled: &Entitlement) -> String {
    if !mapping.seat || entitled.given_way.is_empty() {
        return String::new();
    }
    let named = Permissions::read(&mapping.app_role);
    let ways: Vec<String> = entitled
        .given_way
        .iter()
        .filter(|way| named.holds(&way.permission))
        .map(|way| format!("{} excludes {}", way.to, way.permission))
        .collect();
    if ways.is_empty() { String::new() } else { format!(": {}", ways.join(", ")) }
}

fn rule_view(rule: &Rule, facts: &Facts, entitled: &Entitlement) -> RuleView {
    let mapping = &rule.mapping;
    let membership = match (mapping.binding, &facts.person) {
        (Binding::Group(group), Some(person)) => person.memberships.iter().find(|one| one.group == group),
        (Binding::Group(_) | Binding::User(_) | Binding::Waiting | Binding::Gone, _) => None,
    };
    let refused = entitled.refused.iter().find(|refused| refused.mapping == mapping.id);
    let counts = entitled.reasons.iter().any(|reason| reason.mapping == mapping.id);
    let (applies, why) = if counts {
        ("counts", format!("it gives this person access{}", without(mapping, entitled)))
    } else if let Some(refused) = refused {
        let why = why_refused(refused.why, mapping.binding);
        ("refused", format!("{why}{}", without(mapping, entitled)))
    } else {
        match mapping.binding {
            Binding::Waiting => ("waiting", String::from("its subject has not arrived yet")),
            Binding::Gone => ("gone", String::from("its group was deleted; a person must bind it anew")),
            Binding::Group(_) if facts.person.is_none() => ("not_in_group", String::from("the user was deleted")),
            Binding::Group(_) => ("not_in_group", format!("the user is not in {}", rule.subject)),
            Binding::User(_) => ("other_user", String::from("it is about somebody else")),
        }
    };
    RuleView {
        id: mapping.id.to_string(),
        subject: rule.subject.clone(),
        app_role: mapping.app_role.clone(),
        scope: mapping.scope.clone(),
        applies,
        why,
        member_since: membership.map(|one| one.confirmed_at.to_rfc3339()),
        owner: mapping.owner.clone(),
        file_ref: mapping.file_ref.clone(),
    }
}

#[expect(clippy::too_many_arguments, reason = "one sentence from everything that is known of a pair")]
fn summary(
    hub: &Hub,
    app: &App,
    waits: &Waits,
    facts: &Facts,
    entitled: &Entitlement,
    mappings: &[RuleView],
    step: &Step,
    now: Micros,
) -> Vec<String> {
    let mut lines = Vec::new();
    match (state(facts), entitled.seat()) {
        ("deleted", _) => {
            lines.push(String::from("the user was deleted at the identity provider: no access is wanted"));
        }
        ("inactive", _) => lines.push(String::from("the user is deactivated: no access is wanted")),
        (_, Some(seat)) => {
            let because: Vec<&str> = entitled.reasons.iter().map(|reason| reason.subject.as_str()).collect();
            lines.push(format!("{} is wanted because of {}", seat.role, because.join(" and ")));
            lines.extend(
                entitled.given_way.iter().map(|way| format!("{} is refused: {} excludes it", way.permission, way.to)),
            );
        }
        (_, None) => {
            let near = mappings.iter().filter(|rule| rule.applies == "refused");
            let refused: Vec<String> = near.map(|rule| format!("{}: {}", rule.subject, rule.why)).collect();
            if refused.is_empty() {
                lines.push(String::from("no mapping of this hub gives this person access"));
            } else {
                lines.push(format!("no access is wanted; {}", refused.join("; ")));
            }
        }
    }
    match step {
        Step::Nothing(why) => lines.push(why.explain().to_owned()),
        Step::Wait { until, .. } => lines.push(format!("looked at again {}", until.to_rfc3339())),
        Step::Act(action) => {
            let role = action.effect.role.as_deref().map(|role| format!(" ({role})")).unwrap_or_default();
            let word = action.effect.kind.as_str();
            let paused = waits.paused.or(hub.paused.then_some("the hub"));
            lines.push(match (hub.mode, paused) {
                (HubMode::Observe, _) => format!("would {word}{role}, but this hub only observes"),
                (HubMode::Active, Some(what)) => format!("will {word}{role} when {what} is resumed"),
                (HubMode::Active, None) => format!("will {word}{role}"),
            });
        }
    }
    match (&facts.open, step) {
        (Some(open), _) if given_fields::is_waiting(open) => lines.extend(open.error_detail.clone()),
        (_, Step::Act(action)) if action.start == Start::NeedsData => {
            lines.push(create_fields::sentence(app, &action.effect.extra));
        }
        (_, Step::Act(_) | Step::Nothing(_) | Step::Wait { .. }) => {}
    }
    if let Some(given) = &facts.protection {
        let until = given.until.map(|at| format!(" until {}", at.to_rfc3339())).unwrap_or_default();
        lines.push(format!("protected{until} by {}: \u{201c}{}\u{201d}", given.by, given.reason));
        let left = facts.person.as_ref().is_none_or(|person| !person.active);
        let present = facts.member.as_ref().is_some_and(|member| match member.known {
            Presence::Active | Presence::Pending => true,
            Presence::Suspended | Presence::Absent => false,
        });
        if left && present {
            lines.push(String::from("the person left and is still in the app, because the account is protected"));
        }
    }
    if let Some(open) = &facts.open {
        lines.push(format!("an open task ({}) is {}", open.effect.kind.as_str(), open.status.as_str()));
        if let Some(reason) = waits.held {
            lines.push(format!("it waits for a person, because {}", reason.explain()));
        }
        // What waits for data or an acceptance waits for no time.
        if open.not_before > now && open.not_before.0 < i64::MAX {
            lines.push(format!("not tried before {}", open.not_before.to_rfc3339()));
        }
    }
    if let Some(decision) = &facts.decision {
        lines.push(format!("{} by {} before", decision.kind.as_str(), decision.decided_by));
    }
    lines
}
