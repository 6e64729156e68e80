//! Sending letters: to verify a sign-up, and to choose a new password. A letter goes to the address that is stored,
//! whatever was asked for.

use crate::app::Call;
use crate::clock::Moment;
use crate::guard::secret::Secret;
use crate::guard::token::StoredToken;
use crate::log;
use crate::outbound::letters::{self, Contents, Letter, Unwritable, base_url_is_allowed};
use crate::outbound::mail::{MailError, MailSettings};
use crate::outcome::{Done, Error, Failure, Outcome, Refusal};
use crate::policy::email::{fold, is_valid_syntax};
use crate::requests;
use crate::store::locks::{self, Lock};
use crate::store::sessions::{self, LiveSession};
use crate::store::users::{self, LOCKED_ROLE, User};
use crate::wire::{Object, ObjectOrText};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

const ANONYMOUS_ROLE: &str = "anonymous";
/// A delivery that takes longer is reported as failed.
const DELIVERY_MAX: Duration = Duration::from_secs(30);
/// Seconds that always lie between two forgotten-password letters to one account.
const FORGOTPASS_GAP_SECONDS: i64 = 300;
const HOUR_SECONDS: i64 = 3600;
/// The longest that a code may be good.
const CODE_SECONDS_MAX: i64 = 30 * 86_400;

const SIGNUP_NULLS: &[&str] = &["user_id", "email_address", "emailverify_sent_datetime"];
const NOT_SENT: &str = "No letter was sent.";
const BAD_SETTINGS: Refusal = Refusal::new(
    "invalid request: missing 'emailsender', 'emailserver', or 'emailport' in request",
    "The settings of the mail server are not valid.",
)
.nulls(SIGNUP_NULLS);
const INCOMPLETE: Refusal =
    Refusal::new("invalid request: missing 'created_info' in request", NOT_SENT).nulls(SIGNUP_NULLS);
const BAD_SITE: Refusal =
    Refusal::new("invalid request: server_baseurl is not allowed", NOT_SENT).nulls(SIGNUP_NULLS);
const NOT_DUE: Refusal = Refusal::new(
    "not allowed to send verification email to target user, send_verification = False",
    NOT_SENT,
)
.nulls(SIGNUP_NULLS);
const UNKNOWN: Refusal =
    Refusal::new("target user for verification email does not exist", NOT_SENT).nulls(SIGNUP_NULLS);
const VERIFIED: Refusal =
    Refusal::new("target user for verification email already active and verified", NOT_SENT)
        .nulls(SIGNUP_NULLS);
const NO_SESSION: Refusal =
    Refusal::new("invalid session for requesting a verification email", NOT_SENT).nulls(SIGNUP_NULLS);
const NOT_DELIVERED: Refusal = Refusal::new(
    "verification email could not be sent because of an email server problem",
    "The letter could not be sent. Please try again later.",
)
.nulls(SIGNUP_NULLS);

const FORGOTPASS_NULLS: &[&str] = &["user_id", "email_address", "emailforgotpass_sent_datetime"];
const FORGOTPASS_BAD_SETTINGS: Refusal = Refusal::new(
    "missing 'emailserver', 'emailsender', 'emailport' in request",
    "The settings of the mail server are not valid.",
)
.nulls(FORGOTPASS_NULLS);
const FORGOTPASS_BAD_SITE: Refusal =
    Refusal::new("invalid request: server_baseurl is not allowed", NOT_SENT).nulls(FORGOTPASS_NULLS);
const FORGOTPASS_UNKNOWN: Refusal =
    Refusal::new("invalid user for forgot-pass email request", NOT_SENT).nulls(FORGOTPASS_NULLS);
const FORGOTPASS_TOO_SOON: Refusal =
    Refusal::new("forgot-pass verification email sent less than 24 hours ago", NOT_SENT)
        .nulls(FORGOTPASS_NULLS);
const FORGOTPASS_NO_SESSION: Refusal =
    Refusal::new("invalid session for forgot-pass request", NOT_SENT).nulls(FORGOTPASS_NULLS);
const FORGOTPASS_NOT_DELIVERED: Refusal = Refusal::new(
    "forgot-pass verification email could not be sent because email server issue",
    "The letter could not be sent. Please try again later.",
)
.nulls(FORGOTPASS_NULLS);

