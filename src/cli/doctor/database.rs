//! What the database says: whether it is sound, of when the last backup is, which emails were given up on, and what time
//! it was before.

use super::finding::{Findings, Level};
use crate::app::App;
use crate::clock::Timestamp;
use crate::store::inspect::{Holds, look, quick_check};
use crate::store::{StoreError, statistics};
use std::path::Path;

/// A backup that is older than this is not the one of last night.
const BACKUP_HOURS_MAX: i64 = 50;
const HOUR_SECONDS: i64 = 3600;
const DAY_HOURS: i64 = 24;
/// Clocks are set by so much without harm.
const CLOCK_SECONDS_MAX: i64 = 120;

/// Looks for damage; whether it can be opened for more.
pub(super) fn is_sound(path: &Path, findings: &mut Findings) -> bool {
    // What else there is to say about it, a start would say.
    let Ok(Holds::Schema { version, newest }) = look(path).map(|found| found.holds) else { return false };
    match quick_check(path) {
        Err(error) => {
            findings.add(Level::Problem, error.to_string(), "see `authnzerver db check`");
            return false;
        }
        Ok(damage) if damage.is_empty() => {
            findings.ok(format!("the database is sound, and has schema {version}"));
        }
        Ok(damage) => {
            let first = damage.first().cloned().unwrap_or_default();
            findings.add(
                Level::Problem,
                format!("the database is damaged: {first}"),
                "stop the server and restore the last backup (`authnzerver restore`)",
            );
            return false;
        }
    }
    version == newest
}

/// Looks at what it holds.
pub(super) fn look_into(app: &App, findings: &mut Findings) {
    let now = app.clock.now();
    let tried = backup(app, now, findings)
        .and_then(|()| emails(app, findings))
        .and_then(|()| app.store.last_seen_time())
        .map(|before| clock(before, now, findings));
    if let Err(error) = tried {
        findings.add(Level::Problem, app.store.about(&error), "see `authnzerver db check`");
    }
}

fn backup(app: &App, now: Timestamp, findings: &mut Findings) -> Result<(), StoreError> {
    if app.store.is_shared() {
        findings.ok("PostgreSQL's own tools make the backups of this database".to_owned());
        return Ok(());
    }
    let advice = "back it up every day; docs/backup.md tells how";
    let Some(taken) = app.store.last_backup()? else {
        findings.add(Level::Warning, "no verified backup was ever made", advice);
        return Ok(());
    };
    let hours = (now.unix_seconds() - taken.unix_seconds()) / HOUR_SECONDS;
    if hours > BACKUP_HOURS_MAX {
        let what = format!("the last verified backup is {} days old", hours / DAY_HOURS);
        findings.add(Level::Warning, what, advice);
    } else {
        findings.ok(format!("the last verified backup was made at {} UTC", taken.wire()));
    }
    Ok(())
}

fn emails(app: &App, findings: &mut Findings) -> Result<(), StoreError> {
    let (waiting, dead) = app.store.read(statistics::unsent_emails)?;
    if dead > 0 {
        findings.add(
            Level::Warning,
            format!("emails that were given up on: {dead}"),
            "`authnzerver mail list` shows them, `mail test` finds out why, and `mail retry --all` tries them again",
        );
    } else {
        findings.ok(format!("no email was given up on, and {waiting} wait"));
    }
    Ok(())
}

fn clock(before: Timestamp, now: Timestamp, findings: &mut Findings) {
    if now.unix_seconds() + CLOCK_SECONDS_MAX < before.unix_seconds() {
        let what = format!("it is {} UTC here, and it was {} before", now.wire(), before.wire());
        findings.add(Level::Problem, what, "set the clock, and have it set by NTP");
    } else {
        findings.ok(format!("the clock says {} UTC", now.wire()));
    }
}
