//! Emails that the server sends by itself. Whoever asks for one has it written into the queue, in the write that the
//! answer waits for, and is answered before it is sent: neither what is answered nor when tells who gets one. For
//! somebody who gets none, an email for nobody is written.
//!
//! The threads that send emails take from the queue what is due. The code is made there and then, and its hash is stored
//! in the write that takes the email. What the mail server does not take for now is tried again.

use super::codes;
use super::lock::is_suspended;
use crate::app::{App, Context};
use crate::client_address::ClientAddress;
use crate::clock::{Clock, Timestamp};
use crate::guard::code::{Code, CodeForm, CodePurpose};
use crate::log;
use crate::outbound::email_texts::{EmailTexts, is_language};
use crate::outbound::mail::{MailError, MailSettings, Mailer, Receipt, Watch};
use crate::outbound::notices::{self, Notice, is_page};
use crate::outbound::templates::{Email, InvalidMessage, SITE_CHARACTERS_MAX};
use crate::policy::email::EmailAddress;
use crate::policy::roles::{DUMMY_ID, is_system_user};
use crate::rng::Rng;
use crate::store::email_queue::{self, DueEmail, EmailContents, EmailPurpose, RETRY_SECONDS_MAX};
use crate::store::sessions::kept_user_agent;
use crate::store::users::User;
use crate::store::{Db, Store, StoreError, Tx, locks, users};
use crate::user_id::UserId;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Seconds between two emails to one account for one purpose.
pub(crate) const GAP_SECONDS: i64 = 60;
/// Emails to one account for one purpose within a day.
const PER_DAY_MAX: i64 = 5;
const DAY_SECONDS: i64 = 86_400;
/// Whose rows are read where nobody gets an email.
const STAND_IN: UserId = DUMMY_ID;
/// Seconds after which an email is tried again that the mail server did not take: after the first try, the second, and
/// so on. After the last one it is given up on.
const RETRY_SECONDS: [i64; 5] = [60, 5 * 60, 30 * 60, 2 * 3600, RETRY_SECONDS_MAX];
/// Seconds after which an email is tried again of which nobody noted how it went: longer than any delivery takes.
const LEASE_SECONDS: i64 = 3600;
/// The same where another process may send it, and how often whoever is at it asks for more.
const SHARED_LEASE_SECONDS: i64 = 60;
const SHARED_LEASE_RENEWED: Duration = Duration::from_secs(15);
/// What an email takes to be sent would slow the answer down to whoever asked for it, and tell that there is one: so the
/// answer goes first.
const HEAD_START: Duration = Duration::from_millis(20);
/// How long the mail server may take for each reply.
const PATIENCE: Duration = Duration::from_secs(30);

/// What an email is to tell, as a request says it; nothing if emails may not link to that page, or that is no IP address.
#[must_use]
pub(crate) fn contents(
    context: &Context<'_>,
    site: &str,
    page: String,
    ip_address: &str,
    user_agent: &str,
    language: Option<&str>,
) -> Option<EmailContents> {
    let ip_address = ClientAddress::parse(ip_address)?.to_string();
    is_page(&page, &context.config().base_urls).then(|| EmailContents {
        site: site.chars().take(SITE_CHARACTERS_MAX).collect(),
        page,
        browser: kept_user_agent(user_agent).to_owned(),
        ip_address,
        // An email in another language is better than none.
        language: language.filter(|tag| is_language(tag)).unwrap_or_default().to_owned(),
    })
}

/// Has an email sent once this write is on the disk, unless its recipient was to get others lately. Whatever comes of
/// it, it is the same work.
///
/// # Errors
///
/// A failing database.
pub(super) fn enqueue(
    tx: &Tx<'_>,
    purpose: EmailPurpose,
    to: Option<&User>,
    contents: &EmailContents,
) -> Result<(), StoreError> {
    // For nobody, and for whoever may get no more, the same statements run for one who never gets any.
    let asked = to.map_or(STAND_IN, |user| user.user_id);
    let may = may_get_one_more(tx, asked, purpose)?;
    // Only the newest code is good; whoever has waited for the one before gets one email, not two.
    email_queue::withdraw(tx, if may { asked } else { STAND_IN }, purpose, Timestamp::MIN)?;
    email_queue::insert(tx, purpose, to.filter(|_| may).map(|user| user.user_id), None, contents)
}

