//! `scimhub demo`: the whole story in one command. A throw-away database, the practice app as two
//! hubs, an Okta-shaped and an Entra-shaped push through real HTTP, a move, two leavers, a change
//! that is only looked at, a mass removal that waits for a person, a change that the app refuses and
//! a person makes, and then who holds which seat, and why.

mod by_hand;
mod cast;
mod hands;
mod show;
mod stage;
mod watch;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use self::cast::{ADS, Cast, Provider, SEO};
use self::stage::{Folder, Server};
use self::watch::Api;
use super::local::{self, say};
use crate::base::clock::{SharedClock, SystemClock};
use crate::base::secret::SecretString;
use crate::net::{AddressPolicy, Client};
use crate::sandbox::Sandbox;
use crate::simulate::{Entra, Line, Okta, Person};

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Where the server listens; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS:PORT")]
    listen: String,
    /// End after the table; status 0 only if every task was completed
    #[arg(long)]
    exit: bool,
}

/// Play it.
///
/// # Errors
/// When a part cannot be started, a push is refused, or the seats are not as they should be.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    local::block_on(async {
        // Ended from outside, it ends as it always does: the server with it, and nothing left behind.
        tokio::select! {
            played = play(arguments) => played,
            stopped = stopped() => stopped.map(|()| ExitCode::SUCCESS),
        }
    })
}

/// Ctrl+C, or the end that a terminal, a script or a service manager asks for.
async fn stopped() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be listened for")?;
    let mut hang_up = signal(SignalKind::hangup()).context("SIGHUP cannot be listened for")?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed.context("Ctrl+C cannot be listened for")?,
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
    Ok(())
}

async fn play(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let clock: SharedClock = Arc::new(SystemClock::new());
    say("scimhub demo: groups at two identity providers become seats in an app\n");

    let folder = Folder::new()?;
    let key = stage::secret();
    let sandbox = Sandbox::start("127.0.0.1:0", key.clone(), Arc::clone(&clock))?;
    let server = Server::start(&folder, &arguments.listen)?;
    let client = Client::new(AddressPolicy::with_loopback())?;
    say(&format!("  server       {}", server.base));
    say(&format!("  practice app {}/  connected as two hubs: {ADS}, {SEO}", sandbox.base()));

    let mut cast = Cast::new();
    let file = folder.file("hubs.toml");
    let mappings = cast.mappings(|hub| sandbox.scim(hub));
    std::fs::write(&file, &mappings)?;
    let path = file.to_str().context("the temporary folder has an odd name")?;
    stage::run(&folder, &["apply", path], &[("SANDBOX_TOKEN", key.expose())])?;
    for name in ["okta", "entra"] {
        stage::run(&folder, &["source", "create", name, "--preset", name], &[])?;
    }
    let admin = token(&folder, "admin", "default")?;
    let api = Api::new(client.clone(), &server.base, admin.clone())?;
    let scim = format!("{}/scim/v2", server.base);
    let mut okta = Okta::new(Line::new(client.clone(), &scim, token(&folder, "scim", "okta")?)?);
    let mut entra = Entra::new(Line::new(client.clone(), &scim, token(&folder, "scim", "entra")?)?);

    say("\nFirst push");
    first_push(&cast, &mut okta, &mut entra).await?;
    let done = settled(&api, &sandbox, &cast, 0, &clock, &server).await?;

    say("\nLater");
    later(&mut cast, &okta, &entra).await?;
    let done = settled(&api, &sandbox, &cast, done, &clock, &server).await?;

    say("\nSafe hands");
    hands::what_if(&cast, &folder, &mappings, key.expose())?;
    let out = cast.empty("marketing");
    okta.push_changes("marketing", &[], &out.iter().collect::<Vec<_>>()).await?;
    say("  Okta      everybody is out of marketing");
    hands::look_and_release(&api, &cast, 3, &clock).await?;
    let done = settled(&api, &sandbox, &cast, done, &clock, &server).await?;

    say("\nBy hand");
    let gus = by_hand::refused(&mut cast, &okta, &sandbox).await?;
    let item = by_hand::done(&api, &client, &sandbox, &key, &gus, &clock).await?;
    settled(&api, &sandbox, &cast, done, &clock, &server).await?;
    by_hand::closed(&api, &item).await?;

    let tasks = api.tasks().await?;
    let hubs = [(ADS, api.members(ADS).await?), (SEO, api.members(SEO).await?)];
    say("\nWho has which seat, and why");
    say(&show::table(&cast, &hubs, &tasks));
    say(&format!("{}; {:.1} s in all", show::counts(&tasks), clock.monotonic().as_secs_f32()));
    let failed = show::failed(&tasks);
    if !failed.is_empty() {
        bail!("not every task was completed:\n  {}", failed.join("\n  "));
    }
    if arguments.exit {
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!("\n  the page                      {}/", server.base));
    say(&format!("  a token to sign in with       {}", admin.expose()));
    say(&format!("  seats, as the app sees them   {}/", sandbox.base()));
    say(&format!(
        "  the API                       curl -H 'Authorization: Bearer {}' {}/api/v1/tasks",
        admin.expose(),
        server.base
    ));
    say("\nCtrl+C ends it and throws everything away.");
    std::future::pending().await
}

