//! The SCIM user endpoint of the practice app (RFC 7644 section 3), strict on purpose: what it
//! accepts, every other strict app accepts too.

use serde_json::{Map, Value, json};

use super::invitations::nothing_yet;
use super::seats::{Object, Rules, Seat, Space};
use super::{assets, patch};
use crate::base::clock::Micros;

/// The core user's URN.
pub(super) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
const CONFIG: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
const PAGE: usize = 200;

const TEXTS: [&str; 9] = [
    "userName",
    "externalId",
    "displayName",
    "nickName",
    "title",
    "userType",
    "preferredLanguage",
    "locale",
    "timezone",
];

/// A request that reached a space's SCIM endpoint.
#[derive(Debug)]
pub(super) struct Call<'a> {
    /// HTTP method.
    pub(super) method: &'a str,
    /// Path segments behind `/scim/v2`.
    pub(super) path: &'a [&'a str],
    /// Query parameters, decoded.
    pub(super) query: &'a [(String, String)],
    /// `Content-Type` without parameters.
    pub(super) content_type: &'a str,
    /// `If-Match`.
    pub(super) if_match: Option<&'a str>,
    /// `X-Request-Id`.
    pub(super) op_id: Option<&'a str>,
    /// The body.
    pub(super) body: &'a [u8],
    /// This endpoint's address, for `meta.location`.
    pub(super) base: &'a str,
    /// Now.
    pub(super) now: Micros,
}

/// What to answer.
#[derive(Debug, PartialEq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Option<Value>,
    pub(super) etag: Option<String>,
}

impl Reply {
    fn json(status: u16, body: Value) -> Self {
        Self { status, body: Some(body), etag: None }
    }

    fn seat(status: u16, seat: &Seat, call: &Call<'_>) -> Self {
        Self { status, body: Some(seat.render(call.base, call.now)), etag: Some(seat.etag()) }
    }
}

/// A SCIM error (RFC 7644 section 3.12); the status is text there.
pub(super) fn error(status: u16, scim_type: Option<&str>, detail: &str) -> Reply {
    let mut body = json!({"schemas": [ERROR], "status": status.to_string(), "detail": detail});
    if let (Some(kind), Some(map)) = (scim_type, body.as_object_mut()) {
        map.insert(String::from("scimType"), Value::String(kind.to_owned()));
    }
    Reply::json(status, body)
}

/// Answer one call; changes happen before this returns.
pub(super) fn answer(space: &mut Space, rules: &Rules, call: &Call<'_>) -> Reply {
    if rules.invites.hide() {
        // Who can't see an invitation can't see that it ran out either: the app forgets it.
        space.forget_invitations(call.now);
    }
    let done = match (call.method, call.path) {
        ("GET", ["ServiceProviderConfig"]) => Ok(Reply::json(200, config(call.base))),
        ("GET", ["Users"]) => list(space, rules, call),
        ("POST", ["Users"]) => create(space, rules, call),
        ("GET", ["Users", id]) => found(space, rules, id).map(|seat| Reply::seat(200, seat, call)),
        ("PUT", ["Users", id]) => replace(space, rules, call, id),
        ("PATCH", ["Users", id]) => change(space, rules, call, id),
        ("DELETE", ["Users", id]) => remove(space, rules, call, id),
        (_, ["ServiceProviderConfig" | "Users"] | ["Users", _]) => {
            Err(error(405, None, "this method is not for this resource"))
        }
        _ => Err(error(404, None, "there is no such endpoint")),
    };
    done.unwrap_or_else(|refused| refused)
}

fn config(base: &str) -> Value {
    json!({
        "schemas": [CONFIG],
        "patch": {"supported": true},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": true, "maxResults": PAGE},
        "changePassword": {"supported": false},
        "sort": {"supported": false},
        "etag": {"supported": true},
        "authenticationSchemes": [{
            "type": "oauthbearertoken", "name": "Bearer token", "description": "The token the sandbox was started with"
        }],
        "meta": {"resourceType": "ServiceProviderConfig", "location": format!("{base}/ServiceProviderConfig")},
    })
}

fn shown(rules: &Rules, seat: &Seat) -> bool {
    seat.invitation.is_none() || !rules.invites.hide()
}

fn found<'a>(space: &'a Space, rules: &Rules, id: &str) -> Result<&'a Seat, Reply> {
    space.get(id).filter(|seat| shown(rules, seat)).ok_or_else(|| error(404, None, "there is no such user"))
}