/// The user with this address, if they are somebody who gets an email for this purpose. It is the same work for others.
///
/// # Errors
///
/// A failing database.
pub(super) fn recipient(
    tx: &Tx<'_>,
    email: &EmailAddress,
    purpose: EmailPurpose,
) -> Result<Option<User>, StoreError> {
    let user = user_or_stand_in(tx, email)?;
    Ok(match user {
        Some(user) if is_recipient(tx, &user, purpose)? => Some(user),
        _ => None,
    })
}

fn user_or_stand_in(tx: &Tx<'_>, email: &EmailAddress) -> Result<Option<User>, StoreError> {
    match users::by_email(tx, email)? {
        // A user is read whatever the address.
        None => users::by_id(tx, STAND_IN),
        user => Ok(user),
    }
}

/// Has an email sent to this address, if it is that of somebody who gets one for this purpose. Neither the outcome nor the
/// work tells whether it is.
///
/// # Errors
///
/// A failing database.
pub(super) fn send_to_recipient(
    context: &mut Context<'_>,
    email: EmailAddress,
    purpose: EmailPurpose,
    contents: EmailContents,
) -> Result<(), StoreError> {
    context.refuse_instead_of_holding();
    context.write(move |tx| {
        let user = recipient(tx, &email, purpose)?;
        enqueue(tx, purpose, user.as_ref(), &contents)
    })?;
    wake(context.app());
    Ok(())
}

/// Has the email sent that goes to an address where somebody signs up: to an account that waits for its verification, the
/// one with the code; to any other, that there is one.
///
/// # Errors
///
/// A failing database.
pub(super) fn enqueue_for_signup(
    tx: &Tx<'_>,
    email: &EmailAddress,
    contents: &EmailContents,
) -> Result<(), StoreError> {
    let Some(user) = user_or_stand_in(tx, email)? else {
        return enqueue(tx, EmailPurpose::SignUp, None, contents);
    };
    for purpose in [EmailPurpose::SignUp, EmailPurpose::AccountExists] {
        if is_recipient(tx, &user, purpose)? {
            return enqueue(tx, purpose, Some(&user), contents);
        }
    }
    enqueue(tx, EmailPurpose::AccountExists, None, contents)
}

/// Has the emails of a change of the address sent: to the account's own address one by which the change is undone, to the
/// new one one by which it is made, or, where that belongs to somebody else, one that tells them. What was asked for
/// before ends. Unless there were others lately; whatever comes of it, it is the same work.
///
/// # Errors
///
/// A failing database.
pub(super) fn enqueue_for_change(
    tx: &Tx<'_>,
    user: &User,
    new: &EmailAddress,
    contents: &EmailContents,
    to_undo: &EmailContents,
) -> Result<(), StoreError> {
    use EmailPurpose::{EmailChange, EmailTaken, EmailUndo};
    let may = may_get_one_more(tx, user.user_id, EmailUndo)?;
    let owner = Some(user.user_id).filter(|_| may);
    if may {
        // Also where nobody gets a code now: whether the code before still works is not to tell that.
        crate::store::codes::delete_by_purpose(tx, user.user_id, CodePurpose::EmailChange)?;
        email_queue::withdraw(tx, user.user_id, EmailChange, Timestamp::MIN)?;
    }
    email_queue::insert(tx, EmailUndo, owner, Some(&user.email), to_undo)?;
    match users::by_email(tx, new)?.filter(|_| may) {
        Some(other) if is_recipient(tx, &other, EmailTaken)? => {
            enqueue(tx, EmailTaken, Some(&other), contents)
        }
        Some(_) => enqueue(tx, EmailTaken, None, contents),
        None => email_queue::insert(tx, EmailChange, owner, Some(new), contents),
    }
}

