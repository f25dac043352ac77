//! A stretch of the list, taken over in one transaction: accounts nobody knew, e-mail matches, and
//! what changed about accounts we know. Costs a few statements, and a few more for each change.

use std::collections::{BTreeSet, HashMap};

use serde_json::json;

use super::{Stop, SyncAttempt, account, add, close};
use crate::base::clock::Micros;
use crate::base::ids::{IntervalId, MemberId, UserId, WorkspaceId};
use crate::base::random::Ids;
use crate::domain::hub::{Drift, Hub};
use crate::domain::mapping::HubRole;
use crate::domain::member::{Bucket, Member, MemberStatus, Presence};
use crate::domain::sync::{self, Claimant, Counts, Evidence, Observed, Placement};
use crate::domain::task::Task;
use crate::store::activity::{self, Entry};
use crate::store::intervals::{self, Because, Holding};
use crate::store::marks::{self, Change, Settle};
use crate::store::sync_runs::{self, Phase, Run};
use crate::store::sync_seen::{self, Bearer};
use crate::store::{StoreError, Tx, hub_members, managers, tasks};

impl SyncAttempt {
    /// Take over the next stretch.
    pub(super) async fn place(&self, run: Run) -> Result<Run, Stop> {
        let (hub, task, ids, now) =
            (self.hub.clone(), self.task.clone(), self.worker.ids.clone(), self.worker.clock.now());
        let run = self
            .write_stretch(move |tx, size| {
                let mut run = run.clone();
                let listed = sync_seen::after(tx, task.workspace, task.id, run.after_key.as_deref(), size)?;
                let Some((_, last)) = listed.last() else {
                    run.phase = Phase::Leaving;
                    sync_runs::save(tx, task.workspace, &run)?;
                    return Ok(run);
                };
                let last = last.remote_id.clone();
                let mut stretch = Stretch::new(tx, &hub, &task, &ids, now)?;
                stretch.take_over(listed)?;
                let (mut counts, marked, touched) = (stretch.counts, stretch.marked, stretch.touched);
                counts.closed += close::of_people(tx, &hub, &task, &touched, &ids, now)?;
                hub_members::stamp(tx, task.workspace, hub.id, task.id, run.after_key.as_deref(), &last)?;
                let change = Change { cause: "sync", request_id: task.request_id.as_deref(), now };
                marks::put(tx, task.workspace, &[hub.id], &marked, now, Settle::OfHub, &change)?;
                add(&mut run.counts, counts);
                run.after_key = Some(last);
                sync_runs::save(tx, task.workspace, &run)?;
                Ok(run)
            })
            .await?;
        self.context.steps.reached("sync_placed");
        self.worker.nudge.planner();
        Ok(run)
    }
}

struct Stretch<'a, 'tx> {
    tx: &'a mut Tx<'tx>,
    workspace: WorkspaceId,
    hub: &'a Hub,
    task: &'a Task,
    ids: &'a Ids,
    now: Micros,
    owners: BTreeSet<UserId>,
    counts: Counts,
    /// People whom the planner must look at again.
    marked: Vec<UserId>,
    /// People whose account is otherwise than it was known.
    touched: Vec<UserId>,
    /// Accounts that were found, for the record.
    found: Vec<serde_json::Value>,
}

/// What the accounts of a stretch are matched by.
struct Known {
    bearers: HashMap<String, Vec<Bearer>>,
    accounts: HashMap<String, usize>,
    own: HashMap<UserId, Member>,
}

impl<'a, 'tx> Stretch<'a, 'tx> {
    fn new(tx: &'a mut Tx<'tx>, hub: &'a Hub, task: &'a Task, ids: &'a Ids, now: Micros) -> Result<Self, StoreError> {
        let workspace = task.workspace;
        let owners = managers::of_hub(tx, workspace, hub.id)?
            .into_iter()
            .filter(|manager| manager.role == HubRole::Owner)
            .map(|manager| manager.user)
            .collect();
        Ok(Self {
            tx,
            workspace,
            hub,
            task,
            ids,
            now,
            owners,
            counts: Counts::default(),
            marked: Vec::new(),
            touched: Vec::new(),
            found: Vec::new(),
        })
    }