requests! {
    /// Sends the letter with which somebody who signed up verifies their address. Only when a sign-up said that a
    /// letter is to be sent, and once.
    "user-sendemail-signup" => user_sendemail_signup(UserSendemailSignup), 2/min, broken NOT_DELIVERED {
        /// The address that was signed up with.
        email_address: str,
        /// A live session of the person who signed up; its browser and IP address are told in the letter.
        session_token: secret,
        /// What the sign-up answered, as an object or as its JSON text.
        created_info: dict|str,
        /// What the site calls itself.
        server_name: str,
        /// The site's address.
        server_baseurl: str,
        /// Where the code is entered: appended to the site's address.
        account_verify_url or server_verify_url: str,
        /// The code.
        verification_token: secret,
        /// For how many seconds the code is good.
        verification_expiry: int,
    } optional {
        /// Another name to log in with at the mail server, where the operator allows that.
        emailuser: str|None,
        /// Its password.
        emailpass: secret|None,
        /// Another mail server.
        emailserver: str,
        /// Its port.
        emailport: int,
        /// Another sender.
        emailsender: str,
    } answers {
        /// The user's number.
        user_id: "int",
        /// The address that the letter went to.
        email_address: "str",
        /// When it went out.
        emailverify_sent_datetime: "datetime",
    } refuses [
        BAD_SETTINGS, INCOMPLETE, BAD_SITE, NOT_DUE, UNKNOWN, VERIFIED, NO_SESSION, NOT_DELIVERED,
    ]

    /// Sends the letter with which somebody who forgot their password chooses a new one.
    "user-sendemail-forgotpass" => user_sendemail_forgotpass(UserSendemailForgotpass), 2/min,
        broken FORGOTPASS_NOT_DELIVERED {
        /// The address of the account.
        email_address: str,
        /// A live session of the person who asks; its browser and IP address are told in the letter.
        session_token: secret,
        /// What the site calls itself.
        server_name: str,
        /// The site's address.
        server_baseurl: str,
        /// Where the code is entered: appended to the site's address.
        password_forgot_url: str,
        /// The code.
        verification_token: secret,
        /// For how many seconds the code is good.
        verification_expiry: int,
    } optional {
        /// Another name to log in with at the mail server, where the operator allows that.
        emailuser: str|None,
        /// Its password.
        emailpass: secret|None,
        /// Another mail server.
        emailserver: str,
        /// Its port.
        emailport: int,
        /// Another sender.
        emailsender: str,
    } answers {
        /// The user's number.
        user_id: "int",
        /// The address that the letter went to.
        email_address: "str",
        /// When it went out.
        emailforgotpass_sent_datetime: "datetime",
    } refuses [
        FORGOTPASS_BAD_SETTINGS, FORGOTPASS_BAD_SITE, FORGOTPASS_NO_SESSION, FORGOTPASS_UNKNOWN, FORGOTPASS_TOO_SOON, FORGOTPASS_NOT_DELIVERED,
    ]
}

#[derive(Serialize)]
struct SignupSent {
    user_id: i64,
    email_address: String,
    emailverify_sent_datetime: Option<Moment>,
}