/// Whether enough time has passed since the emails before.
fn may_get_one_more(tx: &Tx<'_>, user_id: UserId, purpose: EmailPurpose) -> Result<bool, StoreError> {
    let before = |seconds: i64| tx.now().plus_seconds(-seconds).unwrap_or(Timestamp::MIN);
    let (sent, latest) = email_queue::sent_lately(tx, user_id, purpose, before(DAY_SECONDS))?;
    Ok(sent < PER_DAY_MAX && latest.is_none_or(|latest| latest <= before(GAP_SECONDS)))
}

/// Whether a user, as they are now, is somebody who gets an email for this purpose.
///
/// # Errors
///
/// A failing database.
pub(super) fn is_recipient(db: &Db<'_>, user: &User, purpose: EmailPurpose) -> Result<bool, StoreError> {
    if is_system_user(user.user_id) {
        return Ok(false);
    }
    let may_act = user.is_active && !user.user_role.is_locked();
    let is_pending = !user.is_active
        && !user.email_verified
        && user.user_role.is_locked()
        && locks::by_user(db, user.user_id)?.is_none();
    Ok(match purpose {
        EmailPurpose::SignUp => is_pending,
        EmailPurpose::AccountExists => !is_pending,
        // A lock that failed attempts made does not keep the owner from it, and whoever never proved the address does
        // so by this.
        EmailPurpose::Reset | EmailPurpose::Login => may_act || is_pending || is_suspended(db, user.user_id)?,
        EmailPurpose::EmailChange => may_act,
        EmailPurpose::EmailUndo => may_act || is_suspended(db, user.user_id)?,
        EmailPurpose::EmailTaken => true,
    })
}

/// Has the emails sent that are due, on the threads for that. Where too much is waiting for these, it is done later.
pub fn wake(app: &App) {
    let courier = Courier {
        store: Arc::clone(&app.store),
        mailer: Arc::clone(&app.mailer),
        clock: Arc::clone(&app.clock),
        rng: Arc::clone(&app.rng),
        stopping: Arc::clone(&app.mail_stops),
        settings: app.mail_settings.clone(),
        texts: app.email_texts.load_full(),
        code_form: app.config.code_form,
        valid_seconds: CodePurpose::ALL.map(|purpose| codes::valid_seconds(&app.config, purpose)),
    };
    // What does not fit into the queue of the threads stays in ours.
    let _ = app.post.submit(move || {
        let (_open, nothing) = mpsc::channel::<()>();
        let _ = nothing.recv_timeout(HEAD_START);
        courier.run();
    });
}

/// Has tried again at once what was being sent when the server ended. To be called before anything is sent.
///
/// # Errors
///
/// A failing database.
pub fn resume(app: &App) -> Result<(), StoreError> {
    if app.store.read(email_queue::any_sending)? {
        app.store.write(email_queue::resume)?;
    }
    Ok(())
}

/// For how long codes are good, in the order of their purposes.
type ValidSeconds = [i64; CodePurpose::ALL.len()];

/// What it takes to send emails from the queue.
struct Courier {
    store: Arc<Store>,
    mailer: Arc<dyn Mailer>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    stopping: Arc<AtomicBool>,
    settings: MailSettings,
    texts: Arc<EmailTexts>,
    code_form: CodeForm,
    valid_seconds: ValidSeconds,
}

/// An email that was taken out of the queue, and its new code.
struct Taken {
    due: DueEmail,
    to: String,
    /// Their name, once they have shown that the account is theirs.
    name: Option<String>,
    code: Code,
    expires: Timestamp,
}

impl Courier {
    fn run(self) {
        while !self.stopping.load(Ordering::Relaxed) {
            match self.take() {
                Ok(Some(taken)) => self.send(&taken),
                Ok(None) => break,
                Err(error) => {
                    log::error("could not take an email out of the queue", &[("cause", log::cause(&error))]);
                    break;
                }
            }
        }
    }

    /// Takes the next email that is due, and stores the code that it will have.
    fn take(&self) -> Result<Option<Taken>, StoreError> {
        if !self.store.read(email_queue::any_due)? {
            return Ok(None);
        }
        let (code, to_undo) = (Code::new(self.code_form, &*self.rng), Code::new(CodeForm::Link, &*self.rng));
        let valid_seconds = self.valid_seconds;
        self.store.write(move |tx| take(tx, &code, &to_undo, valid_seconds))
    }

