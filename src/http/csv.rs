//! Lists as CSV (RFC 4180), page after page as the client reads, so that a list of any length costs
//! one page of memory.

use std::future::Future;

use actix_web::http::header::{self, ContentDisposition, DispositionParam, DispositionType};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use serde::Serialize;
use serde_json::Value;

use crate::service::ServiceError;
use crate::service::page::{Format, Page};

/// CSV's media type (RFC 7111).
const CSV: &str = "text/csv; charset=utf-8";
/// The end of a line.
const END: &str = "\r\n";

/// Columns of an access report.
pub const REPORT: [&str; 14] = [
    "person",
    "user",
    "hub",
    "role",
    "assets",
    "from",
    "to",
    "left",
    "from_cause",
    "to_cause",
    "from_task",
    "to_task",
    "evidence",
    "id",
];

/// Columns of the activity record.
pub const RECORD: [&str; 12] =
    ["id", "at", "kind", "actor", "target", "hub", "user", "task", "request_id", "detail", "personal", "not_ours"];

/// Whether the client wants CSV: by `format`, else by `Accept`.
pub fn wanted(request: &HttpRequest, format: Option<Format>) -> bool {
    let accept = || request.headers().get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
    match format {
        Some(Format::Csv) => true,
        Some(Format::Json) => false,
        None => accept()
            .flat_map(|value| value.split(','))
            .any(|range| range.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case("text/csv"))),
    }
}

/// A file `name` with these columns: `first`, and what `next` gives for each cursor. A column is a
/// member of the item's JSON, a dot goes one deeper. When a later page fails the connection breaks
/// off, so that nobody takes a part for the whole.
pub fn reply<T, F, P>(name: &str, columns: &'static [&'static str], first: Page<T>, next: F) -> HttpResponse
where
    T: Serialize + 'static,
    F: Fn(String) -> P + 'static,
    P: Future<Output = Result<Page<T>, ServiceError>>,
{
    enum At<T> {
        Page(Page<T>),
        Cursor(String),
        End,
    }
    let rows =
        stream::unfold((At::Page(first), next, Some(head(columns) + END)), move |(at, next, first_line)| async move {
            let page = match at {
                At::Page(page) => page,
                At::Cursor(cursor) => match next(cursor).await {
                    Ok(page) => page,
                    Err(error) => {
                        tracing::error!(%error, "a list could not be written to its end");
                        return Some((Err(error), (At::End, next, None)));
                    }
                },
                At::End => return None,
            };
            let mut text = first_line.unwrap_or_default();
            for item in &page.items {
                let item = serde_json::to_value(item).unwrap_or(Value::Null);
                text.push_str(&row(&item, columns));
                text.push_str(END);
            }
            let then = page.next.map_or(At::End, At::Cursor);
            Some((Ok::<_, ServiceError>(Bytes::from(text)), (then, next, None)))
        });
    let disposition = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename(format!("{name}.csv"))],
    };
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, CSV)).insert_header(disposition).streaming(rows)
}

/// The first line, without its end.
pub fn head(columns: &[&str]) -> String {
    line(columns.iter().map(|column| (*column).to_owned()))
}

/// An item's line, without its end.
pub fn row(item: &Value, columns: &[&str]) -> String {
    line(columns.iter().map(|column| cell(item, column)))
}

fn cell(item: &Value, column: &str) -> String {
    let mut value = item;
    for name in column.split('.') {
        let Some(found) = value.get(name) else { return String::new() };
        value = found;
    }
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => other.to_string(),
    }
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            text.push(',');
        }
        field(&mut text, &cell);
    }
    text
}

/// A spreadsheet takes text that begins like a formula for one; the apostrophe makes it text again.
fn field(text: &mut String, cell: &str) {
    let guarded = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    let quoted = guarded || cell.contains(['"', ',', '\n', '\r', ';']) || cell.trim() != cell;
    if quoted {
        text.push('"');
    }
    if guarded {
        text.push('\'');
    }
    for c in cell.chars() {
        if c == '"' {
            text.push('"');
        }
        text.push(c);
    }
    if quoted {
        text.push('"');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cell_is_never_a_formula_nor_two_cells() {
        for (cell, written) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "\"'=1+1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("\t=1", "\"'\t=1\""),
            ("a;=1", "\"a;=1\""),
            ("", ""),
        ] {
            let mut text = String::new();
            field(&mut text, cell);
            assert_eq!(text, written, "{cell:?}");
        }
    }

    #[test]
    fn a_column_goes_into_an_item() {
        let item = json!({"a": {"b": "x"}, "n": 3, "list": [1], "none": null});
        for (column, expected) in [("a.b", "x"), ("n", "3"), ("list", "[1]"), ("none", ""), ("a.c", ""), ("z", "")] {
            assert_eq!(cell(&item, column), expected, "{column}");
        }
    }
}
