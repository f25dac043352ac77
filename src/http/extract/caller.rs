//! Callers by what they may do. The credential was checked before (`http::entry`); these only
//! compare its scope with what the route needs, and are ready at once, so that a refusal comes
//! before any other extractor looks at body or query.

use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use crate::auth::{Caller, Scope};
use crate::http::error::{ApiFailure, Refusal, ScimFailure};
use crate::http::openapi::parts::{Described, Parts};

/// What a route needs, as the table of routes shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing. Only the routes that DESIGN.md section 5 names.
    Open,
    /// The scope `scim`.
    ScimWrite,
    /// The scope `scim`, `read` or `admin`.
    ScimRead,
    /// The scope `admin`.
    ApiAdmin,
    /// The scope `read` or `admin`.
    ApiRead,
    /// A session of the page whose token has the scope `read` or `admin`.
    PageRead,
    /// A session with the scope `admin`, and a form of that session.
    PageAct,
    /// Any session, and a form of that session: signing out.
    PageLeave,
}

impl Access {
    /// Whether a credential of this scope may pass.
    pub const fn allows(self, scope: Scope) -> bool {
        match (self, scope) {
            (Self::Open | Self::ScimRead, Scope::Scim | Scope::Admin | Scope::Read)
            | (Self::ScimWrite, Scope::Scim)
            | (Self::ApiAdmin | Self::PageAct, Scope::Admin)
            | (Self::ApiRead | Self::PageRead | Self::PageLeave, Scope::Admin | Scope::Read) => true,
            (Self::ScimWrite, Scope::Admin | Scope::Read)
            | (Self::ApiAdmin | Self::PageAct, Scope::Scim | Scope::Read)
            | (Self::ApiRead | Self::PageRead | Self::PageLeave, Scope::Scim) => false,
        }
    }

    /// Whether the credential is the page's cookie instead of an `Authorization` header.
    pub const fn is_page(self) -> bool {
        match self {
            Self::PageRead | Self::PageAct | Self::PageLeave => true,
            Self::Open | Self::ScimWrite | Self::ScimRead | Self::ApiAdmin | Self::ApiRead => false,
        }
    }

    fn caller(self, request: &HttpRequest) -> Result<Caller, Refusal> {
        let caller = request.extensions().get::<Caller>().cloned().ok_or_else(Refusal::unauthorized)?;
        if self.allows(caller.scope) {
            return Ok(caller);
        }
        let needed = Scope::ALL.into_iter().filter(|scope| self.allows(*scope)).map(Scope::as_str);
        let needed = needed.collect::<Vec<_>>().join(" or ");
        Err(Refusal::new(
            StatusCode::FORBIDDEN,
            format!("this needs a token of scope {needed}; the one given has scope {}", caller.scope),
        ))
    }
}

/// An extractor that stands for a caller: what a handler's first argument must be.
pub trait Guard {
    /// What it demands.
    const ACCESS: Access;
}

/// A list of extractors that begins with a caller.
pub trait Guarded {
    /// What the first of them demands.
    const ACCESS: Access;

    /// What all of them take, for the description of the API.
    fn describe(parts: &mut Parts);
}

macro_rules! guarded {
    ($($rest:ident),*) => {
        impl<First: Guard, $($rest: Described),*> Guarded for (First, $($rest,)*) {
            const ACCESS: Access = First::ACCESS;

            fn describe(parts: &mut Parts) {
                let _ = &parts;
                $(<$rest as Described>::describe(parts);)*
            }
        }
    };
}

guarded!();
guarded!(A);
guarded!(A, B);
guarded!(A, B, C);
guarded!(A, B, C, D);
guarded!(A, B, C, D, E);
guarded!(A, B, C, D, E, F);
guarded!(A, B, C, D, E, F, G);

macro_rules! caller {
    ($(#[$doc:meta])* $name:ident, $access:expr, $failure:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(pub Caller);

        impl Deref for $name {
            type Target = Caller;

            fn deref(&self) -> &Caller {
                &self.0
            }
        }

        impl Guard for $name {
            const ACCESS: Access = $access;
        }

        impl FromRequest for $name {
            type Error = $failure;
            type Future = Ready<Result<Self, $failure>>;

            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                ready(Self::ACCESS.caller(request).map(Self).map_err($failure))
            }
        }
    };
}

caller!(
    /// May change SCIM resources of its source: scope `scim`.
    ScimCaller,
    Access::ScimWrite,
    ScimFailure
);
caller!(
    /// May read SCIM resources: any scope. `sees()` says which source's.
    ScimReader,
    Access::ScimRead,
    ScimFailure
);
caller!(
    /// May use the whole API: scope `admin`.
    ApiAdmin,
    Access::ApiAdmin,
    ApiFailure
);
caller!(
    /// May read the API: scope `read` or `admin`.
    ApiReader,
    Access::ApiRead,
    ApiFailure
);