    fn take_over(&mut self, listed: Vec<(MemberId, Observed)>) -> Result<(), StoreError> {
        let remotes: Vec<&str> = listed.iter().map(|(_, seen)| seen.remote_id.as_str()).collect();
        let mut rows: HashMap<String, Member> =
            hub_members::of_remotes(self.tx, self.workspace, self.hub.id, &remotes)?
                .into_iter()
                .filter_map(|member| Some((member.remote_id.clone()?, member)))
                .collect();
        let mut changed = Vec::new();
        let mut nobodys = Vec::new();
        for (id, seen) in listed {
            match rows.remove(&seen.remote_id) {
                None => nobodys.push((id, seen, None)),
                Some(member) => {
                    let after = self.known(&member, &seen)?;
                    if after.is_some() {
                        changed.extend(after.as_ref().and_then(|after| after.user));
                    }
                    let row = after.unwrap_or(member);
                    if account::open_to_match(&row, &seen) {
                        nobodys.push((row.id, seen, Some(row)));
                    }
                }
            }
        }
        self.touched.extend(&changed);
        self.look_again(&changed)?;
        let known = self.facts(&nobodys)?;
        let mut fresh = Vec::new();
        for (id, seen, row) in nobodys {
            self.nobodys(id, &seen, row, &known, &mut fresh)?;
        }
        self.store(&fresh)
    }

    /// What is otherwise about a known account is taken over (R7.5); whose it is stays.
    fn known(&mut self, member: &Member, seen: &Observed) -> Result<Option<Member>, StoreError> {
        let Some(change) = sync::change(member, seen, self.hub.login, self.now) else { return Ok(None) };
        let mut after = member.clone();
        after.known = change.known;
        after.known_role = change.role;
        after.known_assets = change.assets;
        after.status = change.status;
        after.known_at = seen.seen_at;
        hub_members::update(self.tx, self.workspace, &after, "sync", self.now)?;
        self.interval(&after)?;
        self.counts.changed += 1;
        if change.accepted {
            // What waited for it goes on (R4.12).
            self.marked.extend(after.user);
        }
        let detail = json!({
            "before": { "known": member.known, "role": member.known_role, "assets": member.known_assets },
            "after": { "known": after.known, "role": after.known_role, "assets": after.known_assets },
        });
        self.tell("member.changed_in_app", &after, detail)?;
        Ok(Some(after))
    }

    /// With `repair` everybody whose account changed; else those with an open task, which the new
    /// state may have ended.
    fn look_again(&mut self, changed: &[UserId]) -> Result<(), StoreError> {
        match self.hub.policy.drift {
            Drift::Repair => self.marked.extend(changed),
            Drift::Report => {
                self.marked.extend(tasks::with_open(self.tx, self.workspace, self.hub.id, changed)?);
            }
        }
        Ok(())
    }

    fn facts(&mut self, nobodys: &[(MemberId, Observed, Option<Member>)]) -> Result<Known, StoreError> {
        let addresses: BTreeSet<String> = nobodys.iter().filter_map(|(_, seen, _)| seen.address.clone()).collect();
        if addresses.is_empty() {
            return Ok(Known { bearers: HashMap::new(), accounts: HashMap::new(), own: HashMap::new() });
        }
        let bearers = sync_seen::people(self.tx, self.workspace, &addresses)?;
        let people: BTreeSet<UserId> = bearers.values().flatten().map(|bearer| bearer.user).collect();
        let people: Vec<UserId> = people.into_iter().collect();
        let own = hub_members::of_users(self.tx, self.workspace, self.hub.id, &people)?
            .into_iter()
            .filter_map(|member| Some((member.user?, member)))
            .collect();
        // Only an address that somebody bears can be claimed twice.
        let contested = addresses.into_iter().filter(|address| bearers.contains_key(&sync::key(address))).collect();
        let accounts = sync_seen::bearers(self.tx, self.workspace, self.task.id, &contested)?;
        Ok(Known { bearers, accounts, own })
    }

