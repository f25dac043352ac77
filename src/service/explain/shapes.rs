//! What an explanation shows: of now, and of a moment that is past.

use serde::Serialize;

use super::super::access::AccessView;
use super::super::activity::json;
use super::super::members::MemberView;
use super::super::task_view::{AttemptView, TaskView};
use crate::base::clock::Micros;
use crate::domain::decision::Decision;
use crate::domain::hub::HubMode;
use crate::domain::member::Reason;
use crate::domain::why::rules::RuleWord;
use crate::domain::why::then::{About, Told};
use crate::domain::why::{Answer, Cause};
use crate::store::marks::Mark;
use crate::store::reading::{ActivityRow, Observed};

/// An explanation: of now, or of the moment that was asked about.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Explained {
    /// Now.
    Now(Box<Explanation>),
    /// Then.
    Then(Box<PastExplanation>),
}

/// The whole answer about now.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// How it stands, in a word.
    pub answer: Answer,
    /// The answer in sentences.
    pub summary: Vec<String>,
    /// The same sentences, each with a word for machines and what it is about.
    pub because: Vec<Cause>,
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
    /// The mappings that give it.
    pub reasons: Vec<Reason>,
    /// The mappings that count too and give a lower role, or no seat.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outranked: Vec<Reason>,
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

/// The whole answer about a moment that is past.
#[derive(Clone, Debug, Serialize)]
pub struct PastExplanation {
    /// How it stood, in a word: `has_access` or `no_access`.
    pub answer: Answer,
    /// What was asked about, as it was given.
    pub asked: String,
    /// The moment that is explained, RFC 3339: of a day the first at which access was held, else its end.
    pub at: String,
    /// The answer in sentences.
    pub summary: Vec<String>,
    /// The same sentences, each with a word for machines and what it is about.
    pub because: Vec<Cause>,
    /// The hub.
    pub hub: String,
    /// The person; `state` is as it was then, also `not_yet_here` and `unknown`.
    pub user: UserView,
    /// What was held within what was asked about, newest first.
    pub held: Vec<AccessView>,
    /// The mappings that the hub had, and what they were to this person.
    pub mappings: Vec<PastRule>,
    /// The task that was under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<ExplainedTask>,
    /// The task that had begun what was held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub began: Option<ExplainedTask>,
    /// The task that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<ExplainedTask>,
    /// All their access in this hub, newest first.
    pub access: Vec<AccessView>,
    /// What the record said of them by then, newest first.
    pub activity: Vec<ActivityLine>,
}

/// A mapping that the hub had, seen from one person.
#[derive(Clone, Debug, Serialize)]
pub struct PastRule {
    /// Its id.
    pub id: String,
    /// `group meta-admins` …
    pub subject: String,
    /// The role it gave.
    pub app_role: String,
    /// Its filter.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// `counted`, `not_in_group`, `other_user`, `waiting`, `unknown`.
    pub applied: &'static str,
    /// Who made it so, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<SinceView>,
}

/// The record behind something.
#[derive(Clone, Debug, Serialize)]
pub struct SinceView {
    /// RFC 3339.
    pub at: String,
    /// Who, as people know them.
    pub by: String,
    /// The request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

pub(super) fn since(told: &Told) -> SinceView {
    SinceView { at: told.at.to_rfc3339(), by: told.by.clone(), request_id: told.request.clone() }
}

pub(super) const fn applied(about: About) -> &'static str {
    match about {
        About::Them => "counted",
        About::NotInGroup => "not_in_group",
        About::Other => "other_user",
        About::Nobody => "waiting",
        About::Unknown => "unknown",
    }
}

pub(super) fn rule(word: &RuleWord<'_>) -> RuleView {
    let mapping = &word.rule.mapping;
    RuleView {
        id: mapping.id.to_string(),
        subject: word.rule.subject.clone(),
        app_role: mapping.app_role.clone(),
        scope: mapping.scope.clone(),
        applies: word.applies.as_str(),
        why: word.why.clone(),
        member_since: word.membership.map(|one| one.confirmed_at.to_rfc3339()),
        owner: mapping.owner.clone(),
        file_ref: mapping.file_ref.clone(),
    }
}

pub(super) fn mark(mark: Mark) -> MarkView {
    MarkView {
        due: mark.due_at.to_rfc3339(),
        settle_until: mark.settle_until.to_rfc3339(),
        cause: mark.cause,
        request_id: mark.request_id,
    }
}

pub(super) fn decision(decision: Decision) -> DecisionView {
    DecisionView { kind: decision.kind.as_str(), by: decision.decided_by, note: decision.note }
}

pub(super) fn observed(observed: Observed) -> ObservedView {
    ObservedView {
        state: observed.state,
        role: observed.role,
        at: observed.at.map(Micros::to_rfc3339),
        known_from: observed.known_from,
    }
}

pub(super) fn line(row: ActivityRow) -> ActivityLine {
    ActivityLine {
        at: row.at.to_rfc3339(),
        kind: row.kind,
        actor: row.actor,
        request_id: row.request_id,
        detail: json(&row.detail),
    }
}
