//! Both databases get the same tables from their own migrations, and `schema.rs` says the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use scimhub::store::{Store, StoreError, dialect};

use crate::support::Database;

/// Table -> columns in order: name, type in schema.rs's words, null or not.
type Tables = BTreeMap<String, Vec<(String, String, bool)>>;
/// Index name -> table, unique or not, columns in order, condition or not.
type Indexes = BTreeMap<String, (String, bool, Vec<String>, bool)>;

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    column_name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Bool)]
    nullable: bool,
}

#[derive(QueryableByName)]
struct Index {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    index_name: String,
    #[diesel(sql_type = Text)]
    column_name: String,
    #[diesel(sql_type = Bool)]
    is_unique: bool,
    #[diesel(sql_type = Bool)]
    partial: bool,
}

const SQLITE_COLUMNS: &str =
    "SELECT m.name AS table_name, c.name AS column_name, c.type AS kind, c.\"notnull\" = 0 AS nullable
     FROM sqlite_master m JOIN pragma_table_info(m.name) c
     WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> '__diesel_schema_migrations'
     ORDER BY m.name, c.cid";
const POSTGRES_COLUMNS: &str =
    "SELECT c.table_name::text, c.column_name::text, c.data_type::text AS kind, c.is_nullable = 'YES' AS nullable
     FROM information_schema.columns c
     WHERE c.table_schema = 'public' AND c.table_name <> '__diesel_schema_migrations'
     ORDER BY c.table_name, c.ordinal_position";
/// SQLite's indexes of its own making get the names PostgreSQL gives.
const SQLITE_INDEXES: &str =
    "SELECT m.name AS table_name, i.\"unique\" AS is_unique, i.partial AS partial, k.name AS column_name,
            CASE i.origin WHEN 'pk' THEN m.name || '_pkey'
                          WHEN 'u' THEN m.name || '_' || (SELECT group_concat(name, '_') FROM pragma_index_info(i.name)) || '_key'
                          ELSE i.name END AS index_name
     FROM sqlite_master m JOIN pragma_index_list(m.name) i JOIN pragma_index_info(i.name) k
     WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> '__diesel_schema_migrations'
     ORDER BY i.name, k.seqno";
const POSTGRES_INDEXES: &str =
    "SELECT t.relname::text AS table_name, i.relname::text AS index_name, x.indisunique AS is_unique,
            x.indpred IS NOT NULL AS partial, a.attname::text AS column_name
     FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
     JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = 'public'
     JOIN LATERAL unnest(x.indkey) WITH ORDINALITY AS k (attnum, at) ON TRUE
     JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum
     WHERE t.relname <> '__diesel_schema_migrations'
     ORDER BY i.relname, k.at";

/// The databases' words for a type, in schema.rs's.
fn diesel_type(kind: &str) -> &'static str {
    match kind.to_lowercase().as_str() {
        "text" => "Text",
        "blob" | "bytea" => "Binary",
        "bigint" => "BigInt",
        "integer" => "Integer",
        "smallint" => "SmallInt",
        "boolean" => "Bool",
        "double precision" => "Double",
        other => panic!("a type the other database may not have: {other}"),
    }
}

fn tables(rows: Vec<Column>) -> Tables {
    let mut found = Tables::new();
    for row in rows {
        let column = (row.column_name, diesel_type(&row.kind).to_owned(), row.nullable);
        found.entry(row.table_name).or_default().push(column);
    }
    found
}

fn indexes(rows: Vec<Index>) -> Indexes {
    let mut found = Indexes::new();
    for row in rows {
        let index = found.entry(row.index_name).or_insert((row.table_name, row.is_unique, Vec::new(), row.partial));
        index.2.push(row.column_name);
    }
    found
}

fn of_sqlite(database: &Database) -> (Tables, Indexes) {
    let file = database.url.strip_prefix("sqlite:").unwrap();
    let mut conn = SqliteConnection::establish(file).unwrap();
    let columns = diesel::sql_query(SQLITE_COLUMNS).load(&mut conn).unwrap();
    (tables(columns), indexes(diesel::sql_query(SQLITE_INDEXES).load(&mut conn).unwrap()))
}

fn of_postgres(database: &Database) -> (Tables, Indexes) {
    let mut conn = PgConnection::establish(&database.url).unwrap();
    let columns = diesel::sql_query(POSTGRES_COLUMNS).load(&mut conn).unwrap();
    (tables(columns), indexes(diesel::sql_query(POSTGRES_INDEXES).load(&mut conn).unwrap()))
}

