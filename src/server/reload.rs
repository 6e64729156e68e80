//! Reads again what can change while the server runs: log level, policy, certificate, keys and email texts. What cannot be
//! read stays as it was, and the log says why.

use super::boot::{check_keys, note_keys, read_email_texts, read_policy};
use super::database::failure_text;
use super::listen::read_certificate;
use super::process::Process;
use crate::accounts::events::note_policy_reloaded;
use crate::accounts::first_users::add_roles;
use crate::accounts::message_keys::write_uses;
use crate::app::App;
use crate::config::{Problems, Reloaded};
use crate::http::Listener;
use crate::log;
use std::sync::Arc;

/// Reads all of it again.
pub fn reload(process: &Process, reloaded: &Reloaded, app: &App, listener: &Listener) {
    reload_log_level(reloaded);
    reload_policy(app);
    reload_certificate(process, app, listener);
    reload_keys(reloaded, app);
    reload_email_texts(app);
}

fn reload_policy(app: &App) {
    let read = read_policy(app.config.permissions_file.as_deref()).and_then(|policy| {
        // A role that is missing from the database could not be given to anyone.
        let added = add_roles(&app.store, &policy).map_err(|failure| failure_text(&failure, &app.store))?;
        Ok((policy, added))
    });
    match read {
        Ok((policy, added)) => {
            app.policy.store(Arc::new(policy));
            if let Err(error) = note_policy_reloaded(app) {
                log::error("no event tells of the new policy", &[("cause", log::cause(&error))]);
            }
            log::info("read the permissions policy again", &[("roles_added", added.into())]);
        }
        Err(problem) => {
            log::error("kept the old permissions policy", &[("cause", log::cause(&problem))]);
        }
    }
}

/// A request that is under way is answered with the key that it came with.
fn reload_keys(reloaded: &Reloaded, app: &App) {
    match reloaded.keys() {
        Ok(keys) => {
            if let Err(problem) = check_keys(&keys) {
                log::error("kept the old keys", &[("cause", log::cause(&problem))]);
                return;
            }
            // When they were last used is forgotten with them.
            if let Err(error) = write_uses(app) {
                log::warning("not noted when keys were last used", &[("cause", log::cause(&error))]);
            }
            let count = keys.len();
            app.keys.store(Arc::new(keys));
            note_keys(app);
            log::info("read the keys again", &[("count", count.into())]);
        }
        Err(problems) => tell_each("kept the old keys", &problems),
    }
}

/// Tells of the change on whichever level still shows it.
fn reload_log_level(reloaded: &Reloaded) {
    let before = log::level();
    match reloaded.log_level() {
        Ok(level) if level == before => {}
        Ok(level) => {
            log::set_level(level.max(before));
            log::info("logs another level", &[("level", level.as_str().into())]);
            log::set_level(level);
        }
        Err(problems) => tell_each("kept the old log level", &problems),
    }
}

fn tell_each(what: &'static str, problems: &Problems) {
    for problem in problems.lines() {
        log::error(what, &[("cause", log::cause(problem))]);
    }
}

fn reload_email_texts(app: &App) {
    if app.config.email_templates.is_none() {
        return;
    }
    match read_email_texts(&app.config) {
        Ok(texts) => {
            let count = texts.own();
            app.email_texts.store(Arc::new(texts));
            log::info("read the email texts again", &[("count", count.into())]);
        }
        Err(problems) => {
            for problem in &problems {
                log::error("kept the old email texts", &[("cause", log::cause(problem))]);
            }
        }
    }
}

fn reload_certificate(process: &Process, app: &App, listener: &Listener) {
    match read_certificate(&app.config, process) {
        Ok(Some(certificate)) => {
            listener.change_certificate(&certificate);
            log::info("read the certificate again", &[]);
        }
        Ok(None) => {}
        Err(problem) => log::error("kept the old certificate", &[("cause", log::cause(&problem))]),
    }
}
