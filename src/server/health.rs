//! The health check: whether the database can be read and written, and why not.

use crate::app::App;
use crate::log;
use crate::store::StoreError;
use crate::wire::ascii_json;
use serde_json::json;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a result is reused, so that frequent checks cost little.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// The result of a check.
#[derive(Clone)]
pub struct Health {
    /// Whether all is well.
    pub ok: bool,
    /// The check's answer as JSON text.
    pub json: String,
}

/// Checks the server's health, at most once a second.
#[derive(Default)]
pub struct HealthCheck(Mutex<Option<(Duration, Health)>>);

impl HealthCheck {
    /// The newest result.
    pub fn check(&self, app: &App) -> Health {
        let now = app.clock.monotonic();
        if let Some((checked, health)) = &*self.last()
            && now.saturating_sub(*checked) < FRESH_FOR
        {
            return health.clone();
        }
        let (health, checked) = check_now(app);
        let before = self.last().replace((now, health.clone()));
        let was_ok = before.is_none_or(|(_, before)| before.ok);
        match checked {
            Err(error) if was_ok => log::error("the health check fails", &[("cause", log::cause(&error))]),
            Ok(()) if !was_ok => log::info("the health check passes again", &[]),
            _ => {}
        }
        health
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Option<(Duration, Health)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_now(app: &App) -> (Health, Result<(), StoreError>) {
    let begun = app.clock.monotonic();
    let checked = app.store.check();
    let ok = checked.is_ok();
    let verdict = if ok { "ok" } else { "database broken" };
    let workers: serde_json::Map<_, _> =
        (1..=app.config.workers).map(|number| (format!("worker-{number}"), verdict.into())).collect();
    let now = app.clock.monotonic();
    let mut told = json!({
        "Expected-Workers": app.config.workers,
        "Workers": workers,
        "Check-Time": now.saturating_sub(begun).as_secs_f64(),
        "Health-Ok": ok,
        "Version": env!("CARGO_PKG_VERSION"),
        "Uptime": now.as_secs_f64(),
        // Of when the last backup is that was found whole; null if there is none, or it cannot be read.
        "Last-Backup": app.store.last_backup().ok().flatten(),
    });
    if let Err(error) = &checked {
        told["Cause"] = cause(error).into();
    }
    (Health { ok, json: ascii_json(&told) }, checked)
}

/// What the answer says to anyone who can ask; the log has the details.
const fn cause(error: &StoreError) -> &'static str {
    match error {
        StoreError::Replaced(_) => "the database file was replaced or removed",
        StoreError::Overwritten(_) => "another program has written into the database file",
        StoreError::Damaged(_) => "the database is damaged",
        StoreError::WritesFail(_) => "writes fail",
        StoreError::Busy => "the database is busy",
        StoreError::ClockSkew(_) => "this machine's clock and the database's are not together",
        StoreError::Closed => "the server is stopping",
        _ => "the database fails",
    }
}
