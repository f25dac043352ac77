//! How identity providers fare: what they asked and how it ended, counted in memory and written
//! down at most once a minute per source, so that no request waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::base::clock::Micros;
use crate::base::ids::{SourceId, WorkspaceId};
use crate::store::health::{self, Health};
use crate::store::{Store, StoreError};

/// How often a source's count is written down.
const EVERY: Duration = Duration::from_secs(60);

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was carried out.
    Well,
    /// It was refused, or failed.
    Badly,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    since: Health,
    written_at: Option<Micros>,
}

/// What this process heard of its sources since it last wrote it down. Cheap to clone; clones
/// share one count. It holds one entry per source that was heard of.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    sources: Arc<Mutex<HashMap<(WorkspaceId, SourceId), Counted>>>,
}

impl Heard {
    /// A request of this source ended.
    pub fn note(&self, store: &Store, workspace: WorkspaceId, source: SourceId, ended: Ended, now: Micros) {
        let Some(counted) = self.count(workspace, source, ended, now) else { return };
        let (heard, store) = (self.clone(), store.clone());
        tokio::spawn(async move {
            let written: Result<(), StoreError> =
                store.write(move |tx| health::source_counted(tx, workspace, source, counted)).await;
            if let Err(error) = written {
                heard.put_back(workspace, source, counted);
                tracing::warn!(%error, source.id = source.0, "could not note how a source fares");
            }
        });
    }

    /// Count it; what must be written down now, if it is time.
    fn count(&self, workspace: WorkspaceId, source: SourceId, ended: Ended, now: Micros) -> Option<Health> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = sources.entry((workspace, source)).or_default();
        match ended {
            Ended::Well => counted.since = Health { last_success: Some(now), error_streak: 0 },
            Ended::Badly => counted.since.error_streak = counted.since.error_streak.saturating_add(1),
        }
        if counted.written_at.is_some_and(|at| now.since(at) < EVERY) {
            return None;
        }
        counted.written_at = Some(now);
        Some(std::mem::take(&mut counted.since))
    }

    /// It could not be written: it counts again, in front of what was counted meanwhile.
    fn put_back(&self, workspace: WorkspaceId, source: SourceId, earlier: Health) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = sources.entry((workspace, source)).or_default();
        counted.since = after(earlier, counted.since);
    }

    /// What is known of a source: what is stored, and what this process heard since. While a count is
    /// being written it is in neither place: for a moment once a minute a streak looks shorter.
    pub fn with(&self, workspace: WorkspaceId, source: SourceId, stored: Health) -> Health {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.get(&(workspace, source)).map_or(stored, |counted| after(stored, counted.since))
    }
}

fn after(earlier: Health, later: Health) -> Health {
    match later.last_success {
        Some(_) => later,
        None => Health {
            last_success: earlier.last_success,
            error_streak: earlier.error_streak.saturating_add(later.error_streak),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: WorkspaceId = WorkspaceId(1);
    const SOURCE: SourceId = SourceId(1);

    #[test]
    fn a_streak_grows_over_writes_and_ends_with_a_success() {
        let heard = Heard::default();
        let second = |n: u64| Micros(0).plus(Duration::from_secs(n));
        let mut stored = Health::default();
        let mut note = |ended, now| {
            if let Some(counted) = heard.count(WORKSPACE, SOURCE, ended, now) {
                stored = after(stored, counted);
            }
            (stored, heard.with(WORKSPACE, SOURCE, stored))
        };
        assert_eq!(note(Ended::Badly, second(1)).1.error_streak, 1);
        let (stored, known) = note(Ended::Badly, second(2));
        assert_eq!((stored.error_streak, known.error_streak), (1, 2), "within the minute only memory knows");
        assert_eq!(note(Ended::Badly, second(61)).0.error_streak, 3, "then it is written down");
        let (stored, known) = note(Ended::Well, second(62));
        assert_eq!((stored.error_streak, known.error_streak), (3, 0));
        assert_eq!(known.last_success, Some(second(62)));
        assert_eq!(note(Ended::Badly, second(63)).1, Health { last_success: Some(second(62)), error_streak: 1 });
        let (stored, _) = note(Ended::Badly, second(130));
        assert_eq!(stored, Health { last_success: Some(second(62)), error_streak: 2 });
    }

    #[test]
    fn what_could_not_be_written_counts_again() {
        let heard = Heard::default();
        let counted = heard.count(WORKSPACE, SOURCE, Ended::Badly, Micros(1)).unwrap();
        heard.count(WORKSPACE, SOURCE, Ended::Badly, Micros(2));
        heard.put_back(WORKSPACE, SOURCE, counted);
        assert_eq!(heard.with(WORKSPACE, SOURCE, Health::default()).error_streak, 2);
    }
}
