//! Gathering what is known of one person in one hub at a moment that is past: the intervals, the tasks
//! around it and the record, for `domain::why::past` to say what they mean.

use std::time::Duration;

use super::super::access;
use super::super::moments::{self, Edge};
use super::shapes::{self, ExplainedTask, PastExplanation, PastRule, UserView};
use super::{Answer, ServiceError};
use super::{Place, SHOWN, about, activity, explained, facts_of, intervals_of, task_of, user_name, wrong_at};
use crate::base::clock::Micros;
use crate::base::ids::{GroupId, WorkspaceId};
use crate::base::limits::BACK_THEN_STRETCHES;
use crate::domain::entitlement::Rule;
use crate::domain::guard::HoldReason;
use crate::domain::mapping::Binding;
use crate::domain::task::{Task, TaskStatus};
use crate::domain::why::past::{self, OpenThen, Span, Stretch};
use crate::domain::why::sentences;
use crate::domain::why::then::{self, Then, Told, made_at};
use crate::store::interval_list::{self, IntervalRow};
use crate::store::{DbConn, StoreError, back_then, facts, holds, status, task_list};

/// What was asked about.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    text: String,
    span: Span,
}

/// Read `at`: a moment, or a day, which stands for all of it as far as it is over.
///
/// # Errors
/// [`ServiceError::InvalidFields`] that names `at`.
pub(super) fn asked(text: &str, now: Micros) -> Result<Asked, ServiceError> {
    let from = moments::read("at", Some(text), Edge::Start)?.unwrap_or(now);
    let to = moments::read("at", Some(text), Edge::End)?.unwrap_or(now);
    if from > now {
        let now = now.to_rfc3339();
        return Err(wrong_at(format!("at lies in the future: it is {now}; leave it out to ask about now")));
    }
    Ok(Asked { text: text.to_owned(), span: Span { from, to: to.min(now) } })
}

/// Answer of the moment.
pub(super) fn gather(conn: &mut DbConn, place: &Place<'_>, asked: &Asked) -> Result<PastExplanation, ServiceError> {
    let (workspace, span) = (place.workspace, asked.span);
    let rules = facts::rules(conn, workspace, place.hub.id)?;
    let facts = facts_of(conn, place, &rules)?;
    let mut rows = interval_list::page(conn, workspace, &intervals_of(place), None, BACK_THEN_STRETCHES)?;
    rows.sort_by_key(|row| std::cmp::Reverse(row.from_at));
    let ends = Ends::load(conn, workspace, &rows, span)?;
    let access = ends.stretches(&rows);
    let held = past::held(&access, span);
    let at = past::moment(held, span);
    let until = held.and_then(|held| held.to).unwrap_or(at).max(at);
    let record = record(conn, place, &rules, until)?;
    let cut = back_then::cut(conn, workspace)?;
    let memberships = facts.person.as_ref().map(|person| person.memberships.as_slice()).unwrap_or_default();
    let connected = made_at(place.hub.id.uuid());
    let ground = then::Ground { user: place.user, rules: &rules, memberships, at, cut, connected };
    let then = then::fold(&ground, &record);
    let tasks = tasks_by(conn, place, at)?;
    let (open, last) = around(&tasks, at);
    let open = match open {
        Some(task) => Some(OpenThen { task, held: hold(conn, workspace, task)? }),
        None => None,
    };
    let activity = activity(conn, place, Some(at.plus(Duration::from_micros(1))))?;
    if rows.is_empty()
        && facts.person.is_none()
        && facts.member.is_none()
        && record.iter().all(|told| told.user.is_none())
    {
        return Err(ServiceError::NotFound("user"));
    }
    let seen =
        past::Seen { user: place.user, span, at, access: &access, then: &then, record: &record, open, last, cut };
    let because = past::causes(&seen);
    let one = |conn: &mut DbConn, task: Option<&Task>| -> Result<Option<ExplainedTask>, ServiceError> {
        Ok(match task {
            Some(task) => explained(conn, workspace, std::slice::from_ref(task))?.pop(),
            None => None,
        })
    };
    Ok(PastExplanation {
        answer: if held.is_some() { Answer::HasAccess } else { Answer::NoAccess },
        asked: asked.text.clone(),
        at: at.to_rfc3339(),
        summary: sentences(&because),
        because,
        hub: place.hub.slug.to_string(),
        user: UserView { id: place.user.to_string(), user_name: user_name(&facts), state: then.person.as_str() },
        mappings: mappings(&then),
        open: one(conn, seen.open.map(|open| open.task))?,
        began: one(conn, held.and_then(|held| held.began))?,
        ended: one(conn, held.and_then(|held| held.ended))?,
        held: rows.iter().filter(|row| span.meets(row.from_at, row.to_at)).cloned().map(access::view).collect(),
        access: rows.into_iter().take(usize::try_from(SHOWN).unwrap_or(usize::MAX)).map(access::view).collect(),
        activity,
    })
}

