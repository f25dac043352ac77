//! Statements that stay prepared and go straight to their database's own connection.
//!
//! diesel prepares updates and hand-written SQL anew each time, because it cannot know that their
//! text never varies: on SQLite that costs more than running them, on PostgreSQL it is a second
//! round trip. And through the enum over the databases it renders every statement's text three
//! times, selects too.

use diesel::backend::Backend;
use diesel::connection::Connection as _;
use diesel::internal::derives::multiconnection::AstPassHelper as _;
use diesel::pg::{Pg, PgConnection};
use diesel::query_builder::{AstPass, Query, QueryBuilder as _, QueryFragment, QueryId};
use diesel::query_dsl::methods::LoadQuery;
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel::{QueryResult, RunQueryDsl};

use super::conn::DbConn;

/// A statement whose prepared form the connection keeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept<Q> {
    statement: Q,
    keep: bool,
}

/// Marks a statement as one to keep.
pub(super) trait Keep: Sized {
    /// Keep it prepared. Only for text out of a small closed set: a connection keeps every text it
    /// has met for as long as it lives.
    fn kept(self) -> Kept<Self> {
        self.kept_if(true)
    }

    /// As [`Keep::kept`] where the text is one that comes again, such as that for one row.
    fn kept_if(self, keep: bool) -> Kept<Self> {
        Kept { statement: self, keep }
    }
}

impl<Q> Keep for Q {}

// These stand in the way of `RunQueryDsl`'s own, which take the way through the enum.
impl<Q> Kept<Q> {
    /// Run it; how many rows it touched.
    pub(super) fn execute(self, conn: &mut DbConn) -> QueryResult<usize>
    where
        Q: QueryFragment<Sqlite> + QueryFragment<Pg> + QueryId,
    {
        match conn {
            DbConn::Sqlite(conn) if self.counted() => {
                conn.execute_returning_count(&Counted::new(self.statement, Sqlite)?)
            }
            DbConn::Sqlite(conn) => conn.execute_returning_count(&self.statement),
            DbConn::Postgres(conn) => self.execute_there(conn),
        }
    }

    /// [`Kept::execute`] of a statement that only PostgreSQL understands.
    pub(super) fn execute_there(self, conn: &mut PgConnection) -> QueryResult<usize>
    where
        Q: QueryFragment<Pg> + QueryId,
    {
        if self.counted() {
            conn.execute_returning_count(&Counted::new(self.statement, Pg)?)
        } else {
            conn.execute_returning_count(&self.statement)
        }
    }

    /// One that diesel knows by its type, such as an insert, it keeps by itself.
    fn counted(&self) -> bool
    where
        Q: QueryId,
    {
        self.keep && !Q::HAS_STATIC_QUERY_ID
    }

    /// All rows.
    pub(super) fn load<'q, U>(self, conn: &mut DbConn) -> QueryResult<Vec<U>>
    where
        Self: LoadQuery<'q, SqliteConnection, U> + LoadQuery<'q, PgConnection, U>,
    {
        match conn {
            DbConn::Sqlite(conn) => RunQueryDsl::load(self, conn),
            DbConn::Postgres(conn) => RunQueryDsl::load(self, conn),
        }
    }

    /// The first row.
    pub(super) fn get_result<'q, U>(self, conn: &mut DbConn) -> QueryResult<U>
    where
        Self: LoadQuery<'q, SqliteConnection, U> + LoadQuery<'q, PgConnection, U>,
    {
        match conn {
            DbConn::Sqlite(conn) => RunQueryDsl::get_result(self, conn),
            DbConn::Postgres(conn) => RunQueryDsl::get_result(self, conn),
        }
    }
}

impl<DB: Backend, Q: QueryFragment<DB>> QueryFragment<DB> for Kept<Q> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.statement.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, backend: &DB) -> QueryResult<bool> {
        if self.keep { Ok(true) } else { self.statement.is_safe_to_cache_prepared(backend) }
    }
}

impl<Q: QueryId> QueryId for Kept<Q> {
    type QueryId = Q::QueryId;

    const HAS_STATIC_QUERY_ID: bool = Q::HAS_STATIC_QUERY_ID;
}

impl<Q: Query> Query for Kept<Q> {
    type SqlType = Q::SqlType;
}

impl<Q, Conn> RunQueryDsl<Conn> for Kept<Q> {}

/// A statement that is run for its count. diesel takes a reference of it, which does not pass on
/// that it may be kept and asks its parts; so it shows none, only text and values.
struct Counted<Q, DB> {
    statement: Q,
    text: String,
    backend: DB,
}

impl<Q: QueryFragment<DB>, DB: Backend> Counted<Q, DB> {
    fn new(statement: Q, backend: DB) -> QueryResult<Self>
    where
        DB::QueryBuilder: Default,
    {
        let mut builder = DB::QueryBuilder::default();
        statement.to_sql(&mut builder, &backend)?;
        Ok(Self { statement, text: builder.finish(), backend })
    }
}

impl<Q: QueryFragment<DB>, DB: Backend> QueryFragment<DB> for Counted<Q, DB> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(&self.text);
        if let Some((binds, lookup)) = out.bind_collector() {
            self.statement.collect_binds(binds, lookup, &self.backend)?;
        }
        Ok(())
    }
}

impl<Q, DB> QueryId for Counted<Q, DB> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use diesel::connection::{InstrumentationEvent, SimpleConnection as _};

    use diesel::ExpressionMethods as _;
    use diesel::sql_types::Integer;

    use super::*;

    diesel::table! {
        t (n) {
            n -> Integer,
        }
    }

    #[test]
    fn a_kept_statement_is_prepared_once() {
        let mut conn = DbConn::Sqlite(SqliteConnection::establish(":memory:").unwrap());
        conn.batch_execute("CREATE TABLE t (n INTEGER NOT NULL PRIMARY KEY); INSERT INTO t VALUES (0)").unwrap();
        let prepared = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&prepared);
        conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::CacheQuery { .. } = event {
                seen.fetch_add(1, Ordering::SeqCst);
            }
        });
        for n in 0..3 {
            assert_eq!(diesel::update(t::table).set(t::n.eq(n)).kept().execute(&mut conn).unwrap(), 1);
        }
        assert_eq!(prepared.load(Ordering::SeqCst), 1, "an update");
        for n in 2..5 {
            let sql = "UPDATE t SET n = n + 1 WHERE n = ? RETURNING n";
            let rows: Vec<N> = diesel::sql_query(sql).bind::<Integer, _>(n).kept().load(&mut conn).unwrap();
            assert_eq!(rows.iter().map(|row| row.n).collect::<Vec<_>>(), [n + 1]);
        }
        assert_eq!(prepared.load(Ordering::SeqCst), 2, "hand-written SQL");
        diesel::update(t::table).set(t::n.eq(1)).kept_if(false).execute(&mut conn).unwrap();
        assert_eq!(prepared.load(Ordering::SeqCst), 2, "what is not to be kept is not");
    }

    #[derive(diesel::QueryableByName)]
    struct N {
        #[diesel(sql_type = Integer)]
        n: i32,
    }
}
