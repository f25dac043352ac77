//! Locks that a write transaction on PostgreSQL is sure to need: taken in the round trip that begins it.
//! SQLite has one writer and needs none.
//!
//! Who changes people or groups takes the lock on the rules first and then rows, all in this order: a
//! change of rules that waits for one of them must not come between two that wait for each other.

use super::pending;
use super::rules_lock;
use crate::base::ids::{SourceId, WorkspaceId};

/// What is held from the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Locks {
    /// [`rules_lock::rules_are_read`] of this workspace.
    pub(super) rules: Option<WorkspaceId>,
    /// [`pending::announce_arrival`] in this source.
    pub(super) arrival: Option<(WorkspaceId, SourceId)>,
}

impl Locks {
    /// For a change that writes marks.
    pub const fn rules(workspace: WorkspaceId) -> Self {
        Self { rules: Some(workspace), arrival: None }
    }

    /// For a user who arrives in `source`: the rules that reach them, and groups that wait for them.
    pub const fn arrival(workspace: WorkspaceId, source: SourceId) -> Self {
        Self { rules: Some(workspace), arrival: Some((workspace, source)) }
    }

    /// The statement that begins a transaction which holds them.
    pub(super) fn begin(self) -> String {
        let rules = self.rules.map(rules_lock::number);
        let arrival = self.arrival.map(|(workspace, source)| pending::number(workspace, source));
        let taken = rules.into_iter().chain(arrival);
        let taken: Vec<String> = taken.map(|number| format!("pg_advisory_xact_lock_shared({number})")).collect();
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
    }
}
