//! How emails leave: the mail server's settings, and the threads that talk to it.

use crate::clock::Clock;
use crate::config::values::client_name;
use crate::config::{Config, EXTRA_ROOTS_VARIABLE};
use crate::outbound::email_texts::EmailTexts;
use crate::outbound::mail::{MailSettings, Mailer, SmtpMailer, read_extra_roots};
use crate::pool::Pool;
use crate::problem;
use crate::problem::Problem;
use crate::server::process::Process;
use std::path::Path;
use std::sync::Arc;

/// Emails that are sent at once. A mail server may take minutes for one of them.
const POST_THREADS: usize = 8;
/// Emails that may wait for their turn.
const WAITING_MAX: usize = 64;

/// What emails are sent with.
pub(super) struct Mail {
    /// How to reach the mail server.
    pub(super) settings: MailSettings,
    /// What emails say.
    pub(super) texts: EmailTexts,
    /// What talks to it.
    pub(super) mailer: Arc<dyn Mailer>,
    /// The threads that do.
    pub(super) post: Pool,
}

/// Reads the extra certificates and starts the threads.
///
/// # Errors
///
/// One line for the operator.
pub(super) fn open(
    config: &Config,
    process: &Process,
    machine_name: &str,
    clock: &Arc<dyn Clock>,
) -> Result<Mail, Problem> {
    let extra_roots = process.extra_roots_file.as_deref().map(read_roots).transpose()?;
    Ok(Mail {
        texts: read_email_texts(config).map_err(|problems| Problem::join(problems, "; "))?,
        settings: mail_settings(config, machine_name, extra_roots),
        mailer: Arc::new(SmtpMailer { clock: Arc::clone(clock) }),
        post: Pool::start("post", POST_THREADS, WAITING_MAX)
            .map_err(|error| problem!("cannot start a thread: {}", error))?,
    })
}

/// What emails say: the operator's texts, or the built-in ones.
///
/// # Errors
///
/// Everything that is wrong with them, one line each.
pub fn read_email_texts(config: &Config) -> Result<EmailTexts, Vec<Problem>> {
    match &config.email_templates {
        None => Ok(EmailTexts::built_in_only()),
        Some(directory) => EmailTexts::read(directory, &config.email_language, &config.base_urls),
    }
}

/// How to reach the mail server. What the machine is called stands in for a client's name that the operator did not
/// set, unless it has no dot, as in most containers: that means nothing to a mail server.
#[must_use]
pub fn mail_settings(config: &Config, machine_name: &str, extra_roots: Option<Vec<u8>>) -> MailSettings {
    MailSettings {
        server: config.email_server.clone(),
        port: config.email_port,
        client_name: config.email_client_name.clone().or_else(|| {
            let is_usable = machine_name.contains('.') && client_name(machine_name).is_ok();
            is_usable.then(|| machine_name.to_owned())
        }),
        user: config.email_user.clone(),
        password: config.email_password.clone(),
        sender: config.email_sender.clone(),
        protection: config.email_tls,
        verify: config.email_verify,
        extra_roots,
    }
}

pub(super) fn read_roots(path: &Path) -> Result<Vec<u8>, Problem> {
    read_extra_roots(path).map_err(|error| problem!("{} {}: {}", EXTRA_ROOTS_VARIABLE, path.display(), error))
}

/// How a server with these settings would reach its mail server.
///
/// # Errors
///
/// One line for the operator.
pub fn mail_settings_of(config: &Config, process: &Process) -> Result<MailSettings, Problem> {
    let extra_roots = process.extra_roots_file.as_deref().map(read_roots).transpose()?;
    Ok(mail_settings(config, &machine_name(), extra_roots))
}

/// What this machine calls itself. Read once, without asking the network.
pub(super) fn machine_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}
