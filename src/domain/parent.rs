//! A parent task and its children: what one cause made in one hub, as one row of the log (R5.13). Its
//! status and progress are told from how many children stand where, and from nothing else.

use serde::Serialize;

use crate::domain::task::TaskStatus;

/// How many children of a parent stand in each status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Children {
    counts: Vec<(TaskStatus, i64)>,
    tried_again: i64,
}

/// How far a parent is. `total` is the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Children that count: of a child that was tried again as another task, only that task does.
    pub total: i64,
    /// The app has what was wanted.
    pub done: i64,
    /// Failed for good.
    pub failed: i64,
    /// Not closed: under way, waiting, or a person's to do.
    pub open: i64,
    /// Replaced by a newer wish, or withdrawn.
    pub withdrawn: i64,
}

impl Children {
    /// From counts by status. Of those that were not completed, `tried_again` have another child in
    /// their place.
    pub fn of(counts: impl IntoIterator<Item = (TaskStatus, i64)>, tried_again: i64) -> Self {
        Self { counts: counts.into_iter().collect(), tried_again }
    }

    /// Children in this status that count.
    pub fn count(&self, status: TaskStatus) -> i64 {
        let all: i64 = self.counts.iter().filter(|(one, _)| *one == status).map(|(_, count)| count).sum();
        match status {
            TaskStatus::NotCompleted => all.saturating_sub(self.tried_again).max(0),
            TaskStatus::Queued
            | TaskStatus::Started
            | TaskStatus::Running
            | TaskStatus::Retrying
            | TaskStatus::Held
            | TaskStatus::Waiting
            | TaskStatus::Manual
            | TaskStatus::Completed
            | TaskStatus::Superseded
            | TaskStatus::Cancelled => all,
        }
    }

    /// The parent's status: the first that holds (business-hubs.md 6.3). A failure comes before all,
    /// also while others go on; then what machines do, then whom it waits for, then how it ended.
    pub fn status(&self) -> TaskStatus {
        let some = |status| self.count(status) > 0;
        if some(TaskStatus::NotCompleted) {
            return TaskStatus::NotCompleted;
        }
        if some(TaskStatus::Retrying) {
            return TaskStatus::Retrying;
        }
        if some(TaskStatus::Running) {
            return TaskStatus::Running;
        }
        // Begun, and not all through: one that is done was started as well.
        let begun = some(TaskStatus::Started) || some(TaskStatus::Completed);
        if some(TaskStatus::Started) || (begun && some(TaskStatus::Queued)) {
            return TaskStatus::Started;
        }
        let rest = [
            TaskStatus::Queued,
            TaskStatus::Manual,
            TaskStatus::Held,
            TaskStatus::Waiting,
            TaskStatus::Completed,
            TaskStatus::Cancelled,
            TaskStatus::Superseded,
        ];
        rest.into_iter().find(|status| some(*status)).unwrap_or(TaskStatus::Queued)
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let mut progress = Progress::default();
        for status in TaskStatus::ALL {
            let count = self.count(status);
            progress.total += count;
            match status {
                TaskStatus::Completed => progress.done += count,
                TaskStatus::NotCompleted => progress.failed += count,
                TaskStatus::Superseded | TaskStatus::Cancelled => progress.withdrawn += count,
                TaskStatus::Queued
                | TaskStatus::Started
                | TaskStatus::Running
                | TaskStatus::Retrying
                | TaskStatus::Held
                | TaskStatus::Waiting
                | TaskStatus::Manual => progress.open += count,
            }
        }
        progress
    }
}

