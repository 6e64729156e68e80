//! Counters and histograms that many threads add to and nobody waits for, and the text that they are shown in
//! (OpenMetrics 1.0). Names, labels and numbers alone: nothing here can hold a person's data.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The text's content type is `application/openmetrics-text; version=1.0.0; charset=utf-8`. It ends with this line.
const END: &str = "# EOF\n";

const MICROS_PER_SECOND: f64 = 1_000_000.0;

/// Upper bounds of the buckets of a histogram of times, in microseconds. The last bucket has none.
const BOUNDS_MICROS: [u64; 15] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 2_500_000,
    10_000_000, 60_000_000,
];

/// Something that is counted.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts one more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Counts so many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many there were.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How long something took, each time.
#[derive(Default)]
pub struct Histogram {
    /// One more than there are bounds.
    buckets: [AtomicU64; BOUNDS_MICROS.len() + 1],
    sum_micros: AtomicU64,
}

impl Histogram {
    /// Notes that it took so long once more.
    pub fn observe(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_MICROS.partition_point(|bound| *bound < micros);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// How often it was.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }
}

/// The text, family by family.
#[derive(Default)]
pub struct Exposition(String);

impl Exposition {
    /// Begins a family of counters. `name` does not end with `_total`; each sample's does.
    pub fn counters(&mut self, name: &str, help: &str) -> Samples<'_> {
        self.family(name, "counter", help, "_total")
    }

    /// Begins a family of numbers that go up and down.
    pub fn gauges(&mut self, name: &str, help: &str) -> Samples<'_> {
        self.family(name, "gauge", help, "")
    }

    /// A single counter.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.counters(name, help).sample(&[], value);
    }

    /// A single number that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.gauges(name, help).sample(&[], value);
    }

    /// What is known about the program, in labels.
    pub fn info(&mut self, name: &str, help: &str, labels: &[(&str, &str)]) {
        self.family(name, "info", help, "_info").sample(labels, 1);
    }

    /// Begins a family of histograms of times; its name ends with `_seconds`.
    pub fn histograms(&mut self, name: &str, help: &str) -> Histograms<'_> {
        Histograms(self.family(name, "histogram", help, ""))
    }

    /// The whole text.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.0.push_str(END);
        self.0
    }

    fn family(&mut self, name: &str, kind: &str, help: &str, suffix: &'static str) -> Samples<'_> {
        line(&mut self.0, format_args!("# TYPE {name} {kind}"));
        if name.ends_with("_seconds") || name.ends_with("_bytes") {
            let unit = name.rsplit('_').next().unwrap_or_default();
            line(&mut self.0, format_args!("# UNIT {name} {unit}"));
        }
        line(&mut self.0, format_args!("# HELP {name} {help}"));
        Samples { text: &mut self.0, name: name.to_owned(), suffix }
    }
}

/// The samples of one family.
pub struct Samples<'e> {
    text: &'e mut String,
    name: String,
    suffix: &'static str,
}

impl Samples<'_> {
    /// A sample with these labels. Their values are words of ours, without quotes or backslashes.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: u64) {
        let labels = written(labels, None);
        line(self.text, format_args!("{}{}{labels} {value}", self.name, self.suffix));
    }

    /// A sample of a time.
    pub fn seconds(&mut self, labels: &[(&str, &str)], time: Duration) {
        let labels = written(labels, None);
        line(self.text, format_args!("{}{}{labels} {}", self.name, self.suffix, time.as_secs_f64()));
    }
}

/// The histograms of one family.
pub struct Histograms<'e>(Samples<'e>);

impl Histograms<'_> {
    /// One with these labels.
    #[expect(clippy::cast_precision_loss, reason = "a sum beyond 2^53 µs is 285 years")]
    pub fn histogram(&mut self, labels: &[(&str, &str)], histogram: &Histogram) {
        let Samples { text, name, .. } = &mut self.0;
        let mut count = 0;
        for (at, bucket) in histogram.buckets.iter().enumerate() {
            count += bucket.load(Ordering::Relaxed);
            let bound = BOUNDS_MICROS.get(at).map(|micros| (*micros as f64 / MICROS_PER_SECOND).to_string());
            let labels = written(labels, Some(("le", bound.as_deref().unwrap_or("+Inf"))));
            line(text, format_args!("{name}_bucket{labels} {count}"));
        }
        let labels = written(labels, None);
        let sum = histogram.sum_micros.load(Ordering::Relaxed) as f64 / MICROS_PER_SECOND;
        line(text, format_args!("{name}_sum{labels} {sum}"));
        line(text, format_args!("{name}_count{labels} {count}"));
    }
}

fn written(labels: &[(&str, &str)], last: Option<(&str, &str)>) -> String {
    let labels: Vec<_> =
        labels.iter().copied().chain(last).map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) }
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    writeln!(text, "{words}").expect("a String takes every text");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_falls_into_the_first_bucket_that_reaches_it_and_buckets_add_up() {
        let histogram = Histogram::default();
        for micros in [0, 100, 101, 60_000_000, 60_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        assert_eq!(histogram.count(), 5);
        let mut text = Exposition::default();
        text.histograms("a_seconds", "Times.").histogram(&[("b", "c")], &histogram);
        let text = text.finish();
        for line in [
            "# TYPE a_seconds histogram",
            "# UNIT a_seconds seconds",
            r#"a_seconds_bucket{b="c",le="0.0001"} 2"#,
            r#"a_seconds_bucket{b="c",le="0.00025"} 3"#,
            r#"a_seconds_bucket{b="c",le="60"} 4"#,
            r#"a_seconds_bucket{b="c",le="+Inf"} 5"#,
            r#"a_seconds_sum{b="c"} 120.000202"#,
            r#"a_seconds_count{b="c"} 5"#,
        ] {
            assert!(text.lines().any(|written| written == line), "{line} in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn counters_end_with_total_and_an_info_is_one() {
        let mut text = Exposition::default();
        text.counter("a", "Things.", 7);
        text.info("b", "It.", &[("version", "1")]);
        text.gauge("c_bytes", "Bytes.", 3);
        assert_eq!(
            text.finish(),
            "# TYPE a counter\n# HELP a Things.\na_total 7\n# TYPE b info\n# HELP b It.\nb_info{version=\"1\"} 1\n\
             # TYPE c_bytes gauge\n# UNIT c_bytes bytes\n# HELP c_bytes Bytes.\nc_bytes 3\n# EOF\n"
        );
    }
}