/// The tasks that began and ended the intervals that are told of; of the others none is read.
struct Ends(Vec<(Option<Task>, Option<Task>)>);

impl Ends {
    fn load(conn: &mut DbConn, workspace: WorkspaceId, rows: &[IntervalRow], span: Span) -> Result<Self, ServiceError> {
        let told = [
            rows.iter().position(|row| span.meets(row.from_at, row.to_at)),
            rows.iter().position(|row| span.before(row.to_at)),
            rows.iter().rposition(|row| span.after(row.from_at)),
        ];
        let mut found = Vec::with_capacity(rows.len());
        for (number, row) in rows.iter().enumerate() {
            found.push(if told.contains(&Some(number)) {
                (task_of(conn, workspace, row.from_task)?, task_of(conn, workspace, row.to_task)?)
            } else {
                (None, None)
            });
        }
        Ok(Self(found))
    }

    fn stretches<'a>(&'a self, rows: &[IntervalRow]) -> Vec<Stretch<'a>> {
        rows.iter()
            .zip(&self.0)
            .map(|(row, (began, ended))| Stretch {
                role: row.app_role.clone(),
                from: row.from_at,
                to: row.to_at,
                from_cause: row.from_cause.clone(),
                to_cause: row.to_cause.clone(),
                evidence: row.evidence.clone(),
                began: began.as_ref(),
                ended: ended.as_ref(),
            })
            .collect()
    }
}

/// What the record says of the person, of the hub's rules and of the groups they are bound to, oldest
/// first, each actor by its name.
fn record(conn: &mut DbConn, place: &Place<'_>, rules: &[Rule], until: Micros) -> Result<Vec<Told>, ServiceError> {
    let (workspace, hub, user) = (place.workspace, place.hub.id, place.user);
    let mut all = back_then::rules(conn, workspace, hub)?;
    let mut groups: Vec<GroupId> = all.iter().filter_map(|(_, told)| group_of(told)).collect();
    groups.extend(rules.iter().filter_map(|rule| match rule.mapping.binding {
        Binding::Group(group) => Some(group),
        Binding::Waiting | Binding::User(_) | Binding::Gone => None,
    }));
    groups.sort_unstable();
    groups.dedup();
    all.extend(back_then::person(conn, workspace, hub, user, until)?);
    all.extend(back_then::groups(conn, workspace, hub, user, &groups, until)?);
    all.sort_by_key(|(id, _)| *id);
    all.dedup_by_key(|(id, _)| *id);
    let named = back_then::names(conn, workspace, all.iter().map(|(_, told)| told.by.clone()))?;
    Ok(all
        .into_iter()
        .map(|(_, mut told)| {
            if let Some(name) = named.get(&told.by) {
                told.by.clone_from(name);
            }
            told
        })
        .collect())
}

fn group_of(told: &Told) -> Option<GroupId> {
    told.detail.get("group")?.as_str()?.parse().ok()
}

/// The tasks of the person in the hub that were planned by then, newest first.
fn tasks_by(conn: &mut DbConn, place: &Place<'_>, at: Micros) -> Result<Vec<Task>, StoreError> {
    let next = status::first_id(at.plus(Duration::from_millis(1)));
    let tasks = task_list::page(conn, place.workspace, &about(place.hub.id, place.user), Some(next), SHOWN)?;
    Ok(tasks.into_iter().filter(|task| task.created_at <= at).collect())
}

/// The one that was open at the moment, and the last that was closed by then.
fn around(tasks: &[Task], at: Micros) -> (Option<&Task>, Option<&Task>) {
    let closed = |task: &Task| task.finished_at.is_some_and(|end| end <= at);
    let superseded = |task: &Task| task.status == TaskStatus::Superseded;
    let open = tasks.iter().find(|task| !closed(task));
    (open, tasks.iter().find(|task| closed(task) && !superseded(task)))
}

/// Why the guard holds or held a task, and until when.
fn hold(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    task: &Task,
) -> Result<Option<(HoldReason, Option<Micros>)>, StoreError> {
    let Some(id) = task.hold else { return Ok(None) };
    match holds::load(conn, workspace, id) {
        Ok(hold) => Ok(HoldReason::from_word(&hold.reason).map(|reason| (reason, hold.decided_at))),
        Err(StoreError::NotFound) => Ok(None),
        Err(other) => Err(other),
    }
}

fn mappings(then: &Then) -> Vec<PastRule> {
    then.rules
        .iter()
        .map(|rule| PastRule {
            id: rule.id.clone(),
            subject: rule.subject.clone(),
            app_role: rule.app_role.clone(),
            scope: rule.scope.clone(),
            applied: shapes::applied(rule.about),
            since: rule.since.as_ref().map(shapes::since),
        })
        .collect()
}
