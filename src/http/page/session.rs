//! Signing in and out. The token is typed into a form once and comes back as a sealed cookie that
//! no script can read and no other site can send; it never stands in an address, a log or a page.

use std::sync::LazyLock;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse, web};
use maud::{Markup, PreEscaped, html};
use prometheus::IntCounterVec;

use super::access::{self, PageLeaver};
use super::fields::Fields;
use super::layout;
use super::reply::{self, PageFailure};
use crate::auth::{AuthError, Scope};
use crate::base::limits;
use crate::base::secret::SecretString;
use crate::http::App;
use crate::http::error::Refusal;
use crate::http::transport;
use crate::service::tokens;
use crate::telemetry::metrics;

static REFUSED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Times that the page refused to sign somebody in: no living token, or one of scope scim.";
    metrics::counter("scimhub_page_sign_ins_refused_total", help, &["reason"])
});

/// Why nobody is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// There was no session.
    Never,
    /// The session's time is over, or another installation gave it.
    Session,
    /// Somebody signed out of the sessions of its token.
    SignedOut,
    /// Its token was revoked or expired.
    Token,
}

/// The cookie's name. `__Host-` makes browsers insist on TLS, on this host alone and on `Path=/`.
fn name(app: &App) -> &'static str {
    if is_https(app) { "__Host-scimhub" } else { "scimhub" }
}

fn is_https(app: &App) -> bool {
    app.exposure.tls || app.base_url.starts_with("https://")
}

/// The session's cookie of a request; none where it came twice, which no browser does by itself.
pub fn cookie(headers: &HeaderMap, app: &App) -> Option<String> {
    let wanted = name(app);
    let mut values = headers
        .get_all(header::COOKIE)
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == wanted)
        .map(|(_, value)| value.to_owned());
    let first = values.next()?;
    if values.next().is_some() { None } else { Some(first) }
}

fn set_cookie(app: &App, value: &str, seconds: u64) -> HeaderValue {
    let secure = if is_https(app) { "; Secure" } else { "" };
    let text = format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}", name(app));
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// `GET /sign-in`: the form.
pub async fn form() -> HttpResponse {
    reply::page(StatusCode::OK, sign_in_page("/", None))
}

/// `POST /sign-in`: the token in the form, checked like one in an `Authorization` header.
///
/// # Errors
/// 401 for a token that is none or not any more, 403 for one that the page does not take or for a
/// form of another site, 503 when the token cannot be checked.
pub async fn sign_in(request: HttpRequest, payload: Payload, app: web::Data<App>) -> Result<HttpResponse, PageFailure> {
    access::same_origin(&request, &app)?;
    transport::admit_credential(&app, &request)?;
    let fields = Fields::read(&request, payload.into_inner()).await?;
    let next = own_path(fields.get("next").unwrap_or_default());
    let token = SecretString::new(fields.get("token").unwrap_or_default().trim().to_owned());
    let again = |status, why: &str| Ok(reply::page(status, sign_in_page(&next, Some(why))));
    if token.expose().is_empty() {
        return again(StatusCode::BAD_REQUEST, "Type or paste a token first.");
    }
    let (caller, began) = match app.authenticator.sign_in(token.expose(), access::request_id(&request)).await {
        Ok(signed_in) => signed_in,
        Err(error @ AuthError::Unavailable(_)) => return Err(Refusal::from(error).into()),
        Err(
            AuthError::Missing
            | AuthError::Malformed
            | AuthError::Unknown
            | AuthError::Expired
            | AuthError::Revoked
            | AuthError::PersonGone
            | AuthError::SignedOut,
        ) => {
            refused(&app, &request, "token");
            return again(
                StatusCode::UNAUTHORIZED,
                "This is no token of this server, or it has expired or was revoked.",
            );
        }
    };
    match caller.scope {
        Scope::Admin | Scope::Read => {}
        Scope::Scim => {
            let why = "This token has scope scim: it belongs to an identity provider and opens only SCIM. The page \
                       takes one of scope read (to look) or admin (to act).";
            refused(&app, &request, "scope");
            return again(StatusCode::FORBIDDEN, why);
        }
    }
    let Some(sealed) = app.sessions.seal(&token, began) else {
        return again(StatusCode::UNAUTHORIZED, "This is no token of this server.");
    };
    if let Some(token) = caller.token {
        tracing::info!(token.id = %token, scope = %caller.scope, "signed in to the page with token {token}");
    }
    let cookie = set_cookie(&app, &sealed, limits::PAGE_SESSION.as_secs());
    Ok(reply::see_other(&next).insert_header((header::SET_COOKIE, cookie)).finish())
}