/// Whether what one cause made in a hub so far, with what is still to come of it, stands below a
/// parent. `tasks` were planned now, `coming` of its people are looked at again later, `seen` were
/// looked at now; `more` says that others may follow at once.
pub const fn is_batch(tasks: usize, coming: usize, seen: usize, more: bool) -> bool {
    tasks > 0 && (tasks + coming > 1 || (more && seen > 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn statuses() -> impl Strategy<Value = Vec<TaskStatus>> {
        proptest::collection::vec(proptest::sample::select(&TaskStatus::ALL[..]), 1..12)
    }

    fn many(count: usize) -> i64 {
        i64::try_from(count).unwrap()
    }

    fn children(all: &[TaskStatus]) -> Children {
        Children::of(all.iter().map(|status| (*status, 1)), 0)
    }

    #[test]
    fn the_statuses_of_section_6_3() {
        use TaskStatus::{
            Cancelled, Completed, Held, Manual, NotCompleted, Queued, Retrying, Running, Started, Superseded, Waiting,
        };
        for (of, status) in [
            (&[Queued, Queued][..], Queued),
            (&[Queued, Started], Started),
            (&[Queued, Completed], Started),
            (&[Started, Running, Completed], Running),
            (&[Running, Retrying, Queued], Retrying),
            (&[Running, Retrying, NotCompleted], NotCompleted),
            (&[Completed, NotCompleted], NotCompleted),
            (&[Completed, Completed], Completed),
            (&[Completed, Superseded, Cancelled], Completed),
            (&[Completed, Manual, Held], Manual),
            (&[Queued, Manual], Queued),
            (&[Held, Waiting], Held),
            (&[Completed, Waiting], Waiting),
            (&[Superseded, Cancelled], Cancelled),
            (&[Superseded, Superseded], Superseded),
        ] {
            assert_eq!(children(of).status(), status, "{of:?}");
        }
    }

    #[test]
    fn one_that_was_tried_again_counts_once() {
        let counts = [(TaskStatus::NotCompleted, 2), (TaskStatus::Completed, 3)];
        let both = Children::of(counts, 2);
        assert_eq!(both.status(), TaskStatus::Completed);
        assert_eq!(both.progress(), Progress { total: 3, done: 3, failed: 0, open: 0, withdrawn: 0 });
        let one = Children::of(counts, 1);
        assert_eq!((one.status(), one.progress().failed), (TaskStatus::NotCompleted, 1));
    }

    #[test]
    fn one_task_alone_has_no_parent() {
        assert!(!is_batch(1, 0, 1, false) && !is_batch(0, 5, 5, true) && !is_batch(1, 0, 1, true));
        assert!(is_batch(2, 0, 2, false) && is_batch(1, 1, 2, false) && is_batch(1, 0, 200, true));
    }

    proptest! {
        /// Neither the order of the children nor how they are grouped changes anything.
        #[test]
        fn only_the_numbers_count(all in statuses(), by in 0usize..12) {
            let mut turned = all.clone();
            turned.rotate_left(by % all.len());
            prop_assert_eq!(children(&all).status(), children(&turned).status());
            let grouped = Children::of(TaskStatus::ALL.map(|one| (one, many(all.iter().filter(|s| **s == one).count()))), 0);
            prop_assert_eq!(children(&all).status(), grouped.status());
            prop_assert_eq!(children(&all).progress(), grouped.progress());
        }

        #[test]
        fn the_sum_is_the_total_and_the_status_is_somebodys(all in statuses()) {
            let both = children(&all);
            let Progress { total, done, failed, open, withdrawn } = both.progress();
            prop_assert_eq!(total, many(all.len()));
            prop_assert_eq!(done + failed + open + withdrawn, total);
            let status = both.status();
            prop_assert!(all.contains(&status) || status == TaskStatus::Started, "{:?}", status);
        }

        /// All done means done; one failure means failed, whatever the others do.
        #[test]
        fn done_is_all_and_failed_is_one(all in statuses()) {
            let status = children(&all).status();
            let Progress { done, failed, open, .. } = children(&all).progress();
            prop_assert_eq!(status == TaskStatus::NotCompleted, failed > 0);
            prop_assert_eq!(status == TaskStatus::Completed, failed == 0 && open == 0 && done > 0);
            prop_assert_eq!(status.is_open(), failed == 0 && open > 0);
        }

        /// A child that goes from open to done never takes the parent back from its end.
        #[test]
        fn finishing_leads_to_the_end(all in statuses()) {
            let ended: Vec<_> = all.iter().map(|s| if s.is_open() { TaskStatus::Completed } else { *s }).collect();
            prop_assert!(!children(&ended).status().is_open());
        }
    }
}
