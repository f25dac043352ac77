//! Callers of the page: a cookie in place of the `Authorization` header, and for every form the
//! proof that it is ours. A handler of the page begins with one of these or does not compile into
//! the table of routes; the cookie is looked at nowhere else.

use std::collections::BTreeSet;
use std::future::{Future, Ready, ready};
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, HttpResponse, web};

use super::fields::Fields;
use super::reply::PageFailure;
use super::session;
use crate::auth::{AuthError, Caller, Opened, Scope};
use crate::base::clock::Micros;
use crate::http::App;
use crate::http::error::Refusal;
use crate::http::extract::RequestId;
use crate::http::extract::caller::{Access, Guard};
use crate::http::transport;
use crate::service::rights;
use crate::service::rules::{Action, Verdict};

/// The field of a form that carries its proof.
pub const PROOF: &str = "proof";

/// A signed-in person's session, as far as views need it.
#[derive(Clone, Debug)]
pub struct Session {
    /// What the forms of this session carry.
    pub proof: Arc<str>,
    /// When it began.
    pub began: Micros,
    /// The cookie's value; compared with proofs, never shown.
    sealed: Arc<str>,
}

impl Session {
    /// A seal under words that the next page of this session shows.
    pub fn seal_words(&self, app: &App, words: &str) -> String {
        app.sessions.seal_words(&self.sealed, words)
    }

    /// Whether a form of this session led to these words; a link that somebody made up did not.
    pub fn said(&self, app: &App, words: &str, seal: Option<&str>) -> bool {
        seal.is_some_and(|seal| app.sessions.said(&self.sealed, words, seal))
    }
}

