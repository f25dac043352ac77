//! The state machine of tasks: which event may follow which status, and where it leads. SQL
//! takes its "only from these statuses" from here, so that the table is the only truth.

use crate::domain::task::TaskStatus;

/// Something that happens to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskEvent {
    /// A worker took it.
    Claimed,
    /// The attempt takes long enough to be shown.
    Shown,
    /// The attempt is over and another must follow; something may be at the app.
    TryAgain,
    /// The attempt is over without having counted: rate limit, broken credential, shutdown.
    GivenBack,
    /// The lease ran out: the worker died or hung.
    Reclaimed,
    /// The app has what was wanted.
    Landed,
    /// The app has something else; the planner decides anew.
    Replan,
    /// Only a person can go on.
    NeedsPerson,
    /// The app refuses for good.
    Refused,
    /// A newer wish.
    Superseded,
    /// The guard holds it.
    Held,
    /// A person released it from the guard, or its time came.
    Released,
    /// A person wants it tried now.
    RetriedByHand,
    /// A person did it in the app.
    DoneByHand,
    /// A person, or the guard on a person's word, withdrew it.
    Cancelled,
}

impl TaskEvent {
    /// Every event.
    pub const ALL: [Self; 15] = [
        Self::Claimed,
        Self::Shown,
        Self::TryAgain,
        Self::GivenBack,
        Self::Reclaimed,
        Self::Landed,
        Self::Replan,
        Self::NeedsPerson,
        Self::Refused,
        Self::Superseded,
        Self::Held,
        Self::Released,
        Self::RetriedByHand,
        Self::DoneByHand,
        Self::Cancelled,
    ];

    /// Where the event leads.
    pub const fn leads_to(self) -> TaskStatus {
        match self {
            Self::Claimed => TaskStatus::Started,
            Self::Shown => TaskStatus::Running,
            Self::TryAgain | Self::Reclaimed => TaskStatus::Retrying,
            Self::GivenBack | Self::Released | Self::RetriedByHand => TaskStatus::Queued,
            Self::Landed | Self::DoneByHand => TaskStatus::Completed,
            Self::Replan | Self::Superseded => TaskStatus::Superseded,
            Self::NeedsPerson => TaskStatus::Manual,
            Self::Refused => TaskStatus::NotCompleted,
            Self::Held => TaskStatus::Held,
            Self::Cancelled => TaskStatus::Cancelled,
        }
    }

    /// Whether the event may happen to a task in this status.
    pub const fn fits(self, status: TaskStatus) -> bool {
        use TaskStatus::{
            Cancelled, Completed, Held, Manual, NotCompleted, Queued, Retrying, Running, Started, Superseded, Waiting,
        };
        match status {
            Queued | Retrying => matches!(
                self,
                Self::Claimed
                    | Self::Superseded
                    | Self::Held
                    | Self::RetriedByHand
                    | Self::Cancelled
                    | Self::NeedsPerson
            ),
            Started | Running => matches!(
                self,
                Self::Shown
                    | Self::TryAgain
                    | Self::GivenBack
                    | Self::Reclaimed
                    | Self::Landed
                    | Self::Replan
                    | Self::NeedsPerson
                    | Self::Refused
            ),
            Held => matches!(self, Self::Released | Self::Superseded | Self::Cancelled),
            Waiting => {
                matches!(self, Self::Released | Self::Superseded | Self::Held | Self::RetriedByHand | Self::Cancelled)
            }
            Manual => matches!(self, Self::RetriedByHand | Self::DoneByHand | Self::Superseded | Self::Cancelled),
            Completed | NotCompleted | Superseded | Cancelled => false,
        }
    }

    /// The statuses it may start from.
    pub fn starts_from(self) -> Vec<TaskStatus> {
        TaskStatus::ALL.into_iter().filter(|status| self.fits(*status)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every (status, event) pair that is allowed, written out; all others are refused.
    #[test]
    fn every_pair_is_decided() {
        let allowed = "\
queued: claimed superseded held retried_by_hand cancelled needs_person
started: shown try_again given_back reclaimed landed replan needs_person refused
running: shown try_again given_back reclaimed landed replan needs_person refused
retrying: claimed superseded held retried_by_hand cancelled needs_person
held: superseded released cancelled
waiting: superseded held released retried_by_hand cancelled
manual: superseded retried_by_hand done_by_hand cancelled
completed:
not_completed:
superseded:
cancelled:
";
        let mut seen = String::new();
        for status in TaskStatus::ALL {
            seen.push_str(status.as_str());
            seen.push(':');
            let mut words: Vec<_> = TaskEvent::ALL.into_iter().filter(|event| event.fits(status)).collect();
            words.sort_by_key(|event| allowed_position(allowed, status, *event));
            for event in words {
                seen.push(' ');
                seen.push_str(&word(event));
            }
            seen.push('\n');
        }
        assert_eq!(seen, allowed);
    }

    fn word(event: TaskEvent) -> String {
        let mut word = String::new();
        for (at, letter) in format!("{event:?}").chars().enumerate() {
            if letter.is_uppercase() && at > 0 {
                word.push('_');
            }
            word.push(letter.to_ascii_lowercase());
        }
        word
    }

    fn allowed_position(allowed: &str, status: TaskStatus, event: TaskEvent) -> usize {
        let line = allowed.lines().find(|line| line.starts_with(&format!("{}:", status.as_str()))).unwrap_or_default();
        line.split_whitespace().position(|w| w == word(event)).unwrap_or(usize::MAX)
    }

    #[test]
    fn a_closed_task_stays_closed() {
        for status in TaskStatus::ALL.into_iter().filter(|status| !status.is_open()) {
            assert!(TaskEvent::ALL.into_iter().all(|event| !event.fits(status)), "{status:?}");
        }
    }

    #[test]
    fn every_open_status_has_a_way_to_the_end() {
        for status in TaskStatus::ALL.into_iter().filter(|status| status.is_open()) {
            let mut reached = vec![status];
            let mut at = 0;
            while let Some(status) = reached.get(at).copied() {
                at += 1;
                for event in TaskEvent::ALL.into_iter().filter(|event| event.fits(status)) {
                    if !reached.contains(&event.leads_to()) {
                        reached.push(event.leads_to());
                    }
                }
            }
            assert!(reached.contains(&TaskStatus::Completed), "{status:?} never completes");
        }
    }

    proptest! {
        /// F-03: an event that comes twice, or late, changes nothing that it may not.
        #[test]
        fn repeated_events_never_reopen(events in proptest::collection::vec(0..TaskEvent::ALL.len(), 0..40)) {
            let mut status = TaskStatus::Queued;
            for index in events {
                let event = TaskEvent::ALL[index];
                for _ in 0..2 {
                    let before = status;
                    if event.fits(status) {
                        status = event.leads_to();
                    }
                    prop_assert!(before.is_open() || status == before);
                }
            }
        }
    }
}
