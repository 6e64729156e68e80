//! `authnzerver mail test`: sends an email as the server would, and says step by step how far it comes.

use crate::cli::command::{Arguments, CommandError, Context, EXIT_DONE, EXIT_FAILED};
use crate::cli::load::load;
use crate::cli::output::{Cell, Paint, Style, Table, show};
use crate::clock::Clock;
use crate::config::{Config, shown};
use crate::outbound::mail::{self, MailError, MailSettings, Receipt, Watch, send_now};
use crate::outbound::mailbox::Address;
use crate::outbound::templates::Email;
use crate::server::boot::mail_settings_of;
use crate::server::process::Process;
use serde_json::json;
use std::cell::RefCell;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// How long the mail server may take for each reply.
const PATIENCE: Duration = Duration::from_secs(30);
/// Characters of a step that are shown.
const STEP_CHARACTERS_MAX: usize = 300;

/// Sends the email.
///
/// # Errors
/// The settings cannot be read, or that is no address.
pub fn run(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let to = arguments.word(0).unwrap_or_default();
    if Address::parse(to).is_none() {
        return Err(CommandError::cannot_tell(format!("{} is no email address", shown(to))));
    }
    let loaded = load(arguments, context)?;
    let process = Process::new(context.environment);
    let settings = mail_settings_of(&loaded.config, &process).map_err(CommandError::cannot_tell)?;
    let (sent, steps) = send(&email(to), &settings, context);
    let verdict = match sent {
        Ok(Receipt::Confirmed) => Ok("the mail server has the email; see whether it arrives"),
        Ok(Receipt::Unconfirmed) => Ok("the mail server did not say whether it has the email"),
        Err(error) => Err((error.text(), advice(error, &settings))),
    };
    let mut table = Table::of_pairs();
    for step in &steps {
        table.pair("step", Cell::whole(step));
    }
    match verdict {
        Ok(said) => table.add(vec![Cell::new("sent").painted(Paint::Green), Cell::whole(said)]),
        Err((why, advice)) => {
            table.add(vec![
                Cell::new("problem").painted(Paint::Red),
                Cell::whole(&format!("{why}; {advice}")),
            ]);
        }
    }
    let document = json!({
        "sent": sent.is_ok(), "steps": steps, "why": verdict.err().map(|(why, _)| why),
        "advice": verdict.err().map(|(_, advice)| advice), "code": sent.err().map(MailError::code).filter(|code| *code > 0),
    });
    let text = table.text(Style::of(context));
    show(arguments, context, &document, &text);
    Ok(if sent.is_ok() { EXIT_DONE } else { EXIT_FAILED })
}

/// Sees whether the mail server would take an email; why not, and what to look at.
pub(crate) fn probe(config: &Config, process: &Process, clock: &dyn Clock) -> Result<(), (String, String)> {
    let settings = mail_settings_of(config, process)
        .map_err(|problem| (problem.to_string(), "look at that file".to_owned()))?;
    let steps = RefCell::new(Vec::new());
    let trace = |step: String| steps.borrow_mut().push(step);
    let watch = Watch {
        stopping: &AtomicBool::new(false),
        patience: Some(PATIENCE),
        handed_over: &|| (),
        trace: Some(&trace),
    };
    mail::probe(&settings, clock, &watch).map_err(|error| {
        let last: String = steps.take().pop().unwrap_or_default().chars().take(STEP_CHARACTERS_MAX).collect();
        (format!("{} ({last})", error.text()), advice(error, &settings).to_owned())
    })
}

fn send(
    email: &Email,
    settings: &MailSettings,
    context: &Context<'_, '_>,
) -> (Result<Receipt, MailError>, Vec<String>) {
    let steps = RefCell::new(Vec::new());
    let trace = |step: String| steps.borrow_mut().push(step.chars().take(STEP_CHARACTERS_MAX).collect());
    let watch = Watch {
        stopping: &AtomicBool::new(false),
        patience: Some(PATIENCE),
        handed_over: &|| (),
        trace: Some(&trace),
    };
    let sent = send_now(email, settings, &**context.parts.clock, &watch);
    (sent, steps.take())
}

fn email(to: &str) -> Email {
    Email {
        to: to.to_owned(),
        subject: "A test of the email settings".to_owned(),
        text:
            "Hello,\n\nthis email is a test. Its settings are those with which authnzerver sends emails to\n\
               users. If you can read this, they work.\n"
                .to_owned()
                .into(),
        html: None,
    }
}

/// What to look at.
fn advice(error: MailError, settings: &MailSettings) -> &'static str {
    let has_login = !settings.user.is_empty() && !settings.password.expose().is_empty();
    match error {
        MailError::InvalidMessage => "look at emailsender",
        MailError::Unreachable => {
            "look at emailserver and emailport, whether the mail server runs, and whether a firewall lets this machine out"
        }
        MailError::TimedOut => "a firewall may be in between, or the mail server is busy",
        MailError::Tls => {
            "look at emailtls, at the name on the mail server's certificate, and whether its roots are trusted (SSL_CERT_FILE)"
        }
        MailError::Refused(530 | 534 | 538) if !has_login => "it wants a login: set emailuser and emailpass",
        MailError::Refused(535) => "look at emailuser and emailpass",
        MailError::Refused(552) => "it takes only smaller emails",
        MailError::Refused(_) => {
            "it takes no such sender or recipient from here: look at emailsender and the last step"
        }
        MailError::Deferred(_) => "its own log says why; it may take emails later",
        MailError::Protocol => "another service than a mail server may listen at emailport",
        MailError::Closed => "its own log says why; with TLS from the first byte emailtls must be tls",
        MailError::NeedsUtf8 => "it takes no address like the recipient's (SMTPUTF8)",
        MailError::Stopped => "try again",
    }
}
