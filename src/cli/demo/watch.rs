//! Watching the server through its API until everybody holds what they should, with a bar where
//! somebody looks at a terminal and plain lines where not.

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Deserialize;
use serde_json::Value;

use super::cast::Seats;
use crate::base::clock::SharedClock;
use crate::base::secret::SecretString;
use crate::cli::local::say;
use crate::net::{Client, Method, Request, Target};
use crate::sandbox::Sandbox;

/// Longest wait for one act.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks.
pub(super) const LOOK: Duration = Duration::from_millis(60);

/// A task as the API shows it; only what the demo tells.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Task {
    pub(super) hub: String,
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) person: Someone,
    pub(super) cause: String,
    pub(super) superseded_by: Option<String>,
    pub(super) error: Option<Value>,
}

/// Whom a task is about.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Someone {
    pub(super) user_name: String,
}

/// An account as the API shows it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Member {
    pub(super) email: Option<String>,
    pub(super) display: String,
    pub(super) known: String,
    pub(super) role: Option<String>,
    pub(super) reasons: Vec<Reason>,
}

/// One mapping behind an account.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Reason {
    pub(super) subject: String,
    pub(super) app_role: String,
}

#[derive(Deserialize)]
struct Items<T> {
    items: Vec<T>,
    next: Option<String>,
}

/// The API of the demo's server.
pub(super) struct Api {
    client: Client,
    base: Target,
    token: SecretString,
}

impl Api {
    pub(super) fn new(client: Client, base: &str, token: SecretString) -> anyhow::Result<Self> {
        Ok(Self { client, base: Target::parse(base)?.join(&["api", "v1"]), token })
    }

    async fn all<T: for<'de> Deserialize<'de>>(&self, path: &[&str]) -> anyhow::Result<Vec<T>> {
        let mut found = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut query = vec![("limit", "200")];
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let request = Request::new(Method::Get, self.base.join(path).with_query(&query)).bearer(Some(&self.token));
            let answer = self.client.send(request).await?;
            if !answer.is_success() {
                bail!("the API answered {} for {}", answer.status, path.join("/"));
            }
            let page: Items<T> = serde_json::from_slice(&answer.body).context("an answer of the API is odd")?;
            found.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                return Ok(found);
            }
        }
    }

    /// What is at this address.
    pub(super) async fn get<T: for<'de> Deserialize<'de>>(&self, path: &[&str]) -> anyhow::Result<T> {
        let request = Request::new(Method::Get, self.base.join(path)).bearer(Some(&self.token));
        let answer = self.client.send(request).await?;
        if !answer.is_success() {
            bail!("the API answered {} for {}", answer.status, path.join("/"));
        }
        serde_json::from_slice(&answer.body).context("an answer of the API is odd")
    }

    /// Do this; the answer is not looked at beyond its success.
    pub(super) async fn post(&self, path: &[&str], body: &Value) -> anyhow::Result<()> {
        let request = Request::new(Method::Post, self.base.join(path)).bearer(Some(&self.token));
        let answer = self.client.send(request.body("application/json", body.to_string().into_bytes())).await?;
        if !answer.is_success() {
            bail!("the API answered {} for {}", answer.status, path.join("/"));
        }
        Ok(())
    }

    /// All tasks, oldest first or not.
    pub(super) async fn tasks(&self) -> anyhow::Result<Vec<Task>> {
        self.all(&["tasks"]).await
    }

    /// The accounts of a hub.
    pub(super) async fn members(&self, hub: &str) -> anyhow::Result<Vec<Member>> {
        self.all(&["hubs", hub, "members"]).await
    }
}

/// Seats as the app itself sees them.
pub(super) fn seats(sandbox: &Sandbox) -> Seats {
    let state = sandbox.state();
    let mut seats = Seats::new();
    let spaces = state.get("spaces").and_then(Value::as_object);
    for (hub, space) in spaces.into_iter().flatten() {
        let rows = space.get("seats").and_then(Value::as_array);
        for seat in rows.into_iter().flatten() {
            let text = |name: &str| seat.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            seats.insert((hub.clone(), text("userName")), text("role"));
        }
    }
    seats
}

fn is_closed(task: &Task) -> bool {
    matches!(task.status.as_str(), "completed" | "not_completed" | "superseded" | "cancelled")
}

/// Wait until the app's seats are as expected and no task is open; how many tasks this act took
/// and how long.
pub(super) async fn until(
    api: &Api,
    sandbox: &Sandbox,
    expected: &Seats,
    before: usize,
    clock: &SharedClock,
) -> anyhow::Result<usize> {
    let began = clock.monotonic();
    let bar = if std::io::stdout().is_terminal() {
        let style = ProgressStyle::with_template("  {bar:32.green/dim} {pos}/{len} tasks  {msg}")?;
        ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stdout()).with_style(style.progress_chars("━━━"))
    } else {
        ProgressBar::hidden()
    };
    loop {
        let tasks = api.tasks().await?;
        let closed = tasks.iter().filter(|task| is_closed(task)).count();
        let (planned, done) = (tasks.len().saturating_sub(before), closed.saturating_sub(before));
        bar.set_length(u64::try_from(planned).unwrap_or(0));
        bar.set_position(u64::try_from(done).unwrap_or(0));
        let last = tasks.iter().rfind(|task| task.status == "running");
        bar.set_message(last.map(|task| format!("{} {}", task.kind, task.person.user_name)).unwrap_or_default());
        let waited = clock.monotonic().saturating_sub(began);
        if closed == tasks.len() && &seats(sandbox) == expected {
            bar.finish_and_clear();
            say(&format!("  {done} tasks done, {:.1} s after the push", waited.as_secs_f32()));
            return Ok(tasks.len());
        }
        if waited > PATIENCE {
            bar.finish_and_clear();
            let open = tasks.iter().filter(|task| !is_closed(task));
            let open: Vec<String> =
                open.map(|t| format!("  {} {} in {}: {}", t.kind, t.person.user_name, t.hub, t.status)).collect();
            bail!("after {PATIENCE:?} not everybody holds what they should; open tasks:\n{}", open.join("\n"));
        }
        tokio::time::sleep(LOOK).await;
    }
}
