//! Locks that a write transaction on PostgreSQL is sure to need: taken in the round trip that begins it.
//! SQLite has one writer and needs none.
//!
//! Who changes people or groups takes the lock on the rules first and then rows, all in this order: a
//! change of rules that waits for one of them must not come between two that wait for each other. A
//! transaction that finds out late that it needs one for which it would have to wait begins again with it
//! ([`super::Tx::begin_again_with`]), and so never waits for it with rows in hand.

use super::pending;
use super::rules_lock;
use crate::base::ids::{SourceId, WorkspaceId};

/// What is held from the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Locks {
    /// [`rules_lock::rules_are_read`] of this workspace.
    pub(super) rules: Option<WorkspaceId>,
    /// [`pending::announce_arrival`] in this source.
    pub(super) arrival: Option<(WorkspaceId, SourceId)>,
    /// [`pending::wait_for_arrivals`] in this source.
    pub(super) no_arrivals: Option<(WorkspaceId, SourceId)>,
}

impl Locks {
    /// For a change that writes marks.
    pub const fn rules(workspace: WorkspaceId) -> Self {
        Self { rules: Some(workspace), arrival: None, no_arrivals: None }
    }

    /// For a user who arrives in `source`: the rules that reach them, and groups that wait for them.
    pub const fn arrival(workspace: WorkspaceId, source: SourceId) -> Self {
        Self { rules: Some(workspace), arrival: Some((workspace, source)), no_arrivals: None }
    }

    /// The statement that begins a transaction which holds them.
    pub(super) fn begin(self) -> String {
        let number = |(workspace, source)| pending::number(workspace, source);
        let shared = self.rules.map(rules_lock::number).into_iter().chain(self.arrival.map(number));
        let shared = shared.map(|number| format!("pg_advisory_xact_lock_shared({number})"));
        let alone = self.no_arrivals.map(number).map(|number| format!("pg_advisory_xact_lock({number})"));
        let taken: Vec<String> = shared.chain(alone).collect();
        let mut text = String::from("BEGIN ISOLATION LEVEL READ COMMITTED");
        if !taken.is_empty() {
            text.push_str("; SELECT ");
            text.push_str(&taken.join(", "));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_begins_with_its_locks_rules_first() {
        assert_eq!(Locks::default().begin(), "BEGIN ISOLATION LEVEL READ COMMITTED");
        let (workspace, source) = (WorkspaceId(1), SourceId(2));
        let rules = format!("pg_advisory_xact_lock_shared({})", rules_lock::number(workspace));
        assert!(Locks::rules(workspace).begin().ends_with(&format!("; SELECT {rules}")));
        let arrival = format!("pg_advisory_xact_lock_shared({})", pending::number(workspace, source));
        assert!(Locks::arrival(workspace, source).begin().ends_with(&format!("; SELECT {rules}, {arrival}")));
        let naming = Locks { no_arrivals: Some((workspace, source)), ..Locks::rules(workspace) };
        let alone = format!("pg_advisory_xact_lock({})", pending::number(workspace, source));
        assert!(naming.begin().ends_with(&format!("; SELECT {rules}, {alone}")));
    }
}
