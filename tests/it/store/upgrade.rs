//! A database of an earlier version, brought up to this one: who was there is there afterwards.

use std::fs;
use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::rows_read::Step;
use crate::support::Database;
use crate::support::dump::lines;

/// The file as the version before `first` left it.
fn before(first: &str, conn: &mut SqliteConnection) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
    let mut all: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    let known = "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, \
         run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)";
    conn.batch_execute(known).unwrap();
    for path in all {
        let name = path.file_name().unwrap().to_str().unwrap();
        if name >= first {
            return;
        }
        let version = name.split('_').next().unwrap();
        let up = fs::read_to_string(path.join("up.sql")).unwrap();
        let noted = format!("INSERT INTO __diesel_schema_migrations (version) VALUES ('{version}')");
        conn.transaction(|conn| conn.batch_execute(&format!("{up};{noted}"))).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    panic!("there is no {first}");
}

/// Users were rows of a tree that branched by them, and came into the order in which they arrived.
#[test]
fn users_keep_every_value_when_their_table_is_made_anew() {
    const EVERYBODY: &str = "SELECT quote(workspace) || quote(id) || quote(source) || quote(user_name) || \
         quote(user_name_key) || quote(display_name_key) || quote(external_id) || quote(active) || \
         quote(deactivated_at) || quote(version) || quote(created_at) || quote(modified_at) || quote(document) || \
         quote(address_taken_at) AS line FROM users ORDER BY workspace, id";
    let database = Database::sqlite();
    let file = database.url.strip_prefix("sqlite:").unwrap();
    let mut conn = SqliteConnection::establish(file).unwrap();
    before("0037_arrival", &mut conn);
    conn.batch_execute(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 3000)
         INSERT INTO users (workspace, id, source, user_name, user_name_key, display_name_key, external_id, active,
            deactivated_at, version, created_at, modified_at, document, address_taken_at)
         SELECT 1 + n % 2, randomblob(16), n % 3, 'Änn ' || n, 'änn ' || n, iif(n % 5, 'ann ''' || n, NULL),
            iif(n % 7, 'ext-' || n, NULL), n % 4 > 0, iif(n % 4, NULL, n), n, n + 1, n + 2,
            json_object('userName', 'Änn ' || n, 'title', hex(zeroblob(n % 600))), iif(n % 11, NULL, n) FROM n;
         INSERT INTO user_emails (workspace, email_key, user_id, type_key)
         SELECT workspace, user_name_key, id, 'work' FROM users",
    )
    .unwrap();
    let (people, mail) = (lines(&mut conn, EVERYBODY), "SELECT hex(user_id) || email_key AS line FROM user_emails");
    let addresses = lines(&mut conn, mail);
    drop(conn);

    drop(database.open());

    let mut conn = SqliteConnection::establish(file).unwrap();
    // The store's writer may still be closing.
    conn.batch_execute("PRAGMA busy_timeout = 10000").unwrap();
    assert_eq!(people.len(), 3000);
    assert!(lines(&mut conn, EVERYBODY) == people, "somebody is another, or gone");
    assert_eq!(lines(&mut conn, mail), addresses);
    assert_eq!(lines(&mut conn, "SELECT integrity_check AS line FROM pragma_integrity_check"), ["ok"]);
    // What the statistics say is what leads there: without them the workspace looks like a good key.
    for (asked, index) in [
        ("id = x'00'", "sqlite_autoindex_users_1 (workspace=? AND id=?)"),
        ("user_name_key = 'a'", "users_user_name (workspace=? AND user_name_key=?)"),
        ("source = 1 AND external_id = 'a'", "users_external_id (workspace=? AND source=? AND external_id=?)"),
        (
            "source = 1 AND display_name_key = 'a'",
            "users_display_name (workspace=? AND source=? AND display_name_key=?)",
        ),
        ("source = 1 AND id > x'00' ORDER BY id", "users_source (workspace=? AND source=? AND id>?)"),
    ] {
        let sql = format!("EXPLAIN QUERY PLAN SELECT document FROM users WHERE workspace = 1 AND {asked}");
        let plan: Vec<String> =
            diesel::sql_query(sql).load::<Step>(&mut conn).unwrap().into_iter().map(|step| step.detail).collect();
        assert_eq!(plan, [format!("SEARCH users USING INDEX {index}")]);
    }
    // Who has a name has it alone, as before.
    let twice = "INSERT INTO users SELECT workspace, randomblob(16), source, user_name, user_name_key, display_name_key, \
         external_id, active, deactivated_at, version, created_at, modified_at, document, address_taken_at \
         FROM users LIMIT 1";
    let refused = conn.batch_execute(twice).unwrap_err().to_string();
    assert!(refused.contains("users.workspace, users.user_name_key"), "{refused}");
}
