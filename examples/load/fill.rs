//! Fills a database with people and groups through the store's own functions: what is measured
//! later is not how they got there.

use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use scimhub::base::clock::{SharedClock, TestClock};
use scimhub::base::ids::{GroupId, SourceId, UserId, WorkspaceId};
use scimhub::base::random::Ids;
use scimhub::scim::{group, user};
use scimhub::service::workspaces::ensure_default;
use scimhub::store::memberships::{self, Member, MemberKind};
use scimhub::store::{DbConn, Store, StoreError, groups, sources, users, workspaces};

use super::person;
use super::report::Progress;

/// Users in one write transaction.
const CHUNK: usize = 1_000;

/// An opened database with the workspace and source that everybody goes into.
#[derive(Clone)]
pub struct Filler {
    pub store: Store,
    pub workspace: WorkspaceId,
    pub source: SourceId,
    pub ids: Ids,
    people: Ids,
    arrivals: Arc<TestClock>,
}

impl Filler {
    pub async fn new(store: Store) -> anyhow::Result<Self> {
        let now = store.clock().now();
        ensure_default(&store, now).await?;
        let (workspace, source) = store
            .read(|conn| {
                let workspace = workspaces::by_name(conn, "default")?.ok_or(StoreError::NotFound)?.id;
                let source = sources::by_name(conn, workspace, "default")?.ok_or(StoreError::NotFound)?.id;
                Ok::<_, StoreError>((workspace, source))
            })
            .await?;
        // They came one after the other the day before: most of a real installation's people are not new.
        let arrivals = TestClock::at(now.minus(Duration::from_secs(24 * 60 * 60)));
        let people = Ids::new(Arc::clone(&arrivals) as SharedClock);
        let ids = Ids::new(store.clock().clone());
        Ok(Self { store, workspace, source, ids, people, arrivals })
    }

    pub async fn users(&self, prefix: &str, count: usize, progress: &Progress) -> anyhow::Result<Vec<UserId>> {
        let mut made = Vec::with_capacity(count);
        while made.len() < count {
            let first = made.len();
            let people: Vec<_> = (first..count.min(first + CHUNK))
                .map(|number| {
                    self.arrivals.advance(Duration::from_millis(1));
                    let value = person::user(&format!("{prefix}{number}"));
                    let document = value.as_object().cloned().unwrap_or_default();
                    (UserId::from_uuid(self.people.next()), user::keys(&document), value.to_string())
                })
                .map(|(id, keys, text)| keys.map(|keys| (id, keys, text)))
                .collect::<Result<_, _>>()
                .map_err(|error| anyhow::anyhow!("{error:?}"))?;
            made.extend(people.iter().map(|(id, _, _)| *id));
            let (workspace, source, now) = (self.workspace, self.source, self.store.clock().now());
            self.store
                .write(move |tx| {
                    people
                        .iter()
                        .try_for_each(|(id, keys, text)| users::insert(tx, workspace, source, *id, keys, text, now))
                })
                .await?;
            progress.note(&format!("filling: {} of {count} users", made.len()));
        }
        Ok(made)
    }

    /// What autovacuum does within a minute of a large import, both halves of it; SQLite's statistics come with
    /// the schema.
    pub async fn analyze(&self) -> anyhow::Result<()> {
        let analyze = |conn: &mut DbConn| match conn {
            DbConn::Sqlite(_) => Ok(()),
            DbConn::Postgres(conn) => conn.batch_execute("VACUUM ANALYZE").map_err(StoreError::from),
        };
        Ok(self.store.point(analyze).await?)
    }

    pub async fn group(&self, name: &str, people: &[UserId]) -> anyhow::Result<GroupId> {
        let id = GroupId::from_uuid(self.ids.next());
        let value = person::group(name);
        let document = value.as_object().cloned().unwrap_or_default();
        let keys = group::keys(&document).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let (workspace, source, now) = (self.workspace, self.source, self.store.clock().now());
        let text = value.to_string();
        self.store.write(move |tx| groups::insert(tx, workspace, source, id, &keys, &text, now).map(|_| ())).await?;
        for part in people.chunks(CHUNK) {
            let members: Vec<_> = part.iter().map(|id| Member { id: id.uuid(), kind: MemberKind::User }).collect();
            self.store.write(move |tx| memberships::add(tx, workspace, id, &members, now).map(|_| ())).await?;
        }
        Ok(id)
    }
}