/// Around every route of the page that is not open: finds out who is signed in before anything
/// else of the request is read. Without a living session the answer is the sign-in form, as 401.
///
/// # Errors
/// None of its own; a refusal is a reply.
pub async fn signed_in(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match found(request.request()).await {
        Ok((caller, session)) => {
            if let Some(token) = caller.token {
                tracing::Span::current().record("token.id", tracing::field::display(token));
            }
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(session);
        }
        Err(response) => return Ok(request.into_response(response)),
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

async fn found(request: &HttpRequest) -> Result<(Caller, Session), HttpResponse> {
    let no_session = |ended| session::ask(request, ended);
    let Some(app) = request.app_data::<web::Data<App>>() else { return Err(no_session(session::Ended::Never)) };
    let Some(sealed) = session::cookie(request.headers(), app) else {
        return Err(no_session(session::Ended::Never));
    };
    transport::admit_credential(app, request).map_err(|refusal| super::refuse(&refusal))?;
    let Some(Opened { token, began }) = app.sessions.open(&sealed, app.clock.now()) else {
        return Err(no_session(session::Ended::Session));
    };
    match app.authenticator.resume(token.expose(), began, request_id(request)).await {
        Ok(caller) => {
            let proof = app.sessions.form_proof(&sealed).into();
            Ok((caller, Session { proof, began, sealed: sealed.into() }))
        }
        Err(error @ AuthError::Unavailable(_)) => Err(super::refuse(&error.into())),
        Err(AuthError::SignedOut) => Err(no_session(session::Ended::SignedOut)),
        Err(
            AuthError::Missing
            | AuthError::Malformed
            | AuthError::Unknown
            | AuthError::Expired
            | AuthError::Revoked
            | AuthError::PersonGone,
        ) => Err(no_session(session::Ended::Token)),
    }
}

/// The id of this request, as the entry gave it.
pub fn request_id(request: &HttpRequest) -> Arc<str> {
    request.extensions().get::<RequestId>().map_or_else(|| Arc::from("unknown"), |id| Arc::clone(&id.0))
}

/// The caller of a request that passed [`signed_in`], if its scope is enough.
fn caller(request: &HttpRequest, access: Access) -> Result<(Caller, Session), Refusal> {
    let extensions = request.extensions();
    let caller = extensions.get::<Caller>().cloned().ok_or_else(Refusal::unauthorized)?;
    let session = extensions.get::<Session>().cloned().ok_or_else(Refusal::unauthorized)?;
    if access.allows(caller.scope) {
        return Ok((caller, session));
    }
    let detail = match caller.scope {
        Scope::Read => "the token that you signed in with may only look; sign in with one of scope admin to act",
        Scope::Scim | Scope::Admin => "the token that you signed in with may not do this",
    };
    Err(Refusal::new(StatusCode::FORBIDDEN, detail))
}

/// Whether a browser says that the form stood on a page of ours. A browser that says nothing is
/// believed: the proof in the form decides then, and `SameSite=Strict` on the cookie.
///
/// # Errors
/// 403 when it says otherwise.
pub fn same_origin(request: &HttpRequest, app: &App) -> Result<(), Refusal> {
    let foreign = || Err(Refusal::new(StatusCode::FORBIDDEN, "this form was not sent from this server's own page"));
    let headers = request.headers();
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return foreign();
    }
    match headers.get(header::ORIGIN).map(HeaderValue::to_str) {
        None => Ok(()),
        Some(Ok(origin)) if is_ours(origin, headers, app) => Ok(()),
        Some(_) => foreign(),
    }
}

/// Our origin is that of the public URL; or, where a server is called by another name (localhost
/// instead of 127.0.0.1), the one that the browser itself called.
fn is_ours(origin: &str, headers: &HeaderMap, app: &App) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let public = app.base_url.split_once("://").map(|(scheme, rest)| (scheme, rest.split('/').next().unwrap_or(rest)));
    if public == Some((scheme, authority)) {
        return true;
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    matches!(scheme, "http" | "https") && host == Some(authority)
}

/// May look: scope `read` or `admin`.
#[derive(Clone, Debug)]
pub struct PageReader {
    caller: Caller,
    /// The session.
    pub session: Session,
}

impl PageReader {
    /// Whether a form or button for this is shown, in the hub that the page is about: what the route behind it
    /// would answer.
    pub fn can(&self, action: Action) -> bool {
        Access::PageAct.allows(self.caller.scope) && self.caller.may(action) == Verdict::Yes
    }

    /// The same for pages over several hubs: those of these in which it is offered.
    ///
    /// # Errors
    /// As the looking up of rights.
    pub async fn can_in(
        &self,
        app: &App,
        action: Action,
        hubs: impl IntoIterator<Item = &String>,
    ) -> Result<BTreeSet<String>, PageFailure> {
        if !Access::PageAct.allows(self.caller.scope) {
            return Ok(BTreeSet::new());
        }
        let hubs = hubs.into_iter().cloned().collect();
        Ok(rights::hubs_where(&app.context, &self.caller, action, hubs).await?)
    }
}

impl Deref for PageReader {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl Guard for PageReader {
    const ACCESS: Access = Access::PageRead;
}

impl FromRequest for PageReader {
    type Error = PageFailure;
    type Future = Ready<Result<Self, PageFailure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(caller(request, Self::ACCESS).map(|(caller, session)| Self { caller, session }).map_err(PageFailure))
    }
}

macro_rules! form {
    ($(#[$doc:meta])* $name:ident, $access:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            caller: Caller,
            /// The session whose form it is.
            pub session: Session,
            /// What was filled in.
            pub fields: Fields,
        }

        impl Deref for $name {
            type Target = Caller;

            fn deref(&self) -> &Caller {
                &self.caller
            }
        }

        impl Guard for $name {
            const ACCESS: Access = $access;
        }

        impl FromRequest for $name {
            type Error = PageFailure;
            type Future = Pin<Box<dyn Future<Output = Result<Self, PageFailure>>>>;

            fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
                let (request, payload) = (request.clone(), payload.take());
                Box::pin(async move {
                    let (caller, session, fields) = proved(&request, payload, Self::ACCESS).await?;
                    Ok(Self { caller, session, fields })
                })
            }
        }
    };
}

form!(
    /// Acts, with a form of ours: scope `admin`.
    PageActor,
    Access::PageAct
);
impl PageActor {
    /// The same person, for a view that is shown in answer to the form.
    pub fn reader(&self) -> PageReader {
        PageReader { caller: self.caller.clone(), session: self.session.clone() }
    }
}

form!(
    /// Ends the session, with a form of ours: scope `read` or `admin`.
    PageLeaver,
    Access::PageLeave
);

/// Scope first, then where the form stood, and only then its fields and their proof.
async fn proved(request: &HttpRequest, payload: Payload, access: Access) -> Result<(Caller, Session, Fields), Refusal> {
    let (caller, session) = caller(request, access)?;
    let app = request.app_data::<web::Data<App>>().ok_or_else(Refusal::unauthorized)?;
    same_origin(request, app)?;
    let fields = Fields::read(request, payload).await?;
    if !app.sessions.proves(&session.sealed, fields.get(PROOF).unwrap_or_default()) {
        let detail = "this form is not of your session; go back, load the page anew and try again";
        return Err(Refusal::new(StatusCode::FORBIDDEN, detail));
    }
    Ok((caller, session, fields))
}
