//! The health check: whether the database can be read and written, and whether somebody can administer.

use crate::app::App;
use crate::store::{StoreError, server_state, users};
use crate::wire::ascii_json;
use serde_json::json;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A result serves for so long, so that asking often costs little.
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
        let now = app.clock.steady();
        if let Some((checked, health)) = &*self.last()
            && now.saturating_sub(*checked) < FRESH_FOR
        {
            return health.clone();
        }
        let health = check_now(app);
        *self.last() = Some((now, health.clone()));
        health
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Option<(Duration, Health)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_now(app: &App) -> Health {
    let begun = app.clock.steady();
    let readable = app.store.read(users::any_active_superuser);
    let writable = app.store.write(server_state::set_last_write_check);
    let ok = matches!((readable, writable), (Ok(true), Ok::<(), StoreError>(())));
    let verdict = if ok { "ok" } else { "database broken" };
    let workers: serde_json::Map<_, _> =
        (1..=app.config.workers).map(|number| (format!("worker-{number}"), verdict.into())).collect();
    let now = app.clock.steady();
    let json = ascii_json(&json!({
        "Expected-Workers": app.config.workers,
        "Workers": workers,
        "Check-Time": now.saturating_sub(begun).as_secs_f64(),
        "Health-Ok": ok,
        "Version": env!("CARGO_PKG_VERSION"),
        "Uptime": now.as_secs_f64(),
    }));
    Health { ok, json }
}
