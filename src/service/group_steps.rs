//! The steps of a change to a group's members, inside its transaction. They apply by identity,
//! never by position, and add up to one net difference (T-11, T-12, T-13).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

use super::groups::Work;
use super::users::log_ignored;
use super::{ServiceError, shown};
use crate::base::ids::{GroupId, UserId};
use crate::base::limits::FILTER_CANDIDATES;
use crate::scim::error::ScimError;
use crate::scim::filter::Resolved;
use crate::scim::patch::{self, GroupStep};
use crate::scim::resource::{MemberValue, Object};
use crate::scim::schema::ResourceKind;
use crate::store::member_lookup::{self, ByExternalId};
use crate::store::memberships::{self, Leaving, Member, MemberKind};
use crate::store::{Tx, pending};

/// What all steps together did to the members.
#[derive(Clone, Debug, Default)]
pub(super) struct Delta {
    /// +1 for one that came, -1 for one that went; who came and went again is not in it.
    net: BTreeMap<Member, i8>,
    confirmed: BTreeSet<UserId>,
    /// Values that nobody in this source answers to.
    pub(super) unknown: BTreeSet<String>,
    forgotten: usize,
}

impl Delta {
    fn shift(&mut self, members: Vec<Member>, by: i8) {
        for member in members {
            let entry = self.net.entry(member).or_default();
            *entry = entry.saturating_add(by);
            if *entry == 0 {
                self.net.remove(&member);
                if by > 0 && member.kind == MemberKind::User {
                    // Out and in again: the row is a newly confirmed one.
                    self.confirmed.insert(UserId::from_uuid(member.id));
                }
            }
        }
    }

    fn ids(&self, sign: i8) -> Vec<String> {
        let moved = self.net.iter().filter(|(_, by)| by.signum() == sign);
        moved.map(|(member, _)| member.id.hyphenated().to_string()).collect()
    }

    /// Who is a member now and was none before, as text for the activity record.
    pub(super) fn added(&self) -> Vec<String> {
        self.ids(1)
    }

    /// Who was a member and is none now, as text for the activity record.
    pub(super) fn removed(&self) -> Vec<String> {
        self.ids(-1)
    }

    /// Whether the group's members are others than before, so that its version must change.
    pub(super) fn moves_members(&self) -> bool {
        !self.net.is_empty()
    }

    /// Whether there is nothing to tell.
    pub(super) fn is_empty(&self) -> bool {
        self.net.is_empty() && self.confirmed.is_empty() && self.unknown.is_empty() && self.forgotten == 0
    }

