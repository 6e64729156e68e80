//! `GET /metrics`: what an operator's monitoring reads. On an address of its own, which the operator gives.

use crate::app::{App, Outcome};
use crate::http::{Allow, ContentType, Handler, HttpRequest, Response, Traffic, error_response};
use crate::metrics::Exposition;
use crate::os::resident_bytes;
use crate::store::{StoreError, statistics};
use std::sync::Arc;

/// Where the metrics are.
const PATH: &str = "/metrics";

/// Answers with the metrics.
pub struct MetricsPage {
    app: Arc<App>,
    traffic: Traffic,
}

impl MetricsPage {
    /// A page about this application.
    #[must_use]
    pub const fn new(app: Arc<App>, traffic: Traffic) -> Self {
        Self { app, traffic }
    }

    fn text(&self) -> String {
        let mut text = Exposition::default();
        text.info("authnzerver_build", "The program.", &[("version", env!("CARGO_PKG_VERSION"))]);
        let uptime = self.app.clock.monotonic();
        text.gauges("authnzerver_uptime_seconds", "Time since the start.").seconds(&[], uptime);
        if let Some(bytes) = resident_bytes() {
            text.gauge("authnzerver_resident_memory_bytes", "Memory of the process.", bytes);
        }
        self.requests(&mut text);
        self.connections(&mut text);
        self.passwords(&mut text);
        self.database(&mut text);
        text.finish()
    }

    fn requests(&self, text: &mut Exposition) {
        let metrics = &self.app.metrics;
        let mut outcomes = text.counters("authnzerver_requests", "Requests by name and outcome.");
        for (request, counted) in metrics.requests() {
            for ((_, outcome), counter) in Outcome::ALL.iter().zip(&counted.outcomes) {
                outcomes.sample(&[("request", request), ("outcome", outcome)], counter.get());
            }
        }
        let mut durations = text
            .histograms("authnzerver_request_duration_seconds", "Time from the open message to the answer.");
        for (request, counted) in metrics.requests() {
            durations.histogram(&[("request", request)], &counted.durations);
        }
        text.counter(
            "authnzerver_messages_unsealed",
            "Messages that could not be opened with the key.",
            metrics.unsealed.get(),
        );
    }

    fn connections(&self, text: &mut Exposition) {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        text.gauge("authnzerver_connections", "Open connections.", count(self.traffic.connections()));
        text.counter(
            "authnzerver_connections_refused",
            "Connections that were closed at once because there were too many.",
            self.traffic.refused(),
        );
        text.gauge(
            "authnzerver_delayed_responses",
            "Answers that are delayed after failed attempts.",
            count(self.app.delayed.count()),
        );
    }

    fn passwords(&self, text: &mut Exposition) {
        let (metrics, hashing) = (&self.app.metrics, self.app.hasher.counts());
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        text.gauge("authnzerver_hash_queue", "Passwords that wait to be hashed.", count(hashing.queued));
        text.gauge("authnzerver_hash_queue_places", "As many may wait.", count(hashing.places));
        text.counter("authnzerver_hashes", "Passwords that were hashed.", hashing.operations);
        text.histograms("authnzerver_hash_duration_seconds", "Time to hash a password.")
            .histogram(&[], hashing.durations);
        text.histograms("authnzerver_hash_wait_seconds", "Time that passwords waited to be hashed.")
            .histogram(&[], hashing.waits);
        text.counter(
            "authnzerver_failed_attempts",
            "Passwords that were tested and are wrong.",
            metrics.failed_attempts.get(),
        );
        text.counter("authnzerver_locks", "Accounts locked after failed attempts.", metrics.locks.get());
    }

    fn database(&self, text: &mut Exposition) {
        let counts = self.app.store.counts();
        text.counter("authnzerver_writes", "Writes, each of one request or job.", counts.writes.get());
        text.histograms("authnzerver_commit_duration_seconds", "Time to write and sync a batch of writes.")
            .histogram(&[], &counts.commits);
        let bytes = |end: &str| {
            let mut path = self.app.store.file()?.as_os_str().to_owned();
            path.push(end);
            Some(std::fs::metadata(path).map_or(0, |file| file.len()))
        };
        if let Some(bytes) = bytes("") {
            text.gauge("authnzerver_database_bytes", "The database's file.", bytes);
        }
        text.histograms(
            "authnzerver_event_lag_seconds",
            "Age of the oldest event in answers to events-since.",
        )
        .histogram(&[], &self.app.metrics.event_lag);
        if let Some(bytes) = bytes("-wal") {
            text.gauge("authnzerver_write_ahead_log_bytes", "What is not in that file yet.", bytes);
        }
        // Without an answer from the database there is no sample: that is not the same as none.
        let unsent: Result<_, StoreError> = self.app.store.read(statistics::unsent_emails);
        if let Ok((waiting, dead)) = unsent {
            let mut emails =
                text.gauges("authnzerver_unsent_emails", "Emails that wait, or were given up on.");
            for (state, count) in [("waiting", waiting), ("dead", dead)] {
                emails.sample(&[("state", state)], u64::try_from(count).unwrap_or(0));
            }
        }
        if let Ok(Some(taken)) = self.app.store.last_backup() {
            text.gauge(
                "authnzerver_last_backup_timestamp_seconds",
                "When the last verified backup was made.",
                u64::try_from(taken.unix_seconds()).unwrap_or(0),
            );
        }
    }
}

impl Handler for MetricsPage {
    fn handle(&self, request: &HttpRequest<'_>) -> Response {
        match (request.path, request.method) {
            (PATH, "GET" | "HEAD") => Response {
                content_type: ContentType::OpenMetrics,
                no_store: true,
                ..Response::text(200, self.text())
            },
            (PATH, _) => Response { allow: Some(Allow::Get), ..error_response(405) },
            _ => error_response(404),
        }
    }
}
