//! A throw-away database, people in it, and the release binary serving it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::driver;
use super::fill::Filler;
use super::process::{Process, run, scimhub};
use super::report::Progress;
use super::rows::Stage;
use super::support::Database;
use super::wire::{Request, Target};

/// A served database. The process ends before the database goes.
pub struct Installation {
    pub server: Process,
    /// Ids of the people it was filled with, in order.
    pub people: Vec<String>,
    token: String,
    binary: PathBuf,
    more: &'static [&'static str],
    pub database: Database,
}

fn command(binary: &Path, database: &Database, more: &[&str]) -> Command {
    let mut command = scimhub(binary, database, &["serve", "--listen", "127.0.0.1:0"]);
    command.args(more);
    command
}

impl Installation {
    /// Fill a new database with `count` people and serve it.
    pub fn start(stage: &Stage<'_>, count: usize) -> anyhow::Result<Self> {
        let database = (stage.database)()?;
        let progress = stage.report.progress();
        let people = driver::block(async {
            let filler = Filler::new(database.open()).await?;
            let people = filler.users("p", count, progress).await?;
            filler.analyze().await?;
            Ok(people)
        })?;
        let people = people.iter().map(ToString::to_string).collect();
        Self::serve(stage, database, people, &[])
    }

    /// Serve a database that is ready, with more arguments.
    pub fn serve(
        stage: &Stage<'_>,
        database: Database,
        people: Vec<String>,
        more: &'static [&'static str],
    ) -> anyhow::Result<Self> {
        let binary = stage.options.binary();
        let token = run(&mut scimhub(&binary, &database, &["token", "create", "--scope", "scim", "--name", "load"]))?;
        let server = Process::start(&mut command(&binary, &database, more), &token)?;
        Ok(Self { server, people, token, binary, more, database })
    }

    /// End the server and start it again; what it remembered is gone.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        // The old one holds the file's lock.
        self.server.end();
        self.server = Process::start(&mut command(&self.binary, &self.database, self.more), &self.token)?;
        Ok(())
    }

    pub fn target(&self) -> &Target {
        self.server.target()
    }

    pub fn ask(&self, request: &Request) -> anyhow::Result<serde_json::Value> {
        driver::once(self.target(), request)
    }

    /// Put groups into the database beside the running server: `count` of `size` members each,
    /// drawn around the circle of people so that everybody is in about as many.
    pub fn groups(&self, count: usize, size: usize, progress: &Progress) -> anyhow::Result<Vec<String>> {
        let people: Vec<scimhub::base::ids::UserId> =
            self.people.iter().map(|id| id.parse()).collect::<Result<_, _>>().map_err(|_| anyhow::anyhow!("an id"))?;
        driver::block(async {
            let filler = Filler::new(self.database.open()).await?;
            let mut made = Vec::new();
            for number in 0..count {
                let first = number * people.len() / count;
                let members: Vec<_> = people.iter().cycle().skip(first).take(size).copied().collect();
                made.push(filler.group(&format!("group {size} {number}"), &members).await?.to_string());
                progress.note(&format!("filling: {} of {} memberships", (number + 1) * size, count * size));
            }
            filler.analyze().await?;
            Ok(made)
        })
    }
}
