//! Lists of the API page by cursor: `?limit=&cursor=`, and `next` in the reply while there is more.

use serde::{Deserialize, Serialize};

use super::ServiceError;
use crate::base::limits;

/// The form of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Pages of JSON.
    Json,
    /// All of it as CSV; a limit is the size of the steps it is read in.
    Csv,
}

/// What a client asks for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageRequest {
    /// Items on the page; 50 unless told, 200 at most.
    pub limit: Option<usize>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

impl PageRequest {
    /// Items to give, from 1 to [`limits::PAGE`].
    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(50).clamp(1, limits::PAGE)
    }

    /// The id to go on after.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] when the cursor is not one of ours.
    pub fn after<Id: std::str::FromStr>(&self) -> Result<Option<Id>, ServiceError> {
        let bad = |_| ServiceError::Invalid(String::from("the cursor is not one that this server gave"));
        self.cursor.as_deref().map(str::parse).transpose().map_err(bad)
    }
}

/// One page.
#[derive(Clone, Debug, Serialize)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Cut a page of `limit` from `found`, which was asked for one item more; `key` names an item.
    pub fn cut(mut found: Vec<T>, limit: usize, key: impl Fn(&T) -> String) -> Self {
        let more = found.len() > limit;
        found.truncate(limit);
        let next = if more { found.last().map(key) } else { None };
        Self { items: found, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_page_has_no_next() {
        let page = Page::cut(vec![1, 2, 3], 2, ToString::to_string);
        assert_eq!((page.items, page.next), (vec![1, 2], Some(String::from("2"))));
        let page = Page::cut(vec![3], 2, ToString::to_string);
        assert_eq!((page.items, page.next), (vec![3], None));
    }
}
