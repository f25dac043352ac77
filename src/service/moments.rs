//! Moments as people give them in a query: RFC 3339, or a day.

use std::time::Duration;

use super::ServiceError;
use super::error::FieldError;
use crate::base::clock::Micros;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Which end of a day a day alone stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    /// Midnight UTC at its beginning.
    Start,
    /// Midnight UTC at its end, so that the day itself is within.
    End,
}

/// Read the query's `field`.
///
/// # Errors
/// [`ServiceError::InvalidFields`] that names the field.
pub(super) fn read(field: &str, text: Option<&str>, edge: Edge) -> Result<Option<Micros>, ServiceError> {
    let Some(text) = text else { return Ok(None) };
    let day = || Micros::parse_rfc3339(&format!("{text}T00:00:00Z")).filter(|_| text.len() == 10);
    let found = Micros::parse_rfc3339(text).or_else(|| {
        day().map(|start| match edge {
            Edge::Start => start,
            Edge::End => start.plus(DAY),
        })
    });
    found.map(Some).ok_or_else(|| {
        let detail = format!("{field} must be a moment like 2026-01-31T12:00:00Z, or a day like 2026-01-31");
        ServiceError::InvalidFields(vec![FieldError { field: field.to_owned(), detail }])
    })
}

/// As [`read`], for what was held or done then: a moment that is still to come is none.
///
/// # Errors
/// [`ServiceError::InvalidFields`] that names the field.
pub(super) fn read_past(
    field: &str,
    text: Option<&str>,
    edge: Edge,
    now: Micros,
) -> Result<Option<Micros>, ServiceError> {
    match read(field, text, edge)? {
        Some(at) if at > now => {
            let detail = format!(
                "{field} is still to come: what will be held then nobody knows; it is {} now",
                now.to_rfc3339()
            );
            Err(ServiceError::InvalidFields(vec![FieldError::new(field, detail)]))
        }
        found => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_its_beginning_or_its_end() {
        let at = |text: &str| Micros::parse_rfc3339(text);
        assert_eq!(read("at", None, Edge::Start).unwrap(), None);
        assert_eq!(read("at", Some("2026-01-31"), Edge::Start).unwrap(), at("2026-01-31T00:00:00Z"));
        assert_eq!(read("to", Some("2026-01-31"), Edge::End).unwrap(), at("2026-02-01T00:00:00Z"));
        let exact = "2026-01-31T12:00:00+02:00";
        assert_eq!(read("to", Some(exact), Edge::End).unwrap(), at("2026-01-31T10:00:00Z"));
        for odd in ["", "yesterday", "2026-13-01", "2026-1-1", "31.01.2026", "2026-01-31T12:00:00"] {
            assert!(matches!(read("from", Some(odd), Edge::Start), Err(ServiceError::InvalidFields(_))), "{odd}");
        }
        let now = at("2026-01-31T12:00:00Z").unwrap();
        assert_eq!(read_past("at", Some("2026-01-31"), Edge::Start, now).unwrap(), at("2026-01-31T00:00:00Z"));
        for later in ["2026-01-31T12:00:01Z", "2026-02-01", "2099-01-01"] {
            let refused = read_past("at", Some(later), Edge::Start, now).unwrap_err();
            assert!(refused.to_string().contains("still to come"), "{later}: {refused}");
        }
    }
}