fn list(space: &Space, rules: &Rules, call: &Call<'_>) -> Result<Reply, Reply> {
    let parameter = |name: &str| call.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let number = |name: &str, default: usize| -> Result<usize, Reply> {
        match parameter(name) {
            None => Ok(default),
            Some(text) => {
                let read = text.parse::<i64>().map_err(|_| error(400, Some("invalidValue"), "not a whole number"))?;
                Ok(usize::try_from(read).unwrap_or(0))
            }
        }
    };
    let start = number("startIndex", 1)?.max(1);
    let count = number("count", PAGE)?.min(PAGE);
    let (total, page): (usize, Vec<&Seat>) = match parameter("filter") {
        None if rules.invites.hide() => {
            let hits: Vec<&Seat> = space.all().filter(|seat| shown(rules, seat)).collect();
            (hits.len(), hits.into_iter().skip(start - 1).take(count).collect())
        }
        None => (space.len(), space.all().skip(start - 1).take(count).collect()),
        Some(filter) => {
            let hits: Vec<&Seat> = matching(space, filter)?.into_iter().filter(|seat| shown(rules, seat)).collect();
            (hits.len(), hits.into_iter().skip(start - 1).take(count).collect())
        }
    };
    let resources: Vec<Value> = page.into_iter().map(|seat| seat.render(call.base, call.now)).collect();
    Ok(Reply::json(
        200,
        json!({
            "schemas": [LIST],
            "totalResults": total,
            "startIndex": start,
            "itemsPerPage": resources.len(),
            "Resources": resources,
        }),
    ))
}

/// `attribute eq "value"` for the attributes a client looks people up by.
fn matching<'a>(space: &'a Space, filter: &str) -> Result<Vec<&'a Seat>, Reply> {
    let bad = |detail: &str| error(400, Some("invalidFilter"), detail);
    let (attribute, rest) = filter.trim().split_once(' ').ok_or_else(|| bad("attribute, operator and value"))?;
    let (operator, value) = rest.trim_start().split_once(' ').ok_or_else(|| bad("attribute, operator and value"))?;
    // `emails[type eq "work"].value eq "…"` is what one IdP sends; the type does not matter here.
    let (attribute, operator, value) = match attribute.strip_suffix("[type") {
        Some(name) => {
            let tail = value.split_once("].value ").map(|(_, tail)| tail).ok_or_else(|| bad("unknown value path"))?;
            let (operator, value) = tail.split_once(' ').ok_or_else(|| bad("attribute, operator and value"))?;
            (name, operator, value)
        }
        None => (attribute, operator, value),
    };
    if !operator.eq_ignore_ascii_case("eq") {
        return Err(bad("only eq is supported"));
    }
    let Ok(Value::String(value)) = serde_json::from_str(value.trim()) else {
        return Err(bad("the value must be one string in double quotes"));
    };
    match attribute.to_ascii_lowercase().as_str() {
        "username" => Ok(space.named(&value)),
        "externalid" => Ok(space.external(&value)),
        "id" => Ok(space.get(&value).into_iter().collect()),
        "emails" | "emails.value" => {
            let wanted = value.to_lowercase();
            Ok(space.all().filter(|s| s.emails().iter().any(|e| e.to_lowercase() == wanted)).collect())
        }
        _ => Err(bad("only userName, externalId, id and emails can be filtered by")),
    }
}

fn body(call: &Call<'_>) -> Result<Object, Reply> {
    if !matches!(call.content_type, "application/scim+json" | "application/json") {
        return Err(error(415, None, "send application/scim+json"));
    }
    match serde_json::from_slice(call.body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(error(400, Some("invalidSyntax"), "the body must be an object")),
        Err(_) => Err(error(400, Some("invalidSyntax"), "the body is not JSON")),
    }
}

/// Keep what the app stores, refuse what it does not understand.
fn document(call: &Call<'_>, rules: &Rules) -> Result<Object, Reply> {
    let sent = body(call)?;
    let declared = sent.get("schemas").and_then(Value::as_array);
    if !declared.is_some_and(|schemas| schemas.iter().any(|s| s.as_str() == Some(USER))) {
        return Err(error(400, Some("invalidSyntax"), "schemas must name the core User"));
    }
    let kept: Object =
        sent.into_iter().filter(|(name, _)| !matches!(name.as_str(), "schemas" | "id" | "meta" | "groups")).collect();
    check(&kept, rules)?;
    Ok(kept)
}

