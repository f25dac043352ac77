//! What this machine is and what else it is doing, for the head of the report.

use std::fs;

/// Cores, processor, memory.
pub fn class() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let kib: u64 = memory.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0);
    let processor = field(&read("/proc/cpuinfo"), "model name");
    let processor = if processor.is_empty() { String::from("processor unnamed") } else { processor };
    format!("{cores} cores ({processor}), {} GiB", kib.div_ceil(1024 * 1024))
}

/// The load averages over 1, 5 and 15 minutes.
pub fn busy() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}
