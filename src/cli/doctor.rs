//! `authnzerver doctor`: looks at everything around a server that an operator would look at, and says what to do.

mod database;
mod files;
mod finding;

use super::command::{Arguments, CommandError, Context, EXIT_DONE, EXIT_FAILED, EXIT_USAGE};
use super::health::{Health, NoHealth, ask};
use super::mail::trial;
use super::output::{Style, show};
use crate::config::arguments::OptionRow;
use crate::config::{self, Config};
use crate::server::check::{certificate_ends, try_out};
use crate::server::process::Process;
use finding::{Findings, Level};

/// The option that has the mail server tried out.
pub(super) const MAIL: OptionRow =
    OptionRow::flag("mail", "see whether the mail server can be reached and lets this server log in");

/// A certificate is renewed before so many days are left.
const CERTIFICATE_DAYS_MIN: i64 = 14;
const DAY_SECONDS: i64 = 86_400;

/// Looks at everything.
///
/// # Errors
/// None: what is wrong is what it tells.
#[expect(clippy::unnecessary_wraps, reason = "the table wants all commands alike")]
pub fn run(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let mut findings = Findings::default();
    findings.extend(Level::Warning, arguments.invocation.warnings.iter());
    match config::load(&arguments.invocation, context.environment) {
        Err(problems) => findings.extend(Level::Problem, problems.lines()),
        Ok(loaded) => examine(arguments, context, loaded, &mut findings),
    }
    let text = findings.text(Style::of(context));
    show(arguments, context, &findings.document(), &text);
    Ok(match findings.worst() {
        Level::Ok => EXIT_DONE,
        Level::Warning => EXIT_FAILED,
        Level::Problem => EXIT_USAGE,
    })
}

fn examine(
    arguments: &Arguments,
    context: &Context<'_, '_>,
    loaded: config::Startup,
    findings: &mut Findings,
) {
    let process = Process::new(context.environment);
    findings.extend(Level::Warning, loaded.warnings.iter());
    let outlook = try_out(&loaded.config, &process);
    if outlook.problems.is_empty() {
        findings.ok(
            "a server can start with these settings, and has the memory, threads and files that it needs",
        );
    }
    findings.extend(Level::Problem, outlook.problems);
    findings.extend(Level::Warning, outlook.warnings);
    findings.ok(format!("keys: {}", loaded.config.secret.len()));
    certificate(&loaded.config, &process, context, findings);
    let database = loaded.config.database.within(&context.environment.directory);
    let key_file = config::key_file(&arguments.invocation, context.environment).ok();
    if let Some(file) = database.path() {
        files::look(&loaded.config, file, key_file.as_deref(), findings);
    }
    running(arguments, context, findings);
    if arguments.has(MAIL.name) {
        match trial::probe(&loaded.config, &process, &**context.parts.clock) {
            Ok(()) => findings.ok("the mail server can be reached, and takes emails from here"),
            Err((why, advice)) => findings.add(Level::Problem, why, advice),
        }
    }
    if database.path().is_none_or(|file| database::is_sound(file, findings)) {
        match (context.parts.open)(loaded, &process) {
            Ok(app) => database::look_into(&app, findings),
            Err(problem) => {
                findings.add(Level::Problem, problem.to_string(), "see `authnzerver settings check`");
            }
        }
    }
}

fn certificate(config: &Config, process: &Process, context: &Context<'_, '_>, findings: &mut Findings) {
    let Some(ends) = certificate_ends(config, process) else { return };
    let days = (ends.unix_seconds() - context.parts.clock.now().unix_seconds()).div_euclid(DAY_SECONDS);
    let advice = "renew it, and have the server reload (`systemctl reload authnzerver`)";
    let what = format!("the certificate ends at {} UTC", ends.wire());
    if days < 0 {
        findings.add(Level::Problem, format!("the certificate ended at {} UTC", ends.wire()), advice);
    } else if days < CERTIFICATE_DAYS_MIN {
        findings.add(Level::Warning, what, advice);
    } else {
        findings.ok(what);
    }
}

/// Asks the server how it is.
fn running(arguments: &Arguments, context: &Context<'_, '_>, findings: &mut Findings) {
    let Ok((url, trust)) = config::find_server(&arguments.invocation, context.environment, None) else {
        // The settings that say where have been found wanting already, or the port is chosen at the start.
        return;
    };
    let Health { is_well, told } = match ask(&url, &trust) {
        Ok(health) => health,
        Err(NoHealth::Unreachable(why)) => {
            return findings.add(Level::Warning, why, "start the server (`systemctl start authnzerver`)");
        }
        Err(NoHealth::AskedTooOften(why)) => {
            return findings.add(Level::Warning, why, "run `authnzerver doctor` again");
        }
        Err(NoHealth::Foreign(why)) => {
            return findings.add(Level::Problem, why, "see what else listens there");
        }
    };
    if !is_well {
        let cause = told["Cause"].as_str().unwrap_or("it does not say why");
        findings.add(Level::Problem, format!("the server is not well: {cause}"), "look at its log");
    } else if told["Version"] != env!("CARGO_PKG_VERSION") {
        let what =
            format!("the server runs version {}, and this is {}", told["Version"], env!("CARGO_PKG_VERSION"));
        findings.add(Level::Warning, what, "restart it (`systemctl restart authnzerver`)");
    } else {
        findings.ok(format!("the server at {url} is well"));
    }
}