/// Every rule of a stored user.
pub(super) fn check(document: &Object, rules: &Rules) -> Result<(), Reply> {
    let invalid = |detail: String| error(400, Some("invalidValue"), &detail);
    for (name, value) in document {
        let fits = match (name.as_str(), value) {
            (name, Value::String(text)) if TEXTS.contains(&name) => text.len() <= 1024,
            ("active", Value::Bool(_)) => true,
            ("name", Value::Object(parts)) => parts.values().all(Value::is_string),
            ("emails" | "phoneNumbers" | "roles" | "entitlements", Value::Array(items)) => items.iter().all(|item| {
                item.get("value").is_some_and(Value::is_string)
                    && item.get("primary").is_none_or(Value::is_boolean)
                    && item.as_object().is_some_and(|parts| parts.values().all(|p| !p.is_null()))
            }),
            (urn, Value::Object(_)) => urn.starts_with("urn:"),
            _ => false,
        };
        if !fits {
            return Err(invalid(format!("{name} is unknown here or has the wrong type")));
        }
    }
    if document.get("userName").and_then(Value::as_str).is_none_or(|name| name.trim().is_empty()) {
        return Err(invalid(String::from("userName is required")));
    }
    let roles = document.get("roles").and_then(Value::as_array).into_iter().flatten();
    for role in roles.filter_map(|role| role.get("value").and_then(Value::as_str)) {
        if !rules.roles.is_empty() && !rules.roles.iter().any(|known| known == role) {
            return Err(invalid(format!("there is no role '{role}'")));
        }
    }
    match &rules.assets {
        Some(kinds) => assets::check(document, kinds).map_err(invalid),
        None => Ok(()),
    }
}

fn unique(space: &Space, rules: &Rules, document: &Object, own: Option<&str>) -> Result<(), Reply> {
    let name = document.get("userName").and_then(Value::as_str).unwrap_or_default();
    let taken = space.named(name).iter().any(|seat| Some(seat.id.as_str()) != own);
    if rules.unique && taken { Err(error(409, Some("uniqueness"), "this userName has a seat already")) } else { Ok(()) }
}

fn create(space: &mut Space, rules: &Rules, call: &Call<'_>) -> Result<Reply, Reply> {
    let mut document = document(call, rules)?;
    unique(space, rules, &document, None)?;
    if let Some(missing) = rules.needs.iter().find(|path| !has_text(&document, path)) {
        return Err(error(400, Some("invalidValue"), &format!("nobody is added here without {missing}")));
    }
    if rules.seats.is_some_and(|bought| space.len() >= bought) {
        return Err(error(403, None, "no free seat: all seats of this plan are taken"));
    }
    document.entry("active").or_insert(Value::Bool(true));
    let seat = space.insert(document, rules.invites.send(call.now), call.op_id.map(String::from), call.now);
    Ok(Reply::seat(201, &seat, call))
}

fn has_text(document: &Object, path: &str) -> bool {
    let found = match path.rsplit_once(':') {
        Some((urn, name)) => document.get(urn).and_then(|extension| extension.get(name)),
        None => document.get(path),
    };
    found.and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty())
}

fn matches_version(call: &Call<'_>, seat: &Seat) -> Result<(), Reply> {
    match call.if_match {
        Some(wanted) if wanted != "*" && wanted != seat.etag() => {
            Err(error(412, None, "the user changed since it was read"))
        }
        _ => Ok(()),
    }
}

fn replace(space: &mut Space, rules: &Rules, call: &Call<'_>, id: &str) -> Result<Reply, Reply> {
    matches_version(call, found(space, rules, id)?)?;
    let mut document = document(call, rules)?;
    unique(space, rules, &document, Some(id))?;
    document.entry("active").or_insert(Value::Bool(true));
    put(space, call, id, document)
}

fn change(space: &mut Space, rules: &Rules, call: &Call<'_>, id: &str) -> Result<Reply, Reply> {
    let seat = found(space, rules, id)?;
    matches_version(call, seat)?;
    let document = patch::apply(&seat.document, &body(call)?)?;
    check(&document, rules)?;
    unique(space, rules, &document, Some(id))?;
    put(space, call, id, document)
}

fn put(space: &mut Space, call: &Call<'_>, id: &str, document: Map<String, Value>) -> Result<Reply, Reply> {
    if let Some(before) = space.get(id) {
        nothing_yet(before, &document)?;
    }
    let seat =
        space.update(id, document, call.op_id, call.now).ok_or_else(|| error(404, None, "there is no such user"))?;
    Ok(Reply::seat(200, &seat, call))
}

fn remove(space: &mut Space, rules: &Rules, call: &Call<'_>, id: &str) -> Result<Reply, Reply> {
    matches_version(call, found(space, rules, id)?)?;
    space.remove(id, call.op_id.map(String::from), call.now);
    Ok(Reply { status: 204, body: None, etag: None })
}
