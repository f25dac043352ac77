//! SCIM resources as a caller is shown them: stored text with what the server adds, cut down to
//! what was asked for.

use serde_json::Value;

use super::{Caller, Context, ServiceError};
use crate::base::clock::Micros;
use crate::base::ids::GroupId;
use crate::base::limits::IDENTIFIER_BYTES;
use crate::scim::error::ScimError;
use crate::scim::etag::{self, Precondition};
use crate::scim::query::Projection;
use crate::scim::render::{self, Link, Meta};
use crate::scim::resource::Object;
use crate::scim::schema::ResourceKind;
use crate::store::StoreError;
use crate::store::groups::GroupRow;
use crate::store::memberships::{MemberKind, ShownMember};
use crate::store::reach::Reach;
use crate::store::users::UserRow;

/// A resource ready to be sent.
#[derive(Clone, Debug)]
pub struct Shown {
    /// JSON text.
    pub body: String,
    /// Its version, for the `ETag` header; the same stands in `meta.version`.
    pub etag: String,
    /// Its URI, for the `Location` header; the same stands in `meta.location`.
    pub location: String,
}

/// The answer to a read with a condition.
#[derive(Clone, Debug)]
pub enum Found {
    /// The client has this version already.
    Unchanged {
        /// The version, for the `ETag` header.
        etag: String,
    },
    /// The resource.
    Resource(Shown),
}

/// `If-Match` and `If-None-Match` of a request.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// `If-Match`
    pub if_match: Option<Precondition>,
    /// `If-None-Match`
    pub if_none_match: Option<Precondition>,
}

impl Conditions {
    /// Whether a write may go on against this version.
    ///
    /// # Errors
    /// [`ServiceError::VersionMismatch`].
    pub fn check_write(&self, version: i64) -> Result<(), ServiceError> {
        let holds = |condition: &Option<Precondition>| condition.as_ref().is_none_or(|c| c.allows(version));
        if holds(&self.if_match) && holds(&self.if_none_match) { Ok(()) } else { Err(ServiceError::VersionMismatch) }
    }

    /// Whether a read has to send the resource.
    ///
    /// # Errors
    /// [`ServiceError::VersionMismatch`] where `If-Match` names another version.
    pub fn wants_body(&self, version: i64) -> Result<bool, ServiceError> {
        if self.if_match.as_ref().is_some_and(|c| !c.allows(version)) {
            return Err(ServiceError::VersionMismatch);
        }
        Ok(self.if_none_match.as_ref().is_none_or(|c| c.allows(version)))
    }
}

/// The base of all SCIM addresses.
pub(super) fn scim_base(context: &Context) -> String {
    format!("{}/scim/v2", context.base_url)
}

/// What a caller may read.
pub(super) fn reach(caller: &Caller) -> Reach {
    caller.sees().map_or(Reach::Workspace, Reach::Source)
}

pub(super) fn user_meta<'a>(row: &UserRow, id: &'a str, base_url: &'a str) -> Meta<'a> {
    meta(ResourceKind::User, id, row.created, row.modified, row.version, base_url)
}

pub(super) fn group_meta<'a>(row: &GroupRow, id: &'a str, base_url: &'a str) -> Meta<'a> {
    meta(ResourceKind::Group, id, row.created, row.modified, row.version, base_url)
}

fn meta<'a>(
    kind: ResourceKind,
    id: &'a str,
    created: Micros,
    modified: Micros,
    version: i64,
    base_url: &'a str,
) -> Meta<'a> {
    Meta { kind, id, created, modified, version, base_url }
}

/// A resource's JSON text: spliced from the stored text where all of it is shown, put together as
/// a value only where a projection cuts it.
pub(super) fn text<'a>(
    document: &str,
    meta: &Meta<'_>,
    links: impl ExactSizeIterator<Item = Link<'a>>,
    projection: &Projection,
) -> Result<String, ServiceError> {
    if projection.is_all() {
        return Ok(render::text(document, meta, links));
    }
    let mut whole = render::object(&parse(document)?, meta, links);
    projection.apply(meta.kind, &mut whole);
    Ok(Value::Object(whole).to_string())
}

/// As [`text`], with what the headers say.
pub(super) fn shown<'a>(
    document: &str,
    meta: &Meta<'_>,
    links: impl ExactSizeIterator<Item = Link<'a>>,
    projection: &Projection,
) -> Result<Shown, ServiceError> {
    Ok(Shown {
        body: text(document, meta, links, projection)?,
        etag: etag::of(meta.version),
        location: meta.location(),
    })
}

/// A user's text with its groups.
pub(super) fn user_text(
    base_url: &str,
    row: &UserRow,
    groups: &[(GroupId, String)],
    projection: &Projection,
) -> Result<String, ServiceError> {
    let id = row.id.to_string();
    text(&row.document, &user_meta(row, &id, base_url), groups_of_user(groups), projection)
}

/// A stored document as a value.
pub(super) fn parse(document: &str) -> Result<Object, ServiceError> {
    serde_json::from_str(document)
        .map_err(|_| ServiceError::Store(StoreError::Corrupt("a stored document is not a JSON object".into())))
}

/// `User.groups`
pub(super) fn groups_of_user(groups: &[(GroupId, String)]) -> impl ExactSizeIterator<Item = Link<'_>> {
    groups.iter().map(|(id, display)| Link { kind: ResourceKind::Group, id: id.uuid(), display })
}

/// `Group.members`
pub(super) fn members_of_group(members: &[ShownMember]) -> impl ExactSizeIterator<Item = Link<'_>> {
    members.iter().map(|shown| {
        let kind = match shown.member.kind {
            MemberKind::User => ResourceKind::User,
            MemberKind::Group => ResourceKind::Group,
        };
        Link { kind, id: shown.member.id, display: &shown.display }
    })
}

/// Identifiers a client chooses are bounded, because they are keys of indexes.
pub(super) fn check_identifier(name: &str, value: Option<&str>) -> Result<(), ServiceError> {
    match value {
        Some(text) if text.len() > IDENTIFIER_BYTES => {
            Err(ScimError::invalid_value(format!("{name} may have at most {IDENTIFIER_BYTES} bytes.")).into())
        }
        Some(_) | None => Ok(()),
    }
}
