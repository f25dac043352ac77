//! From the reply to a membership change to the first call of the app, on an idle server.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use scimhub::base::clock::SystemClock;
use scimhub::base::secret::SecretString;
use scimhub::sandbox::Sandbox;

use super::Stage;
use crate::driver::block;
use crate::fill::Filler;
use crate::installation::Installation;
use crate::person;
use crate::process::{run as command, scimhub};
use crate::report::{Budget, Spread};
use crate::wire::{Request, Wire};

const TOKEN: &str = "load-practice-token";
/// Quiet before each change: the engine is idle.
const QUIET: Duration = Duration::from_millis(150);

pub fn run(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let rounds = if stage.options.quick { 8 } else { 30 };
    let people = rounds * usize::from(stage.options.reps);
    let sandbox = Sandbox::start("127.0.0.1:0", SecretString::from(TOKEN.to_owned()), Arc::new(SystemClock::new()))?;
    let (door, calls) = door(&sandbox.base())?;
    let database = (stage.database)()?;
    let ids: Vec<String> = block(async {
        let filler = Filler::new(database.open()).await?;
        filler.group("engineers", &[]).await?;
        Ok(filler.users("p", people, stage.report.progress()).await?.iter().map(ToString::to_string).collect())
    })?;
    let file = database.folder().join("hubs.toml");
    std::fs::write(&file, hub_file(&door))?;
    command(scimhub(&stage.options.binary(), &database, &["apply", "hubs.toml"]).env("LOAD_APP_TOKEN", TOKEN))?;
    let at = Installation::serve(stage, database, ids, &["--app-network", "127.0.0.0/8"])?;
    stage.note("idle latency");
    let path = "/scim/v2/Groups?filter=displayName%20eq%20%22engineers%22&excludedAttributes=members";
    let group = at.ask(&Request::get(path))?["Resources"][0]["id"].as_str().context("the group")?.to_owned();
    let reps = stage.repeat(|rep| {
        let some = &at.people[rep * rounds..(rep + 1) * rounds];
        block(async {
            let mut wire = Wire::open(at.target()).await?;
            let (mut after_reply, mut in_all) = (Vec::new(), Vec::new());
            for id in some {
                std::thread::sleep(QUIET);
                while calls.try_recv().is_ok() {}
                let sent = Instant::now();
                wire.json(&Request::with("PATCH", format!("/scim/v2/Groups/{group}"), &person::add(&[id]))).await?;
                let replied = Instant::now();
                let called = calls.recv_timeout(Duration::from_secs(10)).context("the app was not called")?;
                after_reply.push(called.saturating_duration_since(replied).as_secs_f64() * 1_000.0);
                in_all.push(called.saturating_duration_since(sent).as_secs_f64() * 1_000.0);
            }
            Ok((Spread::of(&after_reply), Spread::of(&in_all)))
        })
    })?;
    let state = sandbox.state();
    ensure!(state.to_string().contains("@example.com"), "nobody has a seat: {state}");
    let medians = reps.iter().map(|(after, _)| after.median).collect();
    let (after, in_all) = reps[reps.len() / 2];
    let note = format!("{rounds} changes; worst {:.1} ms; from sending the change {:.1} ms", after.max, in_all.median);
    let what = "reply to a membership change to the first outgoing call, idle";
    stage.add(what, " ms", medians, Budget::AtMost(50.0, 10.0, 3.0), note);
    stage.report.progress().step();
    Ok(())
}

fn hub_file(door: &str) -> String {
    format!(
        "[[hub]]\nid = \"practice\"\napp = \"sandbox\"\nlabel = \"Practice\"\nlogin = \"sso\"\nmode = \"active\"\n\
         settle = \"0s\"\nconnection = {{ base_url = \"http://{door}/load/scim/v2\", \
         token = {{ env = \"LOAD_APP_TOKEN\" }} }}\n\n  [[hub.mapping]]\n  group = \"engineers\"\n  \
         app_role = \"viewer\"\n"
    )
}

/// A door before the practice app that notes when something is sent through it.
fn door(inside: &str) -> anyhow::Result<(String, Receiver<Instant>)> {
    let inside = inside.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let (sender, calls) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (sender, inside) = (sender.clone(), inside.clone());
            std::thread::spawn(move || pass(&stream, &inside, &sender));
        }
    });
    Ok((address, calls))
}

fn pass(outside: &TcpStream, inside: &str, sender: &Sender<Instant>) -> Option<()> {
    let inner = TcpStream::connect(inside).ok()?;
    inner.set_nodelay(true).ok()?;
    outside.set_nodelay(true).ok()?;
    let (mut from, mut to) = (inner.try_clone().ok()?, outside.try_clone().ok()?);
    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    let (mut from, mut to) = (outside, inner);
    let mut buffer = [0u8; 16 * 1024];
    loop {
        let count = from.read(&mut buffer).ok().filter(|count| *count > 0)?;
        let _ = sender.send(Instant::now());
        to.write_all(&buffer[..count]).ok()?;
    }
}
