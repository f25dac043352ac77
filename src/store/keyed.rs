//! Lists of keys in PostgreSQL's statements. Its planner believes that a workspace, or a hub, that its
//! statistics do not know has one row, and that reading all of it is then as cheap as looking one key
//! up: with a list it reads a hub of 20,000 members for every batch, once for each key at worst. So the
//! workspace comes with each key, as a value that is not known when the statement is planned, and what
//! is looked up by a list is planned anew each time.

/// The arrays at these places, one column of this name for each, as the rows `k`; `$1` is the workspace,
/// which is `k.workspace`.
pub(super) fn keys(columns: &[(&str, usize)]) -> String {
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    let arrays: Vec<_> = columns.iter().map(|(_, at)| format!("${at}")).collect();
    format!("(SELECT $1 AS workspace, u.* FROM unnest({}) AS u ({}) OFFSET 0) k", arrays.join(", "), names.join(", "))
}

/// All columns of the rows of `table` that each key of the list has, as `m` in `wanted`: one search of an
/// index for each key, whatever the planner believes.
pub(super) fn rows_of(table: &str, columns: &[(&str, usize)], wanted: &str) -> String {
    let keys = keys(columns);
    format!(
        "SELECT m.* FROM {keys} CROSS JOIN LATERAL \
         (SELECT * FROM {table} m WHERE m.workspace = k.workspace AND {wanted} OFFSET 0) m"
    )
}

/// That a row is of this key and this hub, as a condition that only an index with both, the key first,
/// answers: an index that begins with the hub cannot.
pub(super) fn in_hub(column: &str, key: &str, hub: &str) -> String {
    within(column, key, ("hub_id", hub))
}

/// [`in_hub`] for anything that keys are looked up in: its column and which one it is.
pub(super) fn within(column: &str, key: &str, (of, which): (&str, &str)) -> String {
    format!(
        "m.{column} = {key} AND (m.{column}, m.{of}) >= ({key}, {which}) AND (m.{column}, m.{of}) <= ({key}, {which})"
    )
}
