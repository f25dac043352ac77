//! What the app can do: what it announces, feature by feature, and what it refused when tried.
//! A missing or odd announcement never switches a feature off by itself (section 6.1).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::Session;
use super::wire::Trouble;
use crate::engine::connector::Failure;

/// An announcement is read again after a day.
const ANNOUNCED_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// A full scan of an app that cannot be searched answers further questions this long.
const PEOPLE_FOR: Duration = Duration::from_secs(60);
/// One 500 is a bad moment, three in a row to the same question are an answer.
const FILTER_CRASHES: u8 = 3;

/// What is used of the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Features {
    /// Whether the app announced anything.
    pub(super) announced: bool,
    pub(super) patch: bool,
    pub(super) filter: bool,
    pub(super) etag: bool,
    /// Only cursors page (RFC 9865).
    pub(super) cursor_only: bool,
    /// The largest page it gives.
    pub(super) page: usize,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            announced: false,
            patch: true,
            filter: true,
            etag: false,
            cursor_only: false,
            page: super::paging::COUNT,
        }
    }
}

/// What earlier attempts at one hub's app found out. Kept in memory: learning again is cheap.
#[derive(Debug, Default)]
pub struct Learned {
    state: Mutex<State>,
    /// Writes to groups one after the other; parallel ones collide (section 6.2).
    pub(super) group_writes: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    announced: Option<(Features, Duration)>,
    no_patch: bool,
    no_put: bool,
    no_filter: bool,
    no_external_id: bool,
    no_delete: bool,
    no_value_path: bool,
    filter_crashes: u8,
    people: Option<(HashMap<String, String>, Duration)>,
    groups: HashMap<String, String>,
}

/// Something an app refuses for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refuses {
    Patch,
    Put,
    Filter,
    /// A filter on `externalId`.
    ExternalId,
    Delete,
    /// `members[value eq "…"]` as a path.
    ValuePath,
}

impl Learned {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remember a refusal.
    pub(super) fn refuses(&self, what: Refuses) {
        let mut state = self.state();
        match what {
            Refuses::Patch => state.no_patch = true,
            Refuses::Put => state.no_put = true,
            Refuses::Filter => state.no_filter = true,
            Refuses::ExternalId => state.no_external_id = true,
            Refuses::Delete => state.no_delete = true,
            Refuses::ValuePath => state.no_value_path = true,
        }
    }

    /// Whether a refusal is remembered.
    pub(super) fn knows(&self, what: Refuses) -> bool {
        let state = self.state();
        match what {
            Refuses::Patch => state.no_patch,
            Refuses::Put => state.no_put,
            Refuses::Filter => state.no_filter,
            Refuses::ExternalId => state.no_external_id,
            Refuses::Delete => state.no_delete,
            Refuses::ValuePath => state.no_value_path,
        }
    }

    /// A filter was answered with 500; whether that is now taken as "no filter".
    pub(super) fn filter_crashed(&self) -> bool {
        let mut state = self.state();
        state.filter_crashes = state.filter_crashes.saturating_add(1);
        state.no_filter |= state.filter_crashes >= FILTER_CRASHES;
        state.no_filter
    }

    /// A filter was answered.
    pub(super) fn filter_works(&self) {
        self.state().filter_crashes = 0;
    }

    /// The id of this person from a scan that is not old; `Some(None)` when the scan had nobody.
    pub(super) fn person(&self, key: &str, now: Duration) -> Option<Option<String>> {
        let state = self.state();
        let (people, at) = state.people.as_ref()?;
        (now.saturating_sub(*at) < PEOPLE_FOR).then(|| people.get(key).cloned())
    }

    /// Keep a complete scan.
    pub(super) fn keep_people(&self, people: HashMap<String, String>, now: Duration) {
        self.state().people = Some((people, now));
    }

    /// Add one person to the kept scan, or take one out.
    pub(super) fn note_person(&self, key: String, id: Option<&str>) {
        if let Some((people, _)) = self.state().people.as_mut() {
            match id {
                Some(id) => people.insert(key, id.to_owned()),
                None => people.remove(&key),
            };
        }
    }

