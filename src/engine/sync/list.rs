//! The app's list, page by page into `sync_seen`. Rows may move between pages while it is read (an
//! account is removed, and the one after it slips onto the page just read): where the app tells how
//! many there are and fewer came, the list is read again, and nothing is forgotten meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Stop, SyncAttempt};
use crate::base::clock::Micros;
use crate::base::limits::{SYNC_PAGES, SYNC_PASSES};
use crate::domain::sync::{self, Observed};
use crate::engine::connector::{Failure, FailureClass, Page, RemoteMember};
use crate::store::sync_runs::{self, Run};
use crate::store::sync_seen;

impl SyncAttempt {
    pub(super) async fn list(&self, run: &mut Run) -> Result<(), Stop> {
        let pause = self.hub.policy.calls_per_second.filter(|rate| *rate > 0.0);
        let pause = pause.and_then(|rate| Duration::try_from_secs_f64(1.0 / rate).ok());
        let mut pages: i64 = 0;
        loop {
            self.in_time()?;
            let asked = self.worker.clock.now();
            let page = match self.connector.list(run.cursor.clone(), &self.context).await {
                Ok(page) => page,
                // A place of an earlier attempt may be gone: from the start, once per attempt.
                Err(failure) if failure.class == FailureClass::Invalid && run.cursor.is_some() && pages == 0 => {
                    run.cursor = None;
                    *run = self.keep(run.clone()).await?;
                    pages = 1;
                    continue;
                }
                Err(failure) => return Err(Stop::App(failure)),
            };
            self.context.steps.reached("sync_page");
            pages += 1;
            if pages > SYNC_PAGES {
                let why = "the app's list goes in a circle";
                return Err(Stop::App(Failure::new(FailureClass::Invalid, why)));
            }
            let ended = page.next.is_none();
            *run = self.keep_page(run.clone(), page, asked).await?;
            if ended && self.is_whole(run).await? {
                return Ok(());
            }
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
        }
    }

    async fn keep_page(&self, mut run: Run, page: Page, asked: Micros) -> Result<Run, Stop> {
        let mut rows = BTreeMap::new();
        for member in page.members {
            // Without an id there is nothing to bind.
            if !member.remote_id.is_empty() {
                let seen = observed(member, asked);
                rows.insert(seen.remote_id.clone(), (self.worker.ids.next(), seen));
            }
        }
        run.started_at = run.started_at.or(Some(asked));
        run.seen = run.seen.saturating_add(i64::try_from(rows.len()).unwrap_or(i64::MAX));
        run.total = page.total.and_then(|total| i64::try_from(total).ok()).or(run.total);
        run.cursor = page.next;
        let workspace = self.task.workspace;
        self.write(move |tx| {
            sync_seen::put(tx, workspace, run.task, &rows)?;
            sync_runs::save(tx, workspace, &run)?;
            Ok(run.clone())
        })
        .await
    }

    /// Whether the list is to be believed as it is; else it begins again.
    async fn is_whole(&self, run: &mut Run) -> Result<bool, Stop> {
        let (workspace, task) = (self.task.workspace, self.task.id);
        let different = self.worker.store.read(move |conn| sync_seen::count(conn, workspace, task)).await;
        run.seen = different?;
        let short = run.total.is_some_and(|total| run.seen < total);
        if short && run.pass < SYNC_PASSES {
            run.pass += 1;
            run.cursor = None;
            *run = self.keep(run.clone()).await?;
            return Ok(false);
        }
        run.conclusive = !short;
        Ok(true)
    }
}

fn observed(member: RemoteMember, seen_at: Micros) -> Observed {
    let shown = member.email.as_deref().or(member.user_name.as_deref());
    let display = member.name.clone().or_else(|| member.user_name.clone()).or_else(|| member.email.clone());
    Observed {
        address: shown.and_then(sync::address),
        display: display.unwrap_or_else(|| member.remote_id.clone()),
        role: member.role,
        assets: member.assets,
        presence: member.presence,
        expires_at: member.expires_at,
        remote_id: member.remote_id,
        seen_at,
    }
}
