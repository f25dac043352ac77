//! Bare PostgreSQL with `synchronous_commit` on, eight clients.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

diesel::table! {
    items (id) {
        id -> BigInt,
        name -> Text,
        external -> Text,
        email -> Text,
        body -> Text,
    }
}

const CLIENTS: i64 = 8;

/// Run the same in every client; the sum of what they did, a second.
fn together(url: &str, work: impl Fn(&mut PgConnection, i64) -> anyhow::Result<usize> + Sync) -> anyhow::Result<f64> {
    let began = Instant::now();
    let done = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let work = &work;
                scope.spawn(move || work(&mut PgConnection::establish(url)?, number))
            })
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().map_err(|_| anyhow::anyhow!("a client panicked"))?)
            .sum::<anyhow::Result<usize>>()
    })?;
    Ok(done as f64 / began.elapsed().as_secs_f64())
}

/// Rows of one kilobyte with three indexes, one to a commit; rows a second.
pub fn inserts(url: &str, span: Duration) -> anyhow::Result<f64> {
    PgConnection::establish(url)?.batch_execute(
        "DROP TABLE IF EXISTS items; CREATE TABLE items (id BIGINT PRIMARY KEY, name TEXT NOT NULL, \
         external TEXT NOT NULL, email TEXT NOT NULL, body TEXT NOT NULL); \
         CREATE UNIQUE INDEX items_name ON items (name); CREATE INDEX items_external ON items (external); \
         CREATE INDEX items_email ON items (email);",
    )?;
    let body = "x".repeat(1_024);
    together(url, |conn, client| {
        let (began, mut rows) = (Instant::now(), 0i64);
        while began.elapsed() < span {
            rows += 1;
            let number = rows * CLIENTS + client;
            diesel::insert_into(items::table)
                .values((
                    items::id.eq(number),
                    items::name.eq(format!("p{number}@example.com")),
                    items::external.eq(format!("ext-{number}")),
                    items::email.eq(format!("p{number}@example.com")),
                    items::body.eq(&body),
                ))
                .execute(conn)?;
        }
        Ok(usize::try_from(rows)?)
    })
}

#[derive(QueryableByName)]
struct Job {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    _body: String,
}

/// A queue alone: claim 50 with `SKIP LOCKED` and commit, complete 50 and commit; jobs a second.
pub fn jobs(url: &str, span: Duration) -> anyhow::Result<f64> {
    PgConnection::establish(url)?.batch_execute(
        "DROP TABLE IF EXISTS jobs; CREATE TABLE jobs (id BIGINT PRIMARY KEY, state INTEGER NOT NULL, \
         attempt INTEGER NOT NULL, body TEXT NOT NULL); CREATE INDEX jobs_ready ON jobs (id) WHERE state = 0; \
         INSERT INTO jobs SELECT n, 0, 0, repeat('x', 500) FROM generate_series(1, 200000) n; ANALYZE jobs;",
    )?;
    together(url, |conn, _| {
        let (began, mut done) = (Instant::now(), 0usize);
        while began.elapsed() < span {
            let claimed: Vec<Job> = diesel::sql_query(
                "UPDATE jobs SET state = 1, attempt = attempt + 1 WHERE id IN (SELECT id FROM jobs WHERE state = 0 \
                 ORDER BY id LIMIT 50 FOR UPDATE SKIP LOCKED) RETURNING id, body AS _body",
            )
            .load(conn)?;
            if claimed.is_empty() {
                break;
            }
            done += claimed.len();
            let ids: Vec<String> = claimed.iter().map(|job| job.id.to_string()).collect();
            conn.batch_execute(&format!("UPDATE jobs SET state = 2 WHERE id IN ({})", ids.join(",")))?;
        }
        Ok(done)
    })
}