    fn send(&self, taken: &Taken) {
        let Taken { due: DueEmail { email_id, purpose, tries, .. }, .. } = taken;
        let (email_id, tries) = (*email_id, *tries);
        let stopping = &self.stopping;
        let watch = Watch { stopping, patience: Some(PATIENCE), handed_over: &|| {}, trace: None };
        let sent = match write_email(&self.texts, taken) {
            Ok(email) => {
                let now = self.clock.now();
                self.keep_while(email_id, || self.mailer.send(&email, &self.settings, now, &watch))
            }
            Err(InvalidMessage) => Err(MailError::InvalidMessage),
        };
        let noted = match sent {
            Ok(receipt) => {
                if receipt == Receipt::Unconfirmed {
                    log::warning(
                        "the mail server did not say whether it has an email; it counts as sent",
                        &[],
                    );
                }
                self.store.write(move |tx| email_queue::set_done(tx, email_id))
            }
            Err(MailError::Stopped) => {
                self.store.write(move |tx| email_queue::set_waiting(tx, email_id, tries, tx.now()))
            }
            Err(error) => {
                let retry = usize::try_from(tries).ok().and_then(|tries| RETRY_SECONDS.get(tries));
                let retry_seconds = retry.copied().filter(|_| !is_final(error));
                tell(error, *purpose, tries + 1, retry_seconds);
                self.store.write(move |tx| match retry_seconds {
                    Some(seconds) => {
                        let next_try = codes::expiry(tx.now(), seconds);
                        email_queue::set_waiting(tx, email_id, tries + 1, next_try)
                    }
                    None => email_queue::set_dead(tx, email_id, tries + 1),
                })
            }
        };
        if let Err(error) = noted {
            log::error("could not note what came of an email", &[("cause", log::cause(&error))]);
        }
    }

    /// Keeps an email from being sent by other processes for as long as `send` takes.
    fn keep_while<T>(&self, email_id: i64, send: impl FnOnce() -> T) -> T {
        if !self.store.is_shared() {
            return send();
        }
        let (sending, ended) = mpsc::channel::<()>();
        // Should one fail, the next one may not.
        let renew = move || {
            while ended.recv_timeout(SHARED_LEASE_RENEWED) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = self.store.write(move |tx| keep(tx, email_id));
            }
        };
        std::thread::scope(|scope| {
            // Without a thread the lease ends while it may be under way still: rather two emails than none.
            let _ = std::thread::Builder::new().name("email-lease".to_owned()).spawn_scoped(scope, renew);
            let sent = send();
            drop(sending);
            sent
        })
    }
}

/// Keeps an email from being sent by others for a while.
fn keep(tx: &Tx<'_>, email_id: i64) -> Result<(), StoreError> {
    let seconds = if tx.is_shared() { SHARED_LEASE_SECONDS } else { LEASE_SECONDS };
    email_queue::set_sending(tx, email_id, codes::expiry(tx.now(), seconds))
}

/// Takes the next email out of the queue that somebody is still to get. Those for nobody are dropped.
fn take(
    tx: &Tx<'_>,
    code: &Code,
    to_undo: &Code,
    valid_seconds: ValidSeconds,
) -> Result<Option<Taken>, StoreError> {
    email_queue::delete_nobodys(tx)?;
    while let Some(due) = email_queue::next_due(tx)? {
        keep(tx, due.email_id)?;
        let user = match users::by_id(tx, due.user_id)? {
            Some(user) if is_recipient(tx, &user, due.purpose)? => user,
            _ => {
                email_queue::set_done(tx, due.email_id)?;
                continue;
            }
        };
        let to = due.address.as_ref().unwrap_or(&user.email).as_str().to_owned();
        // A code that is good for days is too long to be typed.
        let code = if due.purpose == EmailPurpose::EmailUndo { to_undo } else { code };
        let mut expires = tx.now();
        if let Some(purpose) = code_purpose(due.purpose) {
            // Those that undo changes are to expire in the order of the changes.
            let since = if purpose == CodePurpose::EmailUndo { due.created } else { tx.now() };
            expires = codes::expiry(since, valid_seconds[purpose as usize]);
            let folded = EmailAddress::folded(&to);
            let stored = code.stored(purpose, folded.as_str());
            if purpose == CodePurpose::EmailChange {
                crate::store::codes::delete_by_purpose(tx, user.user_id, purpose)?;
            }
            let address = due.address.as_ref();
            crate::store::codes::upsert(tx, user.user_id, purpose, address, (stored, expires))?;
            codes::forget_wrong_ones(tx, purpose, &folded)?;
        }
        match due.purpose {
            EmailPurpose::SignUp => users::set_verify_email_sent(tx, user.user_id)?,
            EmailPurpose::Reset => users::set_forgotpass_email_sent(tx, user.user_id)?,
            _ => true,
        };
        // Whoever has a new address has not shown yet that the account is theirs.
        let is_owners = user.email_verified && due.purpose != EmailPurpose::EmailChange;
        let name = user.full_name.clone().filter(|_| is_owners);
        return Ok(Some(Taken { due, to, name, code: code.clone(), expires }));
    }
    Ok(None)
}

