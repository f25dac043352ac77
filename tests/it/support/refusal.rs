//! A table that refuses to be written for a while: every write to it fails in the database, as it
//! does when a disk is full or a constraint has gone wrong.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};

use super::Database;

/// Until it is lifted, or dropped.
#[derive(Debug)]
pub struct Refusal {
    url: String,
    table: &'static str,
    is_lifted: bool,
}

impl Refusal {
    /// From now on `table` refuses every insert, update and delete.
    pub fn of(database: &Database, table: &'static str) -> Self {
        let refusal = Self { url: database.url.clone(), table, is_lifted: false };
        let on_sqlite = ["INSERT", "UPDATE", "DELETE"].map(|what| {
            format!(
                "CREATE TRIGGER refuse_{what} BEFORE {what} ON {table} BEGIN SELECT RAISE(ABORT, 'refused by the test'); END;"
            )
        });
        let on_postgres = format!(
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'refused by the test'; END $$; \
             CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON {table} \
             FOR EACH ROW EXECUTE FUNCTION refuse();"
        );
        refusal.run(&on_sqlite.concat(), &on_postgres);
        refusal
    }

    /// The table takes writes again.
    pub fn lift(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if !std::mem::replace(&mut self.is_lifted, true) {
            let on_sqlite = ["INSERT", "UPDATE", "DELETE"].map(|what| format!("DROP TRIGGER refuse_{what};"));
            self.run(&on_sqlite.concat(), &format!("DROP TRIGGER refuse ON {};", self.table));
        }
    }

    fn run(&self, on_sqlite: &str, on_postgres: &str) {
        match self.url.strip_prefix("sqlite:") {
            Some(file) => {
                let mut conn = SqliteConnection::establish(file).expect("the file opens");
                conn.batch_execute("PRAGMA busy_timeout = 10000;").expect("a pragma");
                conn.batch_execute(on_sqlite).expect("a trigger");
            }
            None => PgConnection::establish(&self.url)
                .expect("the server answers")
                .batch_execute(on_postgres)
                .expect("a trigger"),
        }
    }
}

impl Drop for Refusal {
    fn drop(&mut self) {
        self.end();
    }
}
