//! Tries out whatever a start needs beside its settings, without opening anything for writing and without listening.

use super::boot::problems_with_files;
use super::listen::read_certificate;
use super::process::Process;
use super::rate_limits::warn_of_idle_rate_limits;
use super::resources::{ensure_resources, plan_memory};
use crate::clock::Timestamp;
use crate::config::{Config, base_directory};
use crate::log;
use crate::problem::Problem;
use crate::store::inspect::{self, Holds};

/// What a start with these settings would come to, one line each.
pub struct Outlook {
    /// What would stop it.
    pub problems: Vec<String>,
    /// What it would warn of.
    pub warnings: Vec<String>,
}

/// Finds out what a start would come to.
#[must_use]
pub fn try_out(config: &Config, process: &Process) -> Outlook {
    let (problems, mut warnings) = log::collect(|| {
        warn_of_idle_rate_limits(config);
        let mut problems = problems_with_files(config, process);
        let mut note = |tried: Result<(), Problem>| problems.extend(tried.err().map(String::from));
        note(read_certificate(config, process).map(drop));
        note(ensure_resources(config, config.tls_certificate_file.is_some()));
        note(plan_memory(config).map(drop));
        problems
    });
    let mut outlook = Outlook { problems, warnings: Vec::new() };
    look_at_database(config, &mut outlook, &mut warnings);
    outlook.warnings = warnings;
    outlook
}

/// When the server's certificate ends, if it has one that can be read.
#[must_use]
pub fn certificate_ends(config: &Config, process: &Process) -> Option<Timestamp> {
    let (read, _) = log::collect(|| read_certificate(config, process));
    read.ok().flatten()?.ends()
}

fn look_at_database(config: &Config, outlook: &mut Outlook, warnings: &mut Vec<String>) {
    warnings.extend(
        base_directory::concerns(&config.base_directory, config.database.path(), false)
            .into_iter()
            .map(String::from),
    );
    // A server that is elsewhere is not waited for.
    let Some(path) = config.database.path() else { return };
    // A start makes the base directory, with its parents.
    let made = config.base_directory.ancestors().take_while(|directory| !directory.exists()).last();
    let first = made.filter(|_| path.starts_with(&config.base_directory)).unwrap_or(path);
    let looked = inspect::ensure_writable(first).and_then(|()| inspect::look(path));
    let path = path.display();
    match looked.map(|found| found.holds) {
        Ok(Holds::Nothing) => warnings.push(format!("there is no database {path} yet; a start makes it")),
        Ok(Holds::Schema { version, newest }) if version < newest => {
            warnings.push(format!("the database {path} has schema {version}; a start brings it to {newest}"));
        }
        Ok(Holds::Schema { .. }) => {}
        Ok(Holds::PythonTables) => {
            warnings.push(format!(
                "a start takes over the database {path} of the Python authnzerver, after a copy"
            ));
        }
        Err(error) => outlook.problems.push(error.to_string()),
    }
}