/// Counts and tells that somebody did not get in: from where, and nothing of what was typed.
fn refused(app: &App, request: &HttpRequest, reason: &'static str) {
    REFUSED.with_label_values(&[reason]).inc();
    let client = transport::of(app, request).client.map(tracing::field::display);
    tracing::warn!(client, reason, "refused to sign somebody in to the page");
}

/// `POST /sign-out`: ends every session of the page that this token began, copies of the cookie
/// included, and the browser forgets its own.
///
/// # Errors
/// 503 when the end cannot be written down; the browser keeps its session then, and may try again.
pub async fn sign_out(form: PageLeaver, app: web::Data<App>) -> Result<HttpResponse, PageFailure> {
    tokens::end_sessions(&app.context, &form, form.session.began).await?;
    if let Some(token) = form.token {
        app.authenticator.forget(token);
        tracing::info!(token.id = %token, "signed out of all sessions of the page with token {token}");
    }
    let gone = set_cookie(&app, "", 0);
    Ok(reply::see_other("/sign-in").insert_header((header::SET_COOKIE, gone)).finish())
}

/// The answer where nobody is signed in: 401, with the form that mends it.
pub fn ask(request: &HttpRequest, ended: Ended) -> HttpResponse {
    let next = if request.method().is_safe() {
        request.uri().path_and_query().map_or_else(String::new, |target| target.as_str().to_owned())
    } else {
        String::new()
    };
    let why = match ended {
        Ended::Never => None,
        Ended::Session => Some("Your session has ended: sign in again."),
        Ended::SignedOut => Some("You signed out: sign in again to go on."),
        Ended::Token => Some("The token you signed in with has expired or was revoked."),
    };
    let next = own_path(&next);
    let page = if ended == Ended::Never && came_from_elsewhere(request) {
        // The cookie is not sent along a link of another site; it is when our own page goes on.
        let on = html! { meta http-equiv="refresh" content="0"; };
        layout::bare("Sign in", &on, &html! { section.card.narrow { p { a href=(next) { "Go on" } } } })
    } else {
        sign_in_page(&next, why)
    };
    let mut response = reply::page(StatusCode::UNAUTHORIZED, page);
    let headers = response.headers_mut();
    headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"scimhub\""));
    // The script that looks for news loads the page again, and that one should say why.
    if ended != Ended::Never
        && !request.headers().contains_key("x-live")
        && let Some(app) = request.app_data::<web::Data<App>>()
    {
        headers.insert(header::SET_COOKIE, set_cookie(app, "", 0));
    }
    response
}

fn came_from_elsewhere(request: &HttpRequest) -> bool {
    let says = |name: &str, word: &[u8]| request.headers().get(name).is_some_and(|value| value.as_bytes() == word);
    says("sec-fetch-site", b"cross-site") && says("sec-fetch-mode", b"navigate") && request.method().is_safe()
}

/// A path of this server to go on to; anything else becomes the overview. `//host` and `/\host`
/// would be other servers.
fn own_path(given: &str) -> String {
    let is_own = given.starts_with('/')
        && !given.starts_with("//")
        && given.len() <= 2_048
        && given.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
        && !given.starts_with("/sign-");
    if is_own { given.to_owned() } else { String::from("/") }
}

fn sign_in_page(next: &str, why: Option<&str>) -> Markup {
    let body = html! {
        section.card.narrow {
            h1 { "Sign in" }
            @if let Some(why) = why { p.note.bad role="alert" { (why) } }
            form method="post" action="/sign-in" {
                input type="hidden" name="next" value=(next);
                // Password managers and screen readers look for whose token it is.
                input type="text" name="username" value="scimhub" autocomplete="username" hidden;
                label for="token" { "Token" }
                input #token type="password" name="token" required autocomplete="current-password"
                    spellcheck="false" autofocus;
                button.primary type="submit" { "Sign in" }
            }
            p.hint {
                "A token of scope " b { "read" } " looks, one of scope " b { "admin" } " also releases and rejects. "
                "Make one on the server:"
            }
            pre { code { "scimhub token create --scope admin --name me" } }
            p.hint {
                "It is kept sealed in a cookie of this site for twelve hours, and nowhere else. "
                "Signing out ends every session of this page that the token began, in all browsers."
            }
        }
    };
    layout::bare("Sign in", &PreEscaped(String::new()), &body)
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn going_on_never_leaves_this_server() {
        for own in ["/", "/tasks", "/tasks?status=open&hub=a", "/hubs/x/users/y"] {
            assert_eq!(own_path(own), own);
        }
        for other in
            ["", "tasks", "//evil.example", "/\\evil.example", "https://evil.example", "/a b", "/\r\nX: y", "/sign-out"]
        {
            assert_eq!(own_path(other), "/", "{other:?}");
        }
    }
}
