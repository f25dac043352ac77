//! A list of ids as one bound parameter, so that set-based statements have a fixed text on both
//! databases and never meet the limit on the number of parameters.

use super::conn::DbConn;

/// A statement with `$1`-style parameters in the form this database counts by number: SQLite would
/// count `$1` by its first appearance, and look for it among all that came before it.
pub fn numbered(conn: &DbConn, text: &str) -> String {
    match conn {
        DbConn::Sqlite(_) => text.replace('$', "?"),
        DbConn::Postgres(_) => text.to_owned(),
    }
}

/// The JSON text to bind where [`table`] reads its parameter: `["<32 hex digits>", …]`.
pub fn json(ids: impl IntoIterator<Item = uuid::Uuid>) -> String {
    let mut text = String::from("[");
    for id in ids {
        if text.len() > 1 {
            text.push(',');
        }
        text.push('"');
        text.push_str(id.simple().encode_lower(&mut uuid::Uuid::encode_buffer()));
        text.push('"');
    }
    text.push(']');
    text
}

/// A sub-select with one column `id` over the list bound as parameter `n`.
pub fn table(conn: &DbConn, n: u8) -> String {
    match conn {
        DbConn::Sqlite(_) => format!("(SELECT unhex(value) AS id FROM json_each(${n}))"),
        DbConn::Postgres(_) => {
            format!("(SELECT decode(t.v, 'hex') AS id FROM json_array_elements_text(${n}::json) AS t(v))")
        }
    }
}

/// Lists up to this length are taken one id at a time.
const FEW: usize = 8;

/// How to split a list over statements that use [`one_of`]: a few ids one by one, more at once.
///
/// PostgreSQL takes "is one of a list" for the last column of a key as a filter, and reads the
/// whole group, whenever its statistics call the group small or are missing. An equality on the
/// whole key is always a search, and one or a few members at a time is what must stay cheap.
pub fn parts<T>(ids: &[T]) -> std::slice::Chunks<'_, T> {
    ids.chunks(if ids.len() <= FEW { 1 } else { ids.len().max(1) })
}

/// The condition "is in the list of `length` ids bound as parameter `n`", to follow a column's name.
pub fn one_of(conn: &DbConn, n: u8, length: usize) -> String {
    match (conn, length) {
        (DbConn::Sqlite(_), _) => format!("IN (SELECT unhex(value) FROM json_each(${n}))"),
        (DbConn::Postgres(_), 1) => format!("= (SELECT decode(${n}::json ->> 0, 'hex'))"),
        (DbConn::Postgres(_), _) => {
            format!("= ANY (ARRAY (SELECT decode(t.v, 'hex') FROM json_array_elements_text(${n}::json) AS t(v)))")
        }
    }
}

/// The same for texts.
pub fn one_of_texts(conn: &DbConn, n: u8, length: usize) -> String {
    match (conn, length) {
        (DbConn::Sqlite(_), _) => format!("IN (SELECT value FROM json_each(${n}))"),
        (DbConn::Postgres(_), 1) => format!("= (SELECT ${n}::json ->> 0)"),
        (DbConn::Postgres(_), _) => {
            format!("= ANY (ARRAY (SELECT t.v FROM json_array_elements_text(${n}::json) AS t(v)))")
        }
    }
}

/// The JSON text of a list of values for [`texts`].
pub fn json_texts<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    serde_json::Value::Array(values.into_iter().map(serde_json::Value::from).collect()).to_string()
}

/// A sub-select with one column `value` over a list of texts bound as parameter `n`.
pub fn texts(conn: &DbConn, n: u8) -> String {
    match conn {
        DbConn::Sqlite(_) => format!("(SELECT value FROM json_each(${n}))"),
        DbConn::Postgres(_) => format!("(SELECT t.v AS value FROM json_array_elements_text(${n}::json) AS t(v))"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_json() {
        assert_eq!(json([]), "[]");
        let id = uuid::Uuid::from_u128(0xab);
        assert_eq!(json([id, id]), format!("[\"{0}\",\"{0}\"]", "000000000000000000000000000000ab"));
        assert_eq!(json_texts(["a\"b", "ä"]), "[\"a\\\"b\",\"ä\"]");
    }
}
