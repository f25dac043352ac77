//! Bare SQLite: WAL with `synchronous=FULL`, prepared statements, many rows to a commit.

use std::path::Path;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::{Binary, Text};

diesel::table! {
    items (id) {
        id -> Binary,
        name -> Text,
        external -> Text,
        email -> Text,
        body -> Text,
    }
}

diesel::table! {
    jobs (id) {
        id -> Binary,
        state -> Integer,
        attempt -> Integer,
        body -> Text,
    }
}

fn open(folder: &Path, name: &str) -> anyhow::Result<SqliteConnection> {
    let file = folder.join(name);
    let _ = std::fs::remove_file(&file);
    let mut conn = SqliteConnection::establish(&file.to_string_lossy())?;
    conn.batch_execute(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -16384; \
         PRAGMA wal_autocheckpoint = 4000; PRAGMA temp_store = MEMORY;",
    )?;
    Ok(conn)
}

fn id(number: usize) -> Vec<u8> {
    // In order, as a UUIDv7 is.
    [&number.to_be_bytes()[..], &[7u8; 8]].concat()
}

/// **I64**: rows of one kilobyte with three indexes, 64 to a commit; rows a second.
pub fn inserts(folder: &Path, span: Duration) -> anyhow::Result<f64> {
    let mut conn = open(folder, "inserts.db")?;
    conn.batch_execute(
        "CREATE TABLE items (id BLOB NOT NULL PRIMARY KEY, name TEXT NOT NULL, external TEXT NOT NULL, \
         email TEXT NOT NULL, body TEXT NOT NULL) WITHOUT ROWID; \
         CREATE UNIQUE INDEX items_name ON items (name); CREATE INDEX items_external ON items (external); \
         CREATE INDEX items_email ON items (email);",
    )?;
    let body = "x".repeat(1_024);
    let (began, mut rows) = (Instant::now(), 0usize);
    while began.elapsed() < span {
        conn.immediate_transaction::<_, diesel::result::Error, _>(|conn| {
            for _ in 0..64 {
                rows += 1;
                diesel::insert_into(items::table)
                    .values((
                        items::id.eq(id(rows)),
                        items::name.eq(format!("p{rows}@example.com")),
                        items::external.eq(format!("ext-{rows}")),
                        items::email.eq(format!("p{rows}@example.com")),
                        items::body.eq(&body),
                    ))
                    .execute(conn)?;
            }
            Ok(())
        })?;
    }
    Ok(rows as f64 / began.elapsed().as_secs_f64())
}

#[derive(QueryableByName)]
struct Job {
    #[diesel(sql_type = Binary)]
    id: Vec<u8>,
    #[diesel(sql_type = Text)]
    _body: String,
}

/// A queue alone: claim 50 and commit, complete 50 and commit; jobs a second.
pub fn jobs(folder: &Path, span: Duration) -> anyhow::Result<f64> {
    let mut conn = open(folder, "jobs.db")?;
    conn.batch_execute(
        "CREATE TABLE jobs (id BLOB NOT NULL PRIMARY KEY, state INTEGER NOT NULL, attempt INTEGER NOT NULL, \
         body TEXT NOT NULL) WITHOUT ROWID; CREATE INDEX jobs_ready ON jobs (id) WHERE state = 0;",
    )?;
    let body = "x".repeat(500);
    let (mut made, mut done, mut took) = (0usize, 0usize, Duration::ZERO);
    while took < span {
        conn.immediate_transaction::<_, diesel::result::Error, _>(|conn| {
            for _ in 0..5_000 {
                made += 1;
                diesel::insert_into(jobs::table)
                    .values((jobs::id.eq(id(made)), jobs::state.eq(0), jobs::attempt.eq(0), jobs::body.eq(&body)))
                    .execute(conn)?;
            }
            Ok(())
        })?;
        let began = Instant::now();
        while done < made && took + began.elapsed() < span {
            let claimed: Vec<Job> = conn.immediate_transaction(|conn| {
                diesel::sql_query(
                    "UPDATE jobs SET state = 1, attempt = attempt + 1 WHERE id IN \
                     (SELECT id FROM jobs INDEXED BY jobs_ready WHERE state = 0 ORDER BY id LIMIT 50) \
                     RETURNING id, body AS _body",
                )
                .load(conn)
            })?;
            let ids: Vec<_> = claimed.into_iter().map(|job| job.id).collect();
            done += ids.len();
            conn.immediate_transaction(|conn| {
                diesel::update(jobs::table.filter(jobs::id.eq_any(ids))).set(jobs::state.eq(2)).execute(conn)
            })?;
        }
        took += began.elapsed();
    }
    Ok(done as f64 / took.as_secs_f64())
}