    /// The users whose entitlements may be others now.
    pub(super) fn concerned(&self) -> Vec<UserId> {
        let moved = self.net.keys().filter(|m| m.kind == MemberKind::User).map(|m| UserId::from_uuid(m.id));
        moved.chain(self.confirmed.iter().copied()).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// Refuse what no group could take, before a transaction is opened.
///
/// # Errors
/// 400 `invalidValue` for a value that is too long.
pub(super) fn check(steps: &[GroupStep]) -> Result<(), ServiceError> {
    for step in steps {
        match step {
            GroupStep::AddMembers(named) | GroupStep::ReplaceMembers(named) => {
                for member in named {
                    shown::check_identifier("members.value", Some(&member.value))?;
                }
            }
            GroupStep::RemoveMembers(values) => {
                for value in values {
                    shown::check_identifier("members.value", Some(value))?;
                }
            }
            GroupStep::Attributes(_) | GroupStep::RemoveMembersWhere(_) | GroupStep::RemoveAllMembers => {}
        }
    }
    Ok(())
}

/// Run the steps in order; answers the document after them.
///
/// # Errors
/// The refusal of the first step that cannot be taken; the transaction must be rolled back then.
pub(super) fn run(
    tx: &mut Tx<'_>,
    work: &Work,
    group: GroupId,
    base_url: &str,
    before: &Object,
    steps: &[GroupStep],
    delta: &mut Delta,
) -> Result<Object, ServiceError> {
    let mut document = before.clone();
    for step in steps {
        match step {
            GroupStep::Attributes(operation) => {
                let patched = patch::apply_group_attributes(&document, operation, work.caller.dialect)?;
                log_ignored(&patched.ignored);
                document = patched.document;
            }
            GroupStep::AddMembers(named) => add(tx, work, group, named, delta)?,
            GroupStep::ReplaceMembers(named) => replace(tx, work, group, named, delta)?,
            GroupStep::RemoveMembers(values) => remove(tx, work, group, values, delta)?,
            GroupStep::RemoveMembersWhere(filter) => remove_where(tx, work, group, base_url, filter, delta)?,
            GroupStep::RemoveAllMembers => {
                let gone = memberships::remove(tx, work.caller.workspace, group, Leaving::All)?;
                delta.shift(gone, -1);
                forget(tx, work, group, pending::Dropped::AllBut(&[]), delta)?;
            }
        }
    }
    Ok(document)
}

/// These become members; who is one already is confirmed.
///
/// # Errors
/// In strict mode 400 for a value that nobody answers to.
pub(super) fn add(
    tx: &mut Tx<'_>,
    work: &Work,
    group: GroupId,
    named: &[MemberValue],
    delta: &mut Delta,
) -> Result<(), ServiceError> {
    if named.is_empty() {
        return Ok(());
    }
    let found = find(tx, work, named)?;
    take_in(tx, work, group, &found, delta)
}

/// Exactly these are members afterwards.
///
/// # Errors
/// As [`add`].
pub(super) fn replace(
    tx: &mut Tx<'_>,
    work: &Work,
    group: GroupId,
    named: &[MemberValue],
    delta: &mut Delta,
) -> Result<(), ServiceError> {
    let found = find(tx, work, named)?;
    let keep: Vec<Uuid> = found.known.iter().map(|member| member.id).collect();
    let gone = memberships::remove(tx, work.caller.workspace, group, Leaving::AllBut(&keep))?;
    delta.shift(gone, -1);
    forget(tx, work, group, pending::Dropped::AllBut(&found.unknown), delta)?;
    take_in(tx, work, group, &found, delta)
}

fn find(tx: &mut Tx<'_>, work: &Work, named: &[MemberValue]) -> Result<member_lookup::Found, ServiceError> {
    let strict = work.caller.dialect.strict;
    let by_external_id = if strict { ByExternalId::No } else { ByExternalId::Yes };
    let values = named.iter().map(|member| member.value.as_str());
    let found = member_lookup::find(tx, work.caller.workspace, work.caller.source, values, by_external_id)?;
    if strict && !found.unknown.is_empty() {
        return Err(ScimError::invalid_value(format!(
            "members: {} of {} values name no user or group of this source.",
            found.unknown.len(),
            named.len()
        ))
        .into());
    }
    Ok(found)
}

fn take_in(
    tx: &mut Tx<'_>,
    work: &Work,
    group: GroupId,
    found: &member_lookup::Found,
    delta: &mut Delta,
) -> Result<(), ServiceError> {
    let (workspace, source) = (work.caller.workspace, work.caller.source);
    let came = memberships::add(tx, workspace, group, &found.known, work.now)?;
    delta.shift(came.added, 1);
    delta.confirmed.extend(came.confirmed);
    pending::add(tx, workspace, source, group, &found.unknown, work.now)?;
    delta.unknown.extend(found.unknown.iter().cloned());
    Ok(())
}

/// These leave; who is no member is passed over, never "all" for want of a match (T-11).
fn remove(
    tx: &mut Tx<'_>,
    work: &Work,
    group: GroupId,
    values: &[String],
    delta: &mut Delta,
) -> Result<(), ServiceError> {
    let (mut ids, mut others) = (Vec::new(), Vec::new());
    for value in values {
        match value.parse::<UserId>() {
            Ok(id) => ids.push(id.uuid()),
            Err(_) => others.push(value.as_str()),
        }
    }
    if !others.is_empty() && !work.caller.dialect.strict {
        let (workspace, source) = (work.caller.workspace, work.caller.source);
        let found = member_lookup::find(tx, workspace, source, others, ByExternalId::Yes)?;
        ids.extend(found.known.iter().map(|member| member.id));
    }
    let gone = memberships::remove(tx, work.caller.workspace, group, Leaving::These(&ids))?;
    if gone.len() < values.len() {
        forget(tx, work, group, pending::Dropped::These(values), delta)?;
    }
    delta.shift(gone, -1);
    Ok(())
}

/// A filter that is more than `value eq`: the members are shown to it, up to the bound of filters.
fn remove_where(
    tx: &mut Tx<'_>,
    work: &Work,
    group: GroupId,
    base_url: &str,
    filter: &Resolved,
    delta: &mut Delta,
) -> Result<(), ServiceError> {
    let limit = i64::try_from(FILTER_CANDIDATES).unwrap_or(i64::MAX).saturating_add(1);
    let members = memberships::of_group(tx, work.caller.workspace, group, limit)?;
    if members.len() > FILTER_CANDIDATES {
        return Err(ScimError::too_many("The group has too many members for this filter; name them by value.").into());
    }
    let links = shown::members_of_group(&members).map(|link| (link.id, link.to_json(ResourceKind::Group, base_url)));
    let hit = |link: &Value| link.as_object().is_some_and(|object| filter.matches(object));
    let ids: Vec<Uuid> = links.filter(|(_, link)| hit(link)).map(|(id, _)| id).collect();
    let gone = memberships::remove(tx, work.caller.workspace, group, Leaving::These(&ids))?;
    delta.shift(gone, -1);
    Ok(())
}

fn forget(
    tx: &mut Tx<'_>,
    work: &Work,
    group: GroupId,
    dropped: pending::Dropped<'_>,
    delta: &mut Delta,
) -> Result<(), ServiceError> {
    let gone = pending::remove(tx, work.caller.workspace, group, dropped)?;
    delta.forgotten = delta.forgotten.saturating_add(gone);
    Ok(())
}