    /// Drop the kept scan: something may have happened that it does not show.
    pub(super) fn forget_people(&self) {
        self.state().people = None;
    }

    /// The id of a group found before.
    pub(super) fn group(&self, name: &str) -> Option<String> {
        self.state().groups.get(name).cloned()
    }

    /// Keep or drop a group's id.
    pub(super) fn note_group(&self, name: &str, id: Option<&str>) {
        let mut state = self.state();
        match id {
            Some(id) => state.groups.insert(name.to_owned(), id.to_owned()),
            None => state.groups.remove(name),
        };
    }
}

impl Session<'_> {
    /// What to use of the app: announced, less what it refused.
    pub(super) async fn features(&self) -> Result<Features, Failure> {
        let now = self.wire.now();
        let kept = self.learned.state().announced;
        let announced = match kept {
            Some((features, at)) if now.saturating_sub(at) < ANNOUNCED_FOR => features,
            Some(_) | None => {
                let features = self.ask().await?;
                self.learned.state().announced = Some((features, now));
                features
            }
        };
        Ok(Features {
            patch: announced.patch && !self.learned.knows(Refuses::Patch),
            filter: announced.filter && !self.learned.knows(Refuses::Filter),
            ..announced
        })
    }

    async fn ask(&self) -> Result<Features, Failure> {
        match self.wire.get(&["ServiceProviderConfig"], &[]).await {
            Ok(config) => Ok(read(&config)),
            // The credential is broken for everything, and a limit holds for everything.
            Err(Trouble::Refused(refusal)) if matches!(refusal.status, 401 | 429) => Err(refusal.failure),
            Err(Trouble::Refused(_)) => Ok(Features::default()),
            Err(Trouble::Failed(failure)) if failure.detail.contains("not SCIM") => Ok(Features::default()),
            Err(Trouble::Failed(failure)) => Err(failure),
        }
    }
}

/// Each feature by itself: one odd or missing part must not hide the others.
fn read(config: &Value) -> Features {
    let flag = |feature: &str, part: &str| {
        let value = config.get(feature)?.get(part)?;
        value.as_bool().or_else(|| value.as_str().and_then(|text| text.to_ascii_lowercase().parse().ok()))
    };
    let fallback = Features::default();
    let page = config.get("filter").and_then(|f| f.get("maxResults")).and_then(Value::as_u64);
    let page = page.and_then(|p| usize::try_from(p).ok()).filter(|p| *p > 0).unwrap_or(fallback.page);
    Features {
        announced: true,
        patch: flag("patch", "supported").unwrap_or(fallback.patch),
        filter: flag("filter", "supported").unwrap_or(fallback.filter),
        etag: flag("etag", "supported").unwrap_or(fallback.etag),
        cursor_only: flag("pagination", "cursor") == Some(true) && flag("pagination", "index") == Some(false),
        page: page.min(fallback.page),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_odd_feature_does_not_hide_the_others() {
        let read = read(&json!({"patch": {"supported": false}, "bulk": "yes", "filter": {"maxResults": "many"}}));
        assert_eq!(read, Features { announced: true, patch: false, ..Features::default() });
    }

    #[test]
    fn flags_may_be_text_and_pages_have_a_limit() {
        let read = read(&json!({
            "filter": {"supported": "False", "maxResults": 50},
            "etag": {"supported": true},
            "pagination": {"cursor": true, "index": false},
        }));
        let wanted = Features { announced: true, patch: true, filter: false, etag: true, cursor_only: true, page: 50 };
        assert_eq!(read, wanted);
    }

    #[test]
    fn three_crashes_in_a_row_mean_no_filter() {
        let learned = Learned::default();
        assert!(!learned.filter_crashed());
        learned.filter_works();
        assert!(!learned.filter_crashed());
        assert!(!learned.filter_crashed());
        assert!(learned.filter_crashed());
        assert!(learned.knows(Refuses::Filter));
    }
}
