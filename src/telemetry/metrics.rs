//! Prometheus metrics. Every layer that counts asks for its counter by name once and keeps it;
//! labels hold only closed sets of words, never ids, names or addresses.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use prometheus::{Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};

/// The media type of [`text`].
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

static ALL: LazyLock<Registered> = LazyLock::new(Registered::default);

#[derive(Default)]
struct Registered {
    registry: Registry,
    counters: Mutex<HashMap<&'static str, IntCounterVec>>,
    gauges: Mutex<HashMap<&'static str, IntGaugeVec>>,
    histograms: Mutex<HashMap<&'static str, HistogramVec>>,
}

/// The counter of this name; the first call fixes its labels. Keep it, e.g. in a `LazyLock`.
///
/// # Panics
/// When the name or a label breaks Prometheus's grammar, or one name is used for two kinds: a
/// mistake in the program that its first use shows.
pub fn counter(name: &'static str, help: &'static str, labels: &[&str]) -> IntCounterVec {
    once(&ALL.counters, name, || IntCounterVec::new(Opts::new(name, help), labels))
}

/// The gauge of this name; otherwise as [`counter`].
///
/// # Panics
/// As [`counter`].
pub fn gauge(name: &'static str, help: &'static str, labels: &[&str]) -> IntGaugeVec {
    once(&ALL.gauges, name, || IntGaugeVec::new(Opts::new(name, help), labels))
}

/// The histogram of seconds of this name, with buckets from half a millisecond to half a minute.
///
/// # Panics
/// As [`counter`].
pub fn seconds(name: &'static str, help: &'static str, labels: &[&str]) -> HistogramVec {
    const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0];
    once(&ALL.histograms, name, || HistogramVec::new(HistogramOpts::new(name, help).buckets(BUCKETS.to_vec()), labels))
}

/// Everything registered, in Prometheus's text form.
pub fn text() -> Vec<u8> {
    let mut text = Vec::new();
    // Writing into memory fails only for a family without samples, which `gather` leaves out.
    let _ = TextEncoder::new().encode(&ALL.registry.gather(), &mut text);
    text
}

fn once<M>(
    known: &Mutex<HashMap<&'static str, M>>,
    name: &'static str,
    make: impl FnOnce() -> prometheus::Result<M>,
) -> M
where
    M: Clone + prometheus::core::Collector + 'static,
{
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(metric) = known.get(name) {
        return metric.clone();
    }
    let made = make().and_then(|metric| ALL.registry.register(Box::new(metric.clone())).map(|()| metric));
    match made {
        Ok(metric) => {
            known.insert(name, metric.clone());
            metric
        }
        Err(error) => panic!("metric {name}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_is_one_counter() {
        counter("scimhub_test_total", "A test.", &["kind"]).with_label_values(&["a"]).inc();
        counter("scimhub_test_total", "A test.", &["kind"]).with_label_values(&["a"]).inc();
        let text = String::from_utf8(text()).unwrap();
        assert!(text.contains("scimhub_test_total{kind=\"a\"} 2"), "{text}");
    }
}
