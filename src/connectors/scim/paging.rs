//! Lists by index (RFC 7644 section 3.4.2.4) and by cursor (RFC 9865), read leniently.

use std::fmt;

use serde_json::Value;

use super::{Object, Session};
use crate::engine::connector::{Failure, FailureClass};

/// Asked for at once.
pub(super) const COUNT: usize = 100;
/// No list of people goes on longer; an app that ignores `startIndex` would never end otherwise.
const LONGEST: usize = 1_000_000;

/// Where a page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cursor {
    /// 1-based.
    Index(usize),
    /// The app's own word; empty for the first page.
    Opaque(String),
}

impl Cursor {
    /// Read what [`fmt::Display`] wrote.
    pub(super) fn read(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("i", index) => index.parse().ok().map(Self::Index),
            ("c", cursor) => Some(Self::Opaque(cursor.to_owned())),
            _ => None,
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "i:{index}"),
            Self::Opaque(cursor) => write!(f, "c:{cursor}"),
        }
    }
}

/// One page of resources.
#[derive(Debug)]
pub(super) struct Resources {
    pub(super) resources: Vec<Object>,
    pub(super) total: Option<u64>,
    pub(super) next: Option<Cursor>,
}

impl Session<'_> {
    /// Where a list of this app begins.
    pub(super) async fn first_page(&self) -> Result<Cursor, Failure> {
        let features = self.features().await?;
        Ok(if features.cursor_only { Cursor::Opaque(String::new()) } else { Cursor::Index(1) })
    }

    /// One page of an endpoint.
    pub(super) async fn page(&self, endpoint: &str, from: Cursor, count: usize) -> Result<Resources, Failure> {
        let count = count.min(self.features().await?.page).to_string();
        let body = match &from {
            Cursor::Index(index) => {
                let index = index.to_string();
                self.wire.get(&[endpoint], &[("startIndex", &index), ("count", &count)]).await?
            }
            Cursor::Opaque(cursor) => self.wire.get(&[endpoint], &[("cursor", cursor), ("count", &count)]).await?,
        };
        read(body, &from)
    }
}

/// Read a ListResponse. Anything that is not one is a failure, never an empty list: an empty list
/// means "nobody is there", and people would be created or taken for removed by it.
pub(super) fn read(body: Value, from: &Cursor) -> Result<Resources, Failure> {
    let Value::Object(mut body) = body else { return Err(not_a_list()) };
    let total = body.get("totalResults").and_then(Value::as_u64);
    let list = body.remove("Resources").or_else(|| body.remove("resources"));
    let resources: Vec<Object> = match list {
        Some(Value::Array(list)) => list
            .into_iter()
            .filter_map(|resource| match resource {
                Value::Object(resource) => Some(resource),
                _ => None,
            })
            .collect(),
        Some(Value::Null) | None if total.is_some() => Vec::new(),
        Some(_) | None => return Err(not_a_list()),
    };
    let next = match body.get("nextCursor").and_then(Value::as_str).filter(|cursor| !cursor.is_empty()) {
        Some(cursor) => Some(Cursor::Opaque(cursor.to_owned())),
        None => match from {
            Cursor::Opaque(_) => None,
            Cursor::Index(start) => following(*start, resources.len(), total),
        },
    };
    if matches!(next, Some(Cursor::Index(index)) if index > LONGEST) {
        return Err(Failure::new(FailureClass::Invalid, "the app's list does not end"));
    }
    Ok(Resources { resources, total, next })
}

/// The page after one of `seen` rows: none when it was empty or the total is reached.
fn following(start: usize, seen: usize, total: Option<u64>) -> Option<Cursor> {
    let next = start.saturating_add(seen);
    let more = seen > 0 && total.is_none_or(|total| u64::try_from(next).is_ok_and(|next| next <= total));
    more.then_some(Cursor::Index(next))
}

fn not_a_list() -> Failure {
    Failure::new(FailureClass::Transient, "the app answered a search with something that is not a list")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn next(body: Value, from: &Cursor) -> Option<String> {
        read(body, from).unwrap().next.map(|n| n.to_string())
    }

    #[test]
    fn pages_follow_what_came_not_what_was_announced() {
        let one = Cursor::Index(1);
        let page = json!({"totalResults": 5, "itemsPerPage": 100, "Resources": [{}, {}]});
        assert_eq!(next(page, &one).as_deref(), Some("i:3"));
        assert_eq!(next(json!({"totalResults": 2, "Resources": [{}, {}]}), &one), None);
        assert_eq!(next(json!({"totalResults": 9, "Resources": []}), &one), None);
        assert_eq!(next(json!({"totalResults": 0}), &one), None);
        assert_eq!(next(json!({"totalResults": 0, "Resources": null}), &one), None);
        assert_eq!(next(json!({"resources": [{}]}), &one).as_deref(), Some("i:2"));
        assert_eq!(next(json!({"Resources": [{}], "nextCursor": "x:y"}), &one).as_deref(), Some("c:x:y"));
        assert_eq!(next(json!({"Resources": [{}], "totalResults": 9}), &Cursor::Opaque(String::from("a"))), None);
        assert_eq!(Cursor::read("c:x:y"), Some(Cursor::Opaque(String::from("x:y"))));
        assert_eq!(Cursor::read("7"), None);
    }

    #[test]
    fn something_else_is_not_an_empty_list() {
        for body in [json!({}), json!({"detail": "x"}), json!({"Resources": "none", "totalResults": 0}), json!([])] {
            assert!(read(body.clone(), &Cursor::Index(1)).is_err(), "{body}");
        }
    }
}
