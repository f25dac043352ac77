//! What is said of somebody who left and is still in the app: that they are, and what lets them stay.

#![deny(clippy::wildcard_enum_match_arm, reason = "a new kind must not slip past a decision (T-15)")]

use super::{Cause, Code, listed};
use crate::domain::decide::Facts;
use crate::domain::decision::{Decision, DecisionKind};
use crate::domain::leaver;
use crate::domain::plan::{Step, Why};
use crate::domain::task::TaskKind;

/// That they are still there, and what lets them stay; nothing of who is with us, or not in the app.
/// `step` is what the planner would do; `by` who decided before, as people know them.
pub fn still_there(facts: &Facts, step: &Step, by: Option<&str>) -> Option<Cause> {
    if !leaver::is_still_in(facts.standing(), facts.member.as_ref().map(|member| member.known)) {
        return None;
    }
    let (code, why) = match (step, &facts.decision) {
        (Step::Nothing(Why::Decided), Some(decision)) => decided(decision, by),
        _ if facts.protection.is_some() => protected(),
        // Protected by nobody: R4.8.
        (Step::Nothing(Why::Protected), _) => {
            let why = ", because the hub works with this account: name another in the hub's connection";
            (Code::LeaverProtected, why.to_owned())
        }
        (Step::Nothing(Why::Unmanaged), _) => {
            let why = ": the account is not managed, so no automation removes it";
            (Code::LeaverPresent, why.to_owned())
        }
        (Step::Nothing(Why::Exempted), _) => {
            (Code::LeaverPresent, String::from(": the account is exempted, so no task touches it"))
        }
        (
            Step::Nothing(Why::AsWanted | Why::NotThere | Why::Planned | Why::Decided | Why::Conflict)
            | Step::Wait { .. }
            | Step::Act(_),
            _,
        ) => (Code::LeaverPresent, under_way(facts)),
    };
    Some(Cause::new(code, format!("the person left and is still in the app{why}")))
}

fn decided(decision: &Decision, by: Option<&str>) -> (Code, String) {
    let by = by.unwrap_or(&decision.decided_by);
    let note = decision.note.as_deref().map(|note| format!(": \u{201c}{note}\u{201d}")).unwrap_or_default();
    match decision.kind {
        DecisionKind::Rejected | DecisionKind::Cancelled => {
            (Code::LeaverKept, format!(": removal was {} by {by}{note}", decision.kind.as_str()))
        }
        DecisionKind::Failed => (Code::LeaverPresent, format!(": removal failed for good{note}")),
    }
}

fn protected() -> (Code, String) {
    (Code::LeaverProtected, String::from(", because the account is protected"))
}

fn under_way(facts: &Facts) -> String {
    let removal = facts.open.as_ref().filter(|open| open.effect.kind == TaskKind::Remove);
    removal.map(|open| format!(": removal is {}", open.status.as_str())).unwrap_or_default()
}

/// Why whoever withdraws the removals of these people must give a note.
pub fn note_wanted(names: &[String]) -> String {
    let (is, keeps) = match names {
        [_] => ("is", "keeps that access without this removal"),
        _ => ("are", "keep that access without these removals"),
    };
    format!(
        "{} left and {is} still in the app, and {keeps}: say in a note why, for whoever finds them there",
        listed(names)
    )
}