fn user_sendemail_signup(call: &mut Call<'_>, ask: UserSendemailSignup) -> Outcome<SignupSent> {
    let overrides = Overrides {
        user: ask.emailuser.flatten(),
        password: ask.emailpass.flatten(),
        server: ask.emailserver,
        port: ask.emailport,
        sender: ask.emailsender,
    };
    let settings = overrides.settings(call).ok_or_else(|| BAD_SETTINGS.refuse())?;
    let created = Created::of(&ask.created_info).ok_or_else(|| INCOMPLETE.refuse())?;
    if !base_url_is_allowed(&ask.server_baseurl, &call.config().base_urls) {
        return Err(BAD_SITE.refuse());
    }
    if !created.send_verification {
        return Err(NOT_DUE.refuse());
    }
    let address = fold(&ask.email_address).into_owned();
    let user = user_by_email(call, &address)?.filter(|user| user.user_id == created.user_id);
    let user = user.filter(|user| user.email == fold(&created.user_email)).ok_or_else(|| UNKNOWN.refuse())?;
    if user.is_active || user.email_verified || user.user_role != LOCKED_ROLE {
        return Err(VERIFIED.refuse());
    }
    let session = live_session(call, &ask.session_token)?.ok_or_else(|| NO_SESSION.refuse())?;
    let user_id = user.user_id;
    if !call.read(|db| users::verification_letter_is_due(db, user_id))? {
        return Err(NOT_DUE.refuse());
    }
    let letter = letters::sign_up(&Contents {
        to: &user.email,
        site: &ask.server_name,
        base_url: ask.server_baseurl.trim_end_matches('/'),
        form: &ask.account_verify_url,
        code: ask.verification_token.expose(),
        expires: expiry(call, ask.verification_expiry).ok_or_else(|| NOT_DELIVERED.refuse())?,
        browser: &session.user_agent,
        ip_address: &session.ip_address,
    });
    if !deliver(call, letter, settings)? {
        return Err(NOT_DELIVERED.refuse());
    }
    let user = call.write(move |tx| {
        users::set_verify_letter_sent(tx, user_id)?;
        Ok(users::by_id(tx, user_id)?)
    })?;
    let sent = user.and_then(|user| user.emailverify_sent_datetime);
    let answer = SignupSent { user_id, email_address: address, emailverify_sent_datetime: sent };
    Ok(Done::new(answer, "The letter was sent."))
}

#[derive(Serialize)]
struct ForgotpassSent {
    user_id: i64,
    email_address: String,
    emailforgotpass_sent_datetime: Option<Moment>,
}

fn user_sendemail_forgotpass(call: &mut Call<'_>, ask: UserSendemailForgotpass) -> Outcome<ForgotpassSent> {
    let overrides = Overrides {
        user: ask.emailuser.flatten(),
        password: ask.emailpass.flatten(),
        server: ask.emailserver,
        port: ask.emailport,
        sender: ask.emailsender,
    };
    let settings = overrides.settings(call).ok_or_else(|| FORGOTPASS_BAD_SETTINGS.refuse())?;
    // The session comes first, so that nobody without one can find out about accounts.
    let session = live_session(call, &ask.session_token)?.ok_or_else(|| FORGOTPASS_NO_SESSION.refuse())?;
    if !base_url_is_allowed(&ask.server_baseurl, &call.config().base_urls) {
        return Err(FORGOTPASS_BAD_SITE.refuse());
    }
    let address = fold(&ask.email_address).into_owned();
    let user = user_by_email(call, &address)?;
    let user =
        user.filter(|user| user.user_role != ANONYMOUS_ROLE).ok_or_else(|| FORGOTPASS_UNKNOWN.refuse())?;
    // A lock that failed log-ins made does not keep the owner from choosing a new password.
    let lock = call.read(|db| locks::by_user(db, user.user_id))?;
    let may = user.is_active && user.user_role != LOCKED_ROLE || matches!(lock, Some(Lock::ByAttempts(_)));
    if !may {
        return Err(FORGOTPASS_UNKNOWN.refuse());
    }
    let network = call.client().network().to_string();
    if is_too_soon(call, &user, &network) {
        return Err(FORGOTPASS_TOO_SOON.refuse());
    }
    let letter = letters::forgot_password(&Contents {
        to: &user.email,
        site: &ask.server_name,
        base_url: ask.server_baseurl.trim_end_matches('/'),
        form: &ask.password_forgot_url,
        code: ask.verification_token.expose(),
        expires: expiry(call, ask.verification_expiry).ok_or_else(|| FORGOTPASS_NOT_DELIVERED.refuse())?,
        browser: &session.user_agent,
        ip_address: &session.ip_address,
    });
    if !deliver(call, letter, settings)? {
        return Err(FORGOTPASS_NOT_DELIVERED.refuse());
    }
    let user_id = user.user_id;
    call.app().note_forgotpass_letter(user_id, network, call.now());
    let user = call.write(move |tx| {
        users::set_forgotpass_letter_sent(tx, user_id)?;
        Ok(users::by_id(tx, user_id)?)
    })?;
    let sent = user.and_then(|user| user.emailforgotpass_sent_datetime);
    let answer = ForgotpassSent { user_id, email_address: address, emailforgotpass_sent_datetime: sent };
    Ok(Done::new(answer, "The letter was sent."))
}

