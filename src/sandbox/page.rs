//! The page of seats: plain HTML that a phone shows well and that reloads itself.

use super::assets;
use super::seats::{Seat, Spaces};
use crate::base::clock::Micros;

const STYLE: &str = "
:root{color-scheme:light dark;font:16px/1.45 system-ui,sans-serif}
body{margin:0 auto;max-width:52rem;padding:1rem}
h1{font-size:1.3rem;margin:0 0 .2rem}h2{font-size:1.1rem;margin:1.6rem 0 .4rem}
p{margin:.2rem 0 1rem;opacity:.75}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.45rem .6rem;border-bottom:1px solid color-mix(in srgb,currentColor 18%,transparent)}
th{font-weight:600;font-size:.85rem;opacity:.7}td small{display:block;opacity:.7;word-break:break-all}
.r{font-weight:600}.off td{opacity:.55}
@media(max-width:30rem){th:nth-child(4),td:nth-child(4){display:none}}
";

/// Rows shown for one space; the count above the table tells of the rest.
const ROWS: usize = 500;

pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

fn row(space: &str, seat: &Seat, now: Micros) -> String {
    let state = match (seat.invitation, seat.active()) {
        (_, false) => String::from("suspended"),
        (None, true) => String::from("active"),
        (Some(invitation), true) if invitation.ran_out(now) => String::from("invitation ran out"),
        // Nothing is mailed here: whoever practises follows the link for the invited person.
        (Some(_), true) => format!("<a href=\"/join/{}/{}\">invited</a>", escape(space), escape(&seat.id)),
    };
    let since = seat.created.to_rfc3339();
    let since = since.get(..16).unwrap_or_default().replace('T', " ");
    format!(
        "<tr class=\"{}\"><td>{}<small>{}</small></td><td class=\"r\">{}<small>{}</small></td><td>{state}</td><td>{since}</td></tr>\n",
        if seat.active() { "on" } else { "off" },
        escape(&seat.display()),
        escape(seat.user_name()),
        escape(seat.role().unwrap_or("no role")),
        escape(&assets::words(&seat.document)),
    )
}

/// The whole page.
pub(super) fn render(spaces: &Spaces, now: Micros) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\"><meta http-equiv=\"refresh\" content=\"3\">\
         <title>Sandbox seats</title><style>{STYLE}</style><h1>Sandbox</h1>\
         <p>A practice app: who has a seat, as the app itself sees it.</p>\n"
    );
    if spaces.spaces.is_empty() {
        page.push_str("<p>No space is connected yet.</p>");
    }
    for (name, space) in &spaces.spaces {
        let seats = space.len();
        let noun = if seats == 1 { "seat" } else { "seats" };
        page.push_str(&format!("<h2>{}</h2><p>{seats} {noun}</p>\n", escape(name)));
        if seats > 0 {
            page.push_str(
                "<table><thead><tr><th>Who</th><th>Role</th><th>State</th><th>Since</th></tr></thead><tbody>\n",
            );
            page.extend(space.all().take(ROWS).map(|seat| row(name, seat, now)));
            page.push_str("</tbody></table>\n");
        }
        if seats > ROWS {
            page.push_str(&format!("<p>… and {} more</p>\n", seats - ROWS));
        }
    }
    page.push_str("</html>\n");
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_become_markup() {
        assert_eq!(escape("<b>\"O'Neil\" & co</b>"), "&lt;b&gt;&quot;O&#39;Neil&quot; &amp; co&lt;/b&gt;");
    }
}