    fn nobodys(
        &mut self,
        id: MemberId,
        seen: &Observed,
        row: Option<Member>,
        known: &Known,
        fresh: &mut Vec<Member>,
    ) -> Result<(), StoreError> {
        let address = seen.address.as_deref();
        let claimants: Vec<Claimant> = address
            .and_then(|address| known.bearers.get(&sync::key(address)))
            .into_iter()
            .flatten()
            .map(|bearer| Claimant {
                user: bearer.user,
                exact: address.is_some_and(|address| bearer.addresses.contains(address)),
                guest: bearer.guest,
                has_account: known.own.get(&bearer.user).is_some_and(account::has_account),
                late: bearer.came_after(id),
            })
            .collect();
        let service = self.is_service(seen);
        let accounts = address.and_then(|address| known.accounts.get(address)).copied().unwrap_or(1);
        let evidence = Evidence { claimants: &claimants, accounts, service, owners: &self.owners };
        let placement = sync::place(seen, &evidence);
        let is_new = row.is_none();
        self.counts.found += i64::from(is_new);
        let mut member = row.unwrap_or_else(|| account::blank(self.hub, id, seen));
        let before = member.clone();
        match placement {
            Placement::Unmatched => {}
            Placement::Conflict => {
                member.status = MemberStatus::SyncFailed;
                if is_new || before.status != MemberStatus::SyncFailed {
                    self.counts.conflicts += 1;
                    let people: Vec<String> = claimants.iter().map(|one| one.user.to_string()).collect();
                    self.tell("member.conflict", &member, json!({ "accounts": accounts, "people": people }))?;
                }
            }
            Placement::Service => {
                member.bucket = Bucket::Onboarded;
                member.protected = true;
                member.status = MemberStatus::Settled;
            }
            Placement::Matched { user, bucket, hub_role } => {
                self.counts.matched += 1;
                member.user = Some(user);
                member.bucket = bucket;
                member.hub_role = Some(hub_role);
                member.status = account::first_status(seen, self.now);
                self.marked.push(user);
                self.touched.push(user);
                self.tell("member.matched", &member, json!({ "by": "email", "hub_role": hub_role }))?;
                if let Some(own) = known.own.get(&user) {
                    return self.join_own(own, member, is_new);
                }
            }
        }
        if is_new {
            fresh.push(member);
        } else if member != before {
            hub_members::update(self.tx, self.workspace, &member, "sync", self.now)?;
            self.interval(&member)?;
        }
        Ok(())
    }

    /// The person has a row without an account (a grant that is being made): the two become one.
    fn join_own(&mut self, own: &Member, found: Member, is_new: bool) -> Result<(), StoreError> {
        if !is_new {
            let because = self.because("joined");
            intervals::end(self.tx, self.workspace, found.id, &because)?;
            intervals::move_member(self.tx, self.workspace, found.id, own.id)?;
            hub_members::forget(self.tx, self.workspace, found.id, own.id)?;
        }
        let mut member = own.clone();
        member.remote_id = found.remote_id;
        member.email_key = found.email_key.or(member.email_key);
        member.known = found.known;
        member.known_role = found.known_role;
        member.known_assets = found.known_assets;
        member.known_at = found.known_at;
        member.hub_role = member.hub_role.or(found.hub_role);
        if member.bucket != Bucket::Exempted {
            member.bucket = found.bucket;
            if !member.status.is_under_way() {
                member.status = found.status;
            }
        }
        hub_members::update(self.tx, self.workspace, &member, "sync", self.now)?;
        self.found.push(account::found(&member, (!is_new).then_some(found.id)));
        self.interval(&member)
    }