/// `schema.rs`, read as text.
fn of_schema() -> Tables {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/schema.rs")).unwrap();
    let mut found = Tables::new();
    for part in text.split("diesel::table! {").skip(1) {
        let part = part.split("\n}").next().unwrap();
        let table = part.trim().split(' ').next().unwrap().to_owned();
        let columns = part.lines().filter_map(|line| line.trim().trim_end_matches(',').split_once(" -> "));
        let columns = columns.map(|(name, kind)| {
            let inner = kind.strip_prefix("Nullable<").map(|k| k.trim_end_matches('>'));
            (name.to_owned(), inner.unwrap_or(kind).to_owned(), inner.is_some())
        });
        found.insert(table, columns.collect());
    }
    found
}

#[test]
fn the_two_folders_have_the_same_migrations() {
    let names = |kind: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(kind);
        let found = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        found.collect::<BTreeSet<_>>()
    };
    assert_eq!(names("sqlite"), names("postgres"));
}

#[test]
fn both_databases_and_the_schema_have_the_same_tables() {
    let sqlite = Database::sqlite();
    let _open = sqlite.open();
    let (lite_tables, lite_indexes) = of_sqlite(&sqlite);
    assert_eq!(lite_tables, of_schema(), "SQLite on the left, schema.rs on the right");
    let Some(postgres) = Database::postgres() else { return };
    drop(postgres.open());
    let (pg_tables, pg_indexes) = of_postgres(&postgres);
    assert_eq!(pg_tables, of_schema(), "PostgreSQL on the left, schema.rs on the right");
    let only = |a: &Indexes, b: &Indexes| {
        a.iter().filter(|(k, v)| b.get(*k) != Some(v)).map(|x| format!("{x:?}")).collect::<Vec<_>>()
    };
    assert_eq!(
        lite_indexes,
        pg_indexes,
        "only SQLite: {:?}; only PostgreSQL: {:?}",
        only(&lite_indexes, &pg_indexes),
        only(&pg_indexes, &lite_indexes)
    );
    for (name, (table, unique, columns, _)) in &lite_indexes {
        if *unique {
            let columns: Vec<_> = columns.iter().map(|column| format!("{table}.{column}")).collect();
            let message = format!("UNIQUE constraint failed: {}", columns.join(", "));
            assert_eq!(dialect::sqlite::index_of(&message), *name, "see UNIQUE in src/store/dialect/sqlite.rs");
        }
    }
}

#[test]
fn a_database_of_a_newer_version_is_refused() {
    for database in crate::support::databases() {
        drop(database.open());
        let add = "INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')";
        match database.url.strip_prefix("sqlite:") {
            // The store's writer may still be closing.
            Some(file) => SqliteConnection::establish(file)
                .unwrap()
                .batch_execute(&format!("PRAGMA busy_timeout = 10000; {add}"))
                .unwrap(),
            None => PgConnection::establish(&database.url).unwrap().batch_execute(add).unwrap(),
        }
        let error = Store::open_with(database.config()).err().unwrap();
        assert!(
            matches!(&error, StoreError::Refused(text) if text.contains("newer") && text.contains("9999")),
            "{error:?}"
        );
    }
}

/// Columns that are joined: with another order the key of one could not answer for the other, and the
/// second sync of a hub of 50,000 would compare each of its members with all that are listed.
#[test]
fn texts_that_are_joined_have_the_same_order_on_postgresql() {
    const ORDERS: &str = "SELECT o.collname::text AS table_name, c.relname || '.' || a.attname AS index_name, \
         '' AS column_name, FALSE AS is_unique, FALSE AS partial \
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_collation o ON o.oid = a.attcollation \
         WHERE c.oid IN ('sync_seen'::regclass, 'hub_members'::regclass) AND a.attname = 'remote_id'";
    let Some(database) = Database::postgres() else { return };
    drop(database.open());
    let mut conn = PgConnection::establish(&database.url).unwrap();
    let orders: Vec<Index> = diesel::sql_query(ORDERS).load(&mut conn).unwrap();
    let found: BTreeMap<_, _> = orders.into_iter().map(|row| (row.index_name, row.table_name)).collect();
    let bytes = |column: &str| (column.to_owned(), "C".to_owned());
    assert_eq!(found, BTreeMap::from([bytes("hub_members.remote_id"), bytes("sync_seen.remote_id")]));
}