/// What the code is good for that an email brings.
const fn code_purpose(purpose: EmailPurpose) -> Option<CodePurpose> {
    match purpose {
        EmailPurpose::SignUp => Some(CodePurpose::SignUp),
        EmailPurpose::Reset => Some(CodePurpose::Reset),
        EmailPurpose::Login => Some(CodePurpose::Login),
        EmailPurpose::EmailChange => Some(CodePurpose::EmailChange),
        EmailPurpose::EmailUndo => Some(CodePurpose::EmailUndo),
        EmailPurpose::AccountExists | EmailPurpose::EmailTaken => None,
    }
}

fn write_email(texts: &EmailTexts, taken: &Taken) -> Result<Email, InvalidMessage> {
    let EmailContents { site, page, browser, ip_address, language } = &taken.due.contents;
    let notice =
        Notice { to: &taken.to, name: taken.name.as_deref(), language, site, page, browser, ip_address };
    match taken.due.purpose {
        EmailPurpose::SignUp => notices::sign_up(texts, &notice, &taken.code, taken.expires),
        EmailPurpose::Reset => notices::reset(texts, &notice, &taken.code, taken.expires),
        EmailPurpose::AccountExists => notices::account_exists(texts, &notice),
        EmailPurpose::Login => notices::login(texts, &notice, &taken.code, taken.expires),
        EmailPurpose::EmailChange => notices::email_change(texts, &notice, &taken.code, taken.expires),
        EmailPurpose::EmailUndo => notices::email_undo(texts, &notice, &taken.code, taken.expires),
        EmailPurpose::EmailTaken => notices::email_taken(texts, &notice),
    }
}

/// Whether another try would come to the same. A mail server that does not let us log in may well do so later.
const fn is_final(error: MailError) -> bool {
    match error {
        MailError::InvalidMessage | MailError::NeedsUtf8 => true,
        MailError::Refused(code) => !matches!(code, 530..=539),
        _ => false,
    }
}

fn tell(error: MailError, purpose: EmailPurpose, tries: u32, retry_seconds: Option<i64>) {
    let mut fields = vec![
        ("why", error.text().into()),
        ("code", u32::from(error.code()).into()),
        ("purpose", purpose.text().into()),
        ("tries", tries.into()),
    ];
    match retry_seconds {
        Some(seconds) => {
            fields.push(("again_after_seconds", seconds.into()));
            log::warning("could not send an email yet", &fields);
        }
        None => log::error("gave up on an email", &fields),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_email_is_tried_later_than_the_store_expects() {
        assert!(RETRY_SECONDS.iter().chain([&LEASE_SECONDS]).all(|seconds| *seconds <= RETRY_SECONDS_MAX));
    }

    #[test]
    fn only_what_may_come_out_differently_is_tried_again() {
        for error in
            [MailError::Unreachable, MailError::Deferred(451), MailError::Refused(535), MailError::Tls]
        {
            assert!(!is_final(error), "{error:?}");
        }
        for error in [MailError::Refused(550), MailError::InvalidMessage, MailError::NeedsUtf8] {
            assert!(is_final(error), "{error:?}");
        }
    }
}