    fn store(&mut self, fresh: &[Member]) -> Result<(), StoreError> {
        hub_members::insert_all(self.tx, self.workspace, fresh, "sync", self.now)?;
        let held: Vec<(&Member, String)> = fresh
            .iter()
            .filter(|member| member.known == Presence::Active)
            .map(|member| Ok((member, account::assets_json(member)?)))
            .collect::<Result<_, StoreError>>()?;
        let holdings: Vec<Holding<'_>> = held
            .iter()
            .map(|(member, assets)| Holding {
                id: IntervalId::from_uuid(self.ids.next()),
                user: member.user,
                person: member.email_key.as_deref().unwrap_or(&member.display),
                hub: self.hub.id,
                hub_slug: self.hub.slug.as_str(),
                member: member.id,
                app_role: member.known_role.as_deref(),
                assets,
            })
            .collect();
        let because = self.because("found_in_app");
        intervals::begin_all(self.tx, self.workspace, &holdings, &because)?;
        self.found.extend(fresh.iter().map(|member| account::found(member, None)));
        self.tell_found()
    }

    /// One record for the stretch: the first sync of a hub finds everybody. Ids and roles only, so that the
    /// record alone tells who held what (T-20).
    fn tell_found(&mut self) -> Result<(), StoreError> {
        if self.found.is_empty() {
            return Ok(());
        }
        let detail = json!({ "accounts": std::mem::take(&mut self.found) });
        activity::record(
            self.tx,
            self.workspace,
            &Entry {
                id: self.ids.next(),
                at: self.now,
                kind: "members.found_in_app",
                actor: "sync",
                target: &format!("hub:{}", self.hub.slug),
                hub: Some(self.hub.id),
                user: None,
                task: Some(self.task.id),
                request_id: self.task.request_id.as_deref(),
                detail,
                personal: None,
            },
        )
    }

    fn interval(&mut self, member: &Member) -> Result<(), StoreError> {
        let because = self.because("changed_in_app");
        match member.known {
            Presence::Pending => Ok(()),
            Presence::Absent | Presence::Suspended => intervals::end(self.tx, self.workspace, member.id, &because),
            Presence::Active => {
                let assets = account::assets_json(member)?;
                let holding = Holding {
                    id: IntervalId::from_uuid(self.ids.next()),
                    user: member.user,
                    person: member.email_key.as_deref().unwrap_or(&member.display),
                    hub: self.hub.id,
                    hub_slug: self.hub.slug.as_str(),
                    member: member.id,
                    app_role: member.known_role.as_deref(),
                    assets: &assets,
                };
                intervals::hold(self.tx, self.workspace, &holding, &because)
            }
        }
    }

    fn because(&self, cause: &'static str) -> Because<'a> {
        Because { cause, task: Some(self.task.id), evidence: "sync", now: self.now }
    }

    fn is_service(&self, seen: &Observed) -> bool {
        let shown = [seen.address.as_deref(), Some(seen.display.as_str()), Some(seen.remote_id.as_str())];
        sync::is_service(self.hub, shown.into_iter().flatten())
    }

    fn tell(&mut self, kind: &str, member: &Member, mut detail: serde_json::Value) -> Result<(), StoreError> {
        if let Some(detail) = detail.as_object_mut() {
            detail.insert(String::from("bucket"), json!(member.bucket));
        }
        activity::record(
            self.tx,
            self.workspace,
            &Entry {
                id: self.ids.next(),
                at: self.now,
                kind,
                actor: "sync",
                target: &format!("member:{}", member.id),
                hub: Some(self.hub.id),
                user: member.user,
                task: Some(self.task.id),
                request_id: self.task.request_id.as_deref(),
                detail,
                personal: Some(json!({ "person": member.email_key, "display": member.display })),
            },
        )
    }
}
