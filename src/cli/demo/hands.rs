//! Safe hands: a change is looked at before it is made, a mass removal waits for a person, who asks
//! why and then lets it go.

use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::cast::{ADS, Cast};
use super::stage::{self, Folder};
use super::watch::{Api, Someone};
use crate::base::clock::SharedClock;
use crate::cli::local::say;

/// What `scimhub plan --output json` says; only what the demo tells.
#[derive(Deserialize)]
struct Preview {
    effects: Vec<Effect>,
}

#[derive(Deserialize)]
struct Effect {
    hub: String,
    adds: usize,
    promotes: usize,
    demotes: usize,
    removes: usize,
    people: Vec<Moved>,
}

#[derive(Deserialize)]
struct Moved {
    user: String,
}

/// A batch that waits.
#[derive(Deserialize)]
struct Batch {
    id: String,
    hub: String,
    why: String,
    total: usize,
    tasks: Vec<Waiting>,
}

#[derive(Deserialize)]
struct Waiting {
    user: Option<String>,
    person: Someone,
}

#[derive(Deserialize)]
struct Why {
    summary: Vec<String>,
}

/// What would change if everybody in marketing became an editor; nothing does.
pub(super) fn what_if(cast: &Cast, folder: &Folder, file: &str, token: &str) -> anyhow::Result<()> {
    let path = folder.file("what-if.toml");
    let wish = file.replacen(
        "group = \"marketing\"\n  app_role = \"viewer\"",
        "group = \"marketing\"\n  app_role = \"editor\"",
        1,
    );
    std::fs::write(&path, wish)?;
    let path = path.to_str().context("the temporary folder has an odd name")?;
    let text = stage::plan(folder, &[path, "--output", "json"], &[("SANDBOX_TOKEN", token)])?;
    let preview: Preview = serde_json::from_str(&text).context("the plan is odd")?;
    for effect in preview.effects {
        let Effect { hub, adds, promotes, demotes, removes, people } = effect;
        let names: Vec<String> = people.iter().map(|person| cast.display(&person.user)).collect();
        say(&format!(
            "  plan      marketing as editors in {hub}: adds {adds}, promotes {promotes}, demotes {demotes}, removes {removes}"
        ));
        say(&format!("            {}; nothing was changed", names.join(", ")));
    }
    Ok(())
}

/// Wait for the batch the guard holds, show it, ask why about the first in it, and release it.
pub(super) async fn look_and_release(api: &Api, cast: &Cast, held: usize, clock: &SharedClock) -> anyhow::Result<()> {
    let batch = waiting(api, held, clock).await?;
    let names: Vec<String> = batch.tasks.iter().map(|task| cast.display(&task.person.user_name)).collect();
    say(&format!("  guard     holds {} removals in {}: {}", batch.total, batch.hub, batch.why));
    say(&format!("            {}", names.join(", ")));
    let first = batch.tasks.first().context("the batch is empty")?;
    let user = first.user.as_deref().context("somebody without a user")?;
    let why: Why = api.get(&["hubs", ADS, "users", user, "explain"]).await?;
    say(&format!("  explain   {}:", cast.display(&first.person.user_name)));
    for line in why.summary {
        say(&format!("            {line}"));
    }
    api.post(&["held", &batch.id, "release"], &serde_json::json!({"note": "the team moved to another tool"})).await?;
    say("  a person  releases them: the team moved to another tool");
    Ok(())
}

async fn waiting(api: &Api, held: usize, clock: &SharedClock) -> anyhow::Result<Batch> {
    #[derive(Deserialize)]
    struct Held {
        items: Vec<Batch>,
    }
    let began = clock.monotonic();
    loop {
        let found: Held = api.get(&["held"]).await?;
        if let Some(batch) = found.items.into_iter().find(|batch| batch.total == held) {
            return Ok(batch);
        }
        if clock.monotonic().saturating_sub(began) > super::watch::PATIENCE {
            bail!("the guard did not hold {held} removals");
        }
        tokio::time::sleep(super::watch::LOOK).await;
    }
}
