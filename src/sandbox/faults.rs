//! The switchboard's faults: what should go wrong with which of the next requests.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

/// When the connection breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Break {
    /// Nothing happened.
    Before,
    /// The change happened; the caller never hears of it.
    AfterCommit,
}

/// One fault. `match` is `"POST /Users"`: a method and a piece of the path, both optional.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fault {
    #[serde(rename = "match", default)]
    matches: String,
    /// How many requests it hits; 0 for all that come.
    #[serde(default = "one")]
    times: u32,
    /// Hit each n-th matching request only.
    #[serde(default = "one")]
    every: u32,
    /// Answer this instead of doing anything.
    pub(super) status: Option<u16>,
    /// With this body.
    pub(super) body: Option<Value>,
    /// And these headers.
    #[serde(default)]
    pub(super) headers: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    delay_ms: u64,
    #[serde(default)]
    delay_after_ms: u64,
    /// Break the connection.
    pub(super) drop: Option<Break>,
    #[serde(skip)]
    seen: u32,
}

fn one() -> u32 {
    1
}

impl Fault {
    /// Wait this long before doing anything.
    pub(super) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }

    /// Wait this long after the change, before the answer.
    pub(super) fn delay_after(&self) -> Duration {
        Duration::from_millis(self.delay_after_ms)
    }

    fn hits(&self, method: &str, path: &str) -> bool {
        self.matches
            .split_whitespace()
            .all(|word| if word.bytes().all(|b| b.is_ascii_uppercase()) { word == method } else { path.contains(word) })
    }
}

/// The queue: the first fault that matches is taken.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// Add one fault or a list of them.
    ///
    /// # Errors
    /// What is wrong with the description.
    pub(super) fn add(&mut self, described: &Value) -> Result<(), String> {
        let list = match described {
            Value::Array(list) => list.clone(),
            other => vec![other.clone()],
        };
        let parsed: Result<Vec<Fault>, _> = list.into_iter().map(serde_json::from_value).collect();
        self.0.extend(parsed.map_err(|e| e.to_string())?);
        Ok(())
    }

    /// Forget all of them.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// How many are waiting.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The fault for this request, if any.
    pub(super) fn take(&mut self, method: &str, path: &str) -> Option<Fault> {
        let mut found = None;
        for (at, fault) in self.0.iter_mut().enumerate() {
            if !fault.hits(method, path) {
                continue;
            }
            fault.seen = fault.seen.wrapping_add(1);
            if fault.every > 1 && fault.seen % fault.every != 0 {
                continue;
            }
            let taken = fault.clone();
            if fault.times == 1 {
                found = Some((Some(at), taken));
            } else {
                fault.times = fault.times.saturating_sub(1);
                found = Some((None, taken));
            }
            break;
        }
        let (spent, fault) = found?;
        if let Some(at) = spent {
            self.0.remove(at);
        }
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn faults_are_taken_in_order_and_used_up() {
        let mut faults = Faults::default();
        faults
            .add(&json!([{"match": "POST /Users", "times": 2, "status": 500}, {"match": "/Users", "drop": "after_commit"}]))
            .unwrap();
        assert!(faults.take("GET", "/a/scim/v2/ServiceProviderConfig").is_none());
        assert_eq!(faults.take("POST", "/a/scim/v2/Users").unwrap().status, Some(500));
        assert_eq!(faults.take("GET", "/a/scim/v2/Users").unwrap().drop, Some(Break::AfterCommit));
        assert_eq!(faults.take("POST", "/a/scim/v2/Users").unwrap().status, Some(500));
        assert!(faults.take("POST", "/a/scim/v2/Users").is_none());
        assert!(faults.add(&json!({"mtach": "x"})).is_err());
    }

    #[test]
    fn zero_times_means_always_and_every_skips() {
        let mut faults = Faults::default();
        faults.add(&json!({"times": 0, "every": 3, "status": 503})).unwrap();
        let hits = (0..9).filter(|_| faults.take("GET", "/").is_some()).count();
        assert_eq!(hits, 3);
    }
}
