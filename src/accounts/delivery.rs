//! Hands emails to the threads that send them. An email is noted as sent before; the note is taken back, by whoever
//! learns of it, when the email was certainly not sent, and never when it may have been.

use crate::app::{App, Context};
use crate::clock::Timestamp;
use crate::log;
use crate::outbound::mail::{MailError, MailSettings, Mailer, Receipt, Watch};
use crate::outbound::recent::{Noted, RecentEmails};
use crate::outbound::templates::Email;
use crate::outcome::Error;
use crate::store::{Lease, Store, Tx, emails};
use crate::user_id::UserId;
use crate::wait::{Receiver, Sender, oneshot};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long an email may wait in the queue, and the mail server may take for each reply, while somebody waits for the
/// outcome.
const PATIENCE: Duration = Duration::from_secs(30);

/// A note that an email was sent, as long as it may have to be taken back.
pub struct Claim {
    /// Whose email it is.
    pub user_id: UserId,
    /// What was noted.
    pub at: Timestamp,
    /// What was noted before.
    pub before: Option<Timestamp>,
    /// Which email it is; a forgotten-password email is noted in memory, too.
    pub kind: ClaimKind,
}

/// What kind of email a [`Claim`] is for.
pub enum ClaimKind {
    /// The email that verifies a sign-up.
    Verify,
    /// The email that lets somebody choose a new password.
    /// For whoever asks from that network again, other processes know of it by the lease.
    Forgotpass(Noted, Lease),
}

/// What is known about an email that was handed over.
pub struct Delivery {
    shared: Arc<Shared>,
    begun: Receiver<()>,
    outcome: Receiver<bool>,
}

struct Shared {
    store: Arc<Store>,
    recent: Arc<RecentEmails>,
    /// Set by who takes the email up: the thread that sends it, or the caller who will not wait for it any longer.
    is_taken: AtomicBool,
    claim: Mutex<Option<Claim>>,
}

/// Hands an email over. `wait` tells whether the caller is going to wait for the outcome; if not, the mail server gets
/// all the time that the protocol gives it. `None` if too many emails are waiting; then the note is taken back.
#[must_use]
pub fn send(
    context: &Context<'_>,
    email: Email,
    settings: MailSettings,
    claim: Claim,
    wait: bool,
) -> Option<Delivery> {
    let app = context.app();
    let shared = Arc::new(Shared {
        store: Arc::clone(&app.store),
        recent: Arc::clone(&app.recent_emails),
        is_taken: AtomicBool::new(false),
        claim: Mutex::new(Some(claim)),
    });
    let (begin, begun) = oneshot();
    let (tell, outcome) = oneshot();
    let work = Work {
        email,
        settings,
        now: context.now(),
        patience: wait.then_some(PATIENCE),
        mailer: Arc::clone(&app.mailer),
        stopping: Arc::clone(&app.mail_stops),
        shared: Arc::clone(&shared),
    };
    let is_queued = app.post.submit(move || work.run(begin, tell)).is_some();
    if !is_queued {
        log::warning("could not send an email", &[("why", "too many emails are waiting".into())]);
        shared.give_back();
        return None;
    }
    Some(Delivery { shared, begun, outcome })
}

/// Takes a note back: its email was never handed over.
pub fn give_back(context: &Context<'_>, claim: Claim) {
    let app = context.app();
    undo(&app.store, &app.recent_emails, claim);
}

impl Delivery {
    /// Waits until the email was sent or certainly not. An email that does not get its turn in time is not sent.
    #[must_use]
    pub fn wait(self) -> bool {
        if self.begun.wait_for(PATIENCE).is_err() && self.shared.take() {
            log::warning("could not send an email", &[("why", MailError::TimedOut.text().into())]);
            self.shared.give_back();
            return false;
        }
        // A panic in the work leaves no outcome; the email may have been sent before it.
        self.outcome.wait().unwrap_or(true)
    }

    /// Waits for so long at most. What is still under way then counts as sent, and its note is taken back should it
    /// fail after all.
    #[must_use]
    pub fn wait_for(self, limit: Duration) -> bool {
        limit.is_zero() || self.outcome.wait_for(limit).unwrap_or(true)
    }
}

impl Shared {
    /// Whether the email is now this one's.
    fn take(&self) -> bool {
        !self.is_taken.swap(true, Ordering::AcqRel)
    }

    /// Takes the note back: the email was not sent.
    fn give_back(&self) {
        let claim = self.claim.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(claim) = claim {
            undo(&self.store, &self.recent, claim);
        }
    }
}

fn undo(store: &Store, recent: &RecentEmails, claim: Claim) {
    let Claim { user_id, at, before, kind } = claim;
    let undo: fn(&Tx<'_>, UserId, Timestamp, Option<Timestamp>) -> _ = match kind {
        ClaimKind::Verify => emails::give_back_verify,
        ClaimKind::Forgotpass(noted, lease) => {
            store.end_lease(&lease);
            recent.give_back(noted);
            emails::give_back_forgotpass
        }
    };
    let undone = store.write(move |tx| undo(tx, user_id, at, before));
    if let Err(error) = undone {
        let error = Error::from(error);
        log::error("could not take back that an email was sent", &[("cause", log::cause(&error))]);
    }
}

/// One email, on its way.
struct Work {
    email: Email,
    settings: MailSettings,
    now: Timestamp,
    patience: Option<Duration>,
    mailer: Arc<dyn Mailer>,
    stopping: Arc<AtomicBool>,
    shared: Arc<Shared>,
}

impl Work {
    fn run(self, begin: Sender<()>, tell: Sender<bool>) {
        if !self.shared.take() {
            return;
        }
        begin.send(());
        let tell = Mutex::new(Some(tell));
        let tell = |sent: bool| {
            if let Some(tell) = tell.lock().unwrap_or_else(PoisonError::into_inner).take() {
                tell.send(sent);
            }
        };
        let handed_over = || tell(true);
        let watch = Watch {
            stopping: &self.stopping,
            patience: self.patience,
            handed_over: &handed_over,
            trace: None,
        };
        let sent = if self.stopping.load(Ordering::Relaxed) {
            Err(MailError::Stopped)
        } else {
            self.mailer.send(&self.email, &self.settings, self.now, &watch)
        };
        match sent {
            Ok(Receipt::Confirmed) => {}
            Ok(Receipt::Unconfirmed) => {
                log::warning("the mail server did not say whether it has an email; it counts as sent", &[]);
            }
            Err(error) => {
                let fields = [("why", error.text().into()), ("code", u32::from(error.code()).into())];
                log::warning("could not send an email", &fields);
                self.shared.give_back();
            }
        }
        tell(sent.is_ok());
    }
}

/// Ends every delivery soon: what is not handed over yet is not sent, and its note is taken back. To be called before
/// the database is closed.
pub fn stop(app: &App) {
    app.mail_stops.store(true, Ordering::Relaxed);
    app.post.finish();
}
