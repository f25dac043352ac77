//! A closed loop: so many clients, each asks again when it was answered, until the time is over.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::process::Process;
use super::wire::{Request, Target, Wire};

/// What came out.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Requests answered.
    pub count: usize,
    /// In this time.
    pub took: Duration,
    /// CPU of the server process for each, in microseconds.
    pub cpu: f64,
    /// Microseconds to the answer, sorted.
    times: Vec<u32>,
}

impl Tally {
    /// Requests a second.
    pub fn rate(&self) -> f64 {
        self.count as f64 / self.took.as_secs_f64()
    }

    /// Milliseconds that this share of the requests took at most.
    pub fn within(&self, share: f64) -> f64 {
        let at = ((self.times.len() as f64 * share) as usize).min(self.times.len().saturating_sub(1));
        self.times.get(at).map_or(0.0, |us| f64::from(*us) / 1000.0)
    }

    pub fn median(&self) -> f64 {
        self.within(0.5)
    }

    /// For a note: rate, median, 99th percentile, CPU.
    pub fn shown(&self) -> String {
        format!(
            "{:.0}/s, p50 {:.2} ms, p99 {:.1} ms, {:.0} us CPU",
            self.rate(),
            self.median(),
            self.within(0.99),
            self.cpu
        )
    }
}

/// How long and how wide.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub clients: usize,
    pub span: Duration,
    /// Requests at most.
    pub most: usize,
}

impl Load {
    pub const fn of(clients: usize, span: Duration) -> Self {
        Self { clients, span, most: 5_000_000 }
    }

    pub const fn count(clients: usize, most: usize) -> Self {
        Self { clients, span: Duration::from_secs(300), most }
    }
}

/// Run `work` on a runtime of one thread: the driver is never more than one core.
pub fn block<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Drive `process` with `requests`, which makes the nth request. Every reply must be a success.
pub fn drive(process: &Process, load: Load, requests: impl Fn(usize) -> Request) -> anyhow::Result<Tally> {
    block(async {
        let (next, times) = (Cell::new(0), RefCell::new(Vec::new()));
        let mut wires = Vec::new();
        for _ in 0..load.clients {
            wires.push(Wire::open(process.target()).await?);
        }
        let (began, before) = (Instant::now(), process.cpu());
        let clients = wires.into_iter().map(|wire| client(wire, load, began, &next, &times, &requests));
        for ended in futures_util::future::join_all(clients).await {
            ended?;
        }
        let took = began.elapsed();
        let cpu = process.cpu() - before;
        let mut times = times.into_inner();
        times.sort_unstable();
        let count = times.len();
        ensure!(count > 0, "no request was answered in time");
        Ok(Tally { count, took, cpu: cpu.as_secs_f64() * 1e6 / count as f64, times })
    })
}

async fn client(
    mut wire: Wire,
    load: Load,
    began: Instant,
    next: &Cell<usize>,
    times: &RefCell<Vec<u32>>,
    requests: &impl Fn(usize) -> Request,
) -> anyhow::Result<()> {
    loop {
        let number = next.get();
        if number >= load.most || began.elapsed() >= load.span {
            return Ok(());
        }
        next.set(number + 1);
        let request = requests(number);
        let sent = Instant::now();
        let (status, body) = wire.ask(&request).await?;
        let took = sent.elapsed();
        ensure!(
            (200..300).contains(&status),
            "{} {}: {status} {}",
            request.method,
            request.path,
            String::from_utf8_lossy(body)
        );
        times.borrow_mut().push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }
}

/// One request on a connection of its own; the reply as JSON.
pub fn once(target: &Target, request: &Request) -> anyhow::Result<serde_json::Value> {
    block(async { Wire::open(target).await?.json(request).await })
}