fn token(folder: &Folder, scope: &str, source: &str) -> anyhow::Result<SecretString> {
    let name = format!("demo-{scope}-{source}");
    let arguments = ["token", "create", "--scope", scope, "--source", source, "--name", &name, "--ttl", "1d"];
    Ok(SecretString::from(stage::run(folder, &arguments, &[])?))
}

async fn settled(
    api: &Api,
    sandbox: &Sandbox,
    cast: &Cast,
    before: usize,
    clock: &SharedClock,
    server: &Server,
) -> anyhow::Result<usize> {
    let waited = watch::until(api, sandbox, &cast.expected(), before, clock).await;
    waited.with_context(|| format!("the server's last words:\n{}", server.last_words()))
}

async fn first_push(cast: &Cast, okta: &mut Okta, entra: &mut Entra) -> anyhow::Result<()> {
    okta.test_connection().await?;
    let people = cast.people(Provider::Okta);
    for person in &people {
        okta.assign(person).await?;
    }
    for team in cast.teams.iter().filter(|team| team.provider == Provider::Okta) {
        okta.push_group(team.name, &cast.members(team)).await?;
    }
    say(&format!("  Okta      {} people, 2 groups: marketing, marketing-leads", people.len()));

    entra.test_connection().await?;
    let people = cast.people(Provider::Entra);
    for person in &people {
        entra.provision(person).await?;
    }
    for (number, team) in cast.teams.iter().filter(|team| team.provider == Provider::Entra).enumerate() {
        let external_id = format!("9a1d2c30-0000-4000-8000-{number:012}");
        entra.provision_group(team.name, &external_id, &cast.members(team)).await?;
    }
    say(&format!("  Entra ID  {} people, 2 groups: research, research-leads", people.len()));
    Ok(())
}

/// A move, seen as "out of one group" before "into the other", and two people who leave.
async fn later(cast: &mut Cast, okta: &Okta, entra: &Entra) -> anyhow::Result<()> {
    let known = |key: &str| -> anyhow::Result<Person> { cast.person(key).cloned().context("somebody is missing") };
    let (ben, dan, leo) = (known("ben")?, known("dan")?, known("leo")?);
    okta.push_changes("marketing", &[], &[&ben]).await?;
    okta.push_changes("marketing-leads", &[&ben], &[]).await?;
    cast.change_team("ben", "marketing", "marketing-leads");
    say("  Okta      Ben moves from marketing to marketing-leads");
    okta.deactivate(&dan).await?;
    cast.leave("dan");
    say("  Okta      Dan leaves");
    entra.disable(&leo).await?;
    cast.leave("leo");
    say("  Entra ID  Leo leaves");
    Ok(())
}
