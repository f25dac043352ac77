//! Everything a database holds as text: every row of every table, and a SQLite file's raw pages.

use diesel::connection::{Connection, LoadConnection, SimpleConnection as _};
use diesel::deserialize::QueryableByName;
use diesel::query_dsl::LoadQuery;
use diesel::sql_types::Text;
use diesel::{PgConnection, RunQueryDsl as _, SqliteConnection, sql_query};

use super::Database;

/// One text of a row.
#[derive(Debug, diesel::QueryableByName)]
pub struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// Every row of every table, as what may be read with a query.
pub fn rows(database: &Database) -> String {
    match database.url.strip_prefix("sqlite:") {
        Some(file) => {
            let mut conn = SqliteConnection::establish(file).expect("the file opens");
            conn.batch_execute("PRAGMA busy_timeout = 10000;").expect("a pragma");
            on_sqlite(&mut conn)
        }
        None => on_postgres(&mut PgConnection::establish(&database.url).expect("the server answers")),
    }
}

/// Every row of every table, and what else stands in the files. Bytes are in hexadecimal.
pub fn dump(database: &Database) -> String {
    match database.url.strip_prefix("sqlite:") {
        Some(file) => {
            let mut conn = SqliteConnection::establish(file).expect("the file opens");
            conn.batch_execute("PRAGMA busy_timeout = 10000;").expect("a pragma");
            let mut all = on_sqlite(&mut conn);
            // Pages that were given back, and the log.
            for end in ["", "-wal"] {
                let bytes = std::fs::read(format!("{file}{end}")).unwrap_or_default();
                all.push_str(&String::from_utf8_lossy(&bytes));
            }
            all
        }
        None => on_postgres(&mut PgConnection::establish(&database.url).expect("the server answers")),
    }
}

/// The names of all tables.
pub fn tables(database: &Database) -> Vec<String> {
    match database.url.strip_prefix("sqlite:") {
        Some(file) => {
            let mut conn = SqliteConnection::establish(file).expect("the file opens");
            lines(&mut conn, "SELECT name AS line FROM sqlite_master WHERE type = 'table'")
        }
        None => {
            let mut conn = PgConnection::establish(&database.url).expect("the server answers");
            let tables = "SELECT tablename::text AS line FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
            lines(&mut conn, tables)
        }
    }
}

/// What a query that gives one text a row, called `line`, gives.
pub fn lines<C: Connection + LoadConnection>(conn: &mut C, query: &str) -> Vec<String>
where
    Line: QueryableByName<C::Backend>,
    for<'a> diesel::query_builder::SqlQuery: LoadQuery<'a, C, Line>,
{
    sql_query(query).load::<Line>(conn).expect(query).into_iter().map(|line| line.line).collect()
}

fn on_sqlite(conn: &mut SqliteConnection) -> String {
    let mut all = String::new();
    for table in lines(conn, "SELECT name AS line FROM sqlite_master WHERE type = 'table'") {
        let columns = lines(conn, &format!("SELECT name AS line FROM pragma_table_info('{table}')"));
        // As text and, where it is bytes, in hexadecimal.
        let shown: Vec<_> = columns
            .iter()
            .map(|c| format!("CASE typeof(\"{c}\") WHEN 'blob' THEN hex(\"{c}\") ELSE quote(\"{c}\") END"))
            .collect();
        let query = format!("SELECT '{table}: ' || {} AS line FROM \"{table}\"", shown.join(" || ' ' || "));
        all.push_str(&lines(conn, &query).join("\n"));
        all.push('\n');
    }
    all
}

fn on_postgres(conn: &mut PgConnection) -> String {
    let mut all = String::new();
    let tables = "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS line FROM pg_tables \
                  WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
    for table in lines(conn, tables) {
        all.push_str(&lines(conn, &format!("SELECT '{table}: ' || t::text AS line FROM {table} t")).join("\n"));
        all.push('\n');
    }
    all
}