/// Whether the next forgotten-password letter has to wait. The long wait is for the one who asked before: somebody
/// else, who may be the owner, waits only the short one.
fn is_too_soon(call: &Call<'_>, user: &User, network: &str) -> bool {
    let is_after =
        |sent: Moment, seconds: i64| sent.plus_seconds(seconds).is_none_or(|until| until >= call.now());
    let wait_seconds = i64::from(call.config().mail_wait_hours) * HOUR_SECONDS;
    let by_same = call.app().forgotpass_letter_sent(user.user_id, network);
    user.emailforgotpass_sent_datetime
        .is_some_and(|sent| is_after(sent, FORGOTPASS_GAP_SECONDS.min(wait_seconds)) && wait_seconds > 0)
        || by_same.is_some_and(|sent| is_after(sent, wait_seconds) && wait_seconds > 0)
}

/// What a sign-up answered, as far as it matters here.
struct Created {
    send_verification: bool,
    user_id: i64,
    user_email: String,
}

impl Created {
    fn of(ObjectOrText(info): &ObjectOrText) -> Option<Self> {
        let text = |object: &Object, key: &str| object.get(key)?.as_str().map(str::to_owned);
        Some(Self {
            send_verification: info.get("send_verification")?.as_bool()?,
            user_id: info.get("user_id")?.as_i64()?,
            user_email: text(info, "user_email")?,
        })
    }
}

/// What a request says about the mail server.
struct Overrides {
    user: Option<String>,
    password: Option<Secret<String>>,
    server: Option<String>,
    port: Option<i64>,
    sender: Option<String>,
}

impl Overrides {
    /// The operator's settings, with those of the request in their place where the operator allows that.
    fn settings(self, call: &Call<'_>) -> Option<MailSettings> {
        let mut settings = call.app().mail_settings.clone();
        if !call.config().email_overrides {
            return Some(settings);
        }
        if let Some(port) = self.port {
            settings.port = u16::try_from(port).ok().filter(|port| *port > 0)?;
        }
        settings.server = self.server.unwrap_or(settings.server);
        settings.sender = self.sender.unwrap_or(settings.sender);
        settings.user = self.user.unwrap_or(settings.user);
        settings.password = self.password.unwrap_or(settings.password);
        (!settings.server.is_empty() && !settings.sender.is_empty()).then_some(settings)
    }
}

fn user_by_email(call: &Call<'_>, folded: &str) -> Result<Option<User>, Failure> {
    if !is_valid_syntax(folded) {
        return Ok(None);
    }
    call.read(|db| match users::id_by_email(db, folded)? {
        Some(user_id) => users::by_id(db, user_id),
        None => Ok(None),
    })
}

fn live_session(call: &Call<'_>, token: &Secret<String>) -> Result<Option<LiveSession>, Failure> {
    call.read(|db| sessions::live_by_token(db, &StoredToken::of(token.expose())))
}

fn expiry(call: &Call<'_>, seconds: i64) -> Option<Moment> {
    (0..=CODE_SECONDS_MAX).contains(&seconds).then(|| call.now().plus_seconds(seconds)).flatten()
}

/// Hands a letter to the mail server and waits for it, but not for ever. Tells whether it was taken.
fn deliver(
    call: &Call<'_>,
    letter: Result<Letter, Unwritable>,
    settings: MailSettings,
) -> Result<bool, Failure> {
    let (mailer, now) = (Arc::clone(&call.app().mailer), call.now());
    let sent = match letter {
        Err(Unwritable) => Err(MailError::Unwritable),
        Ok(letter) => {
            let work = move || mailer.send(&letter, &settings, now);
            let sent = call.app().post.run_for(DELIVERY_MAX, work);
            sent.ok_or(Error::Busy("the mail server"))?.unwrap_or(Err(MailError::TimedOut))
        }
    };
    let Err(error) = sent else { return Ok(true) };
    let fields = [("why", error.text().into()), ("code", u32::from(error.code()).into())];
    log::warning("could not send a letter", &fields);
    Ok(false)
}
