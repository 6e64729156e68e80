//! Sending emails: to verify a sign-up, and to choose a new password. An email goes to the address that is stored,
//! whatever was asked for.

use crate::accounts::delivery::{self, Delivery};
use crate::accounts::recipients::{
    ForgotpassRefused, VerificationRefused, claim_forgotpass, claim_verification, verification_is_due,
};
use crate::accounts::sessions::live;
use crate::app::Call;
use crate::clock::Timestamp;
use crate::guard::token::StoredToken;
use crate::log;
use crate::outbound::mail::{MailError, MailSettings};
use crate::outbound::templates::{self, Contents, InvalidMessage, link};
use crate::outcome::{Done, Failure, Outcome, Refusal};
use crate::policy::email::EmailAddress;
use crate::user_id::UserId;
use crate::wire::{FromWire, ObjectOrText};
use crate::{requests, shared_params};
use std::time::Duration;

/// When the outcome of a forgotten-password email is answered, for unknown addresses too. A mail server is mostly done
/// by then, and calling servers made for the original wait five seconds.
const FORGOTPASS_ANSWERS_AFTER: Duration = Duration::from_secs(3);
/// The longest that a code may be good.
const CODE_SECONDS_MAX: i64 = 30 * 86_400;

const SIGNUP_NULLS: &[&str] = &["user_id", "email_address", "emailverify_sent_datetime"];
const NOT_SENT: &str = "No email was sent.";
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
    "The email could not be sent. Please try again later.",
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
/// What the end user reads, whoever has the address and whatever came of it.
const FORGOTPASS_ANSWERED: &str = "If somebody with this address may get an email now, it is on its way. If none comes, please try again later.";
const FORGOTPASS_UNKNOWN: Refusal =
    Refusal::new("invalid user for forgot-pass email request", FORGOTPASS_ANSWERED).nulls(FORGOTPASS_NULLS);
const FORGOTPASS_TOO_SOON: Refusal =
    Refusal::new("forgot-pass verification email sent less than 24 hours ago", FORGOTPASS_ANSWERED)
        .nulls(FORGOTPASS_NULLS);
const FORGOTPASS_NO_SESSION: Refusal =
    Refusal::new("invalid session for forgot-pass request", NOT_SENT).nulls(FORGOTPASS_NULLS);
const FORGOTPASS_NOT_DELIVERED: Refusal = Refusal::new(
    "forgot-pass verification email could not be sent because email server issue",
    FORGOTPASS_ANSWERED,
)
.nulls(FORGOTPASS_NULLS);

shared_params! {
    /// What a request says about the mail server.
    struct Overrides {} optional {
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
    }
}

requests! {
    /// Sends the email with which somebody who signed up verifies their address. Only when a sign-up said that an
    /// email is to be sent, and once.
    "user-sendemail-signup" => user_sendemail_signup(UserSendemailSignup), 2/min, broken NOT_DELIVERED {
        /// The address that was signed up with.
        email_address: str,
        /// A live session of the person who signed up; the email names its browser and IP address.
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
    } with overrides of Overrides answers SignupSent {
        /// The user's number.
        user_id: UserId,
        /// The address that the email went to.
        email_address: EmailAddress,
        /// When it went out.
        emailverify_sent_datetime: Timestamp,
    } refuses [
        BAD_SETTINGS, INCOMPLETE, BAD_SITE, NOT_DUE, UNKNOWN, VERIFIED, NO_SESSION, NOT_DELIVERED,
    ]

    /// Sends the email with which somebody who forgot their password chooses a new one.
    "user-sendemail-forgotpass" => user_sendemail_forgotpass(UserSendemailForgotpass), 2/min,
        broken FORGOTPASS_NOT_DELIVERED {
        /// The address of the account.
        email_address: str,
        /// A live session of the person who asks; the email names its browser and IP address.
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
    } with overrides of Overrides answers ForgotpassSent {
        /// The user's number.
        user_id: UserId,
        /// The address that the email went to.
        email_address: EmailAddress,
        /// When it went out.
        emailforgotpass_sent_datetime: Timestamp,
    } refuses [
        FORGOTPASS_BAD_SETTINGS, FORGOTPASS_BAD_SITE, FORGOTPASS_NO_SESSION, FORGOTPASS_UNKNOWN, FORGOTPASS_TOO_SOON, FORGOTPASS_NOT_DELIVERED,
    ]
}

fn user_sendemail_signup(call: &mut Call<'_>, ask: UserSendemailSignup) -> Outcome<SignupSent> {
    let settings = ask.overrides.settings(call).ok_or_else(|| BAD_SETTINGS.to_failure())?;
    let created = Created::of(&ask.created_info).ok_or_else(|| INCOMPLETE.to_failure())?;
    let link = link(&ask.server_baseurl, &ask.account_verify_url, &call.config().base_urls);
    let link = link.ok_or_else(|| BAD_SITE.to_failure())?;
    if !created.send_verification {
        return Err(NOT_DUE.to_failure());
    }
    let address = EmailAddress::folded(&ask.email_address);
    if address != created.user_email {
        return Err(UNKNOWN.to_failure());
    }
    let user_id = created.user_id;
    let due = verification_is_due(call, user_id, &address);
    due.map_err(|error| error.map_refusal(signup_refused))?;
    let session = live(call, &StoredToken::of(ask.session_token.expose()))?;
    let session = session.ok_or_else(|| NO_SESSION.to_failure())?;
    let email = templates::sign_up(&Contents {
        to: address.as_str(),
        site: &ask.server_name,
        base_url: ask.server_baseurl.trim_end_matches('/'),
        link: &link,
        code: ask.verification_token.expose(),
        expires: expiry(call, ask.verification_expiry).ok_or_else(|| NOT_DELIVERED.to_failure())?,
        browser: &session.user_agent,
        ip_address: &session.ip_address,
    });
    let email = email.map_err(|InvalidMessage| not_delivered(NOT_DELIVERED))?;
    // Checked above in order to answer early, and once more in the write that claims the email.
    let claim = claim_verification(call, user_id, address.clone());
    let claim = claim.map_err(|error| error.map_refusal(signup_refused))?;
    let sent = claim.at;
    if !delivery::send(call, email, settings, claim, true).is_some_and(Delivery::wait) {
        return Err(NOT_DELIVERED.to_failure());
    }
    let answer = SignupSent { user_id, email_address: address, emailverify_sent_datetime: sent };
    Ok(Done::new(answer, "The email was sent."))
}

fn signup_refused(why: VerificationRefused) -> Failure {
    match why {
        VerificationRefused::Unknown => UNKNOWN.to_failure(),
        VerificationRefused::Verified => VERIFIED.to_failure(),
        VerificationRefused::NotDue => NOT_DUE.to_failure(),
    }
}

fn user_sendemail_forgotpass(call: &mut Call<'_>, ask: UserSendemailForgotpass) -> Outcome<ForgotpassSent> {
    let settings = ask.overrides.settings(call).ok_or_else(|| FORGOTPASS_BAD_SETTINGS.to_failure())?;
    // The session comes first, so that nobody without one can find out about accounts.
    let session = live(call, &StoredToken::of(ask.session_token.expose()))?;
    let session = session.ok_or_else(|| FORGOTPASS_NO_SESSION.to_failure())?;
    let link = link(&ask.server_baseurl, &ask.password_forgot_url, &call.config().base_urls);
    let link = link.ok_or_else(|| FORGOTPASS_BAD_SITE.to_failure())?;
    let expires = expiry(call, ask.verification_expiry);
    // Whatever comes of it is answered after the same time, so that the time does not tell whose address is known.
    let begun = call.app().clock.monotonic();
    let ends = begun + FORGOTPASS_ANSWERS_AFTER;
    let rest = |call: &Call<'_>| ends.saturating_sub(call.app().clock.monotonic());
    let contents = |to| Contents {
        to,
        site: &ask.server_name,
        base_url: ask.server_baseurl.trim_end_matches('/'),
        link: &link,
        code: ask.verification_token.expose(),
        expires: expires.unwrap_or(call.now()),
        browser: &session.user_agent,
        ip_address: &session.ip_address,
    };
    let address = EmailAddress::folded(&ask.email_address);
    let email = templates::forgot_password(&contents(address.as_str())).ok().filter(|_| expires.is_some());
    let sent = claim_forgotpass(call, &address)
        .map_err(|error| error.map_refusal(forgotpass_refused))
        .and_then(|claim| {
            let answer = ForgotpassSent {
                user_id: claim.user_id,
                email_address: address,
                emailforgotpass_sent_datetime: claim.at,
            };
            let Some(email) = email else {
                delivery::give_back(call, claim);
                return Err(not_delivered(FORGOTPASS_NOT_DELIVERED));
            };
            let delivery = delivery::send(call, email, settings, claim, false);
            if !delivery.is_some_and(|delivery| delivery.wait_for(rest(call))) {
                return Err(FORGOTPASS_NOT_DELIVERED.to_failure());
            }
            Ok(Done::new(answer, FORGOTPASS_ANSWERED))
        });
    call.delay(rest(call));
    sent
}

fn forgotpass_refused(why: ForgotpassRefused) -> Failure {
    match why {
        ForgotpassRefused::Unknown => FORGOTPASS_UNKNOWN.to_failure(),
        ForgotpassRefused::TooSoon => FORGOTPASS_TOO_SOON.to_failure(),
    }
}

/// What a sign-up answered, as far as it matters here.
struct Created {
    send_verification: bool,
    user_id: UserId,
    user_email: EmailAddress,
}

impl Created {
    fn of(ObjectOrText(info): &ObjectOrText) -> Option<Self> {
        Some(Self {
            send_verification: info.get("send_verification")?.as_bool()?,
            user_id: UserId::from_wire(info.get("user_id")?.clone()).ok()?,
            user_email: EmailAddress::folded(info.get("user_email")?.as_str()?),
        })
    }
}

impl Overrides {
    /// The operator's settings, with those of the request in their place where the operator allows that.
    fn settings(self, call: &Call<'_>) -> Option<MailSettings> {
        let mut settings = call.app().mail_settings.clone();
        if !call.config().email_overrides {
            return Some(settings);
        }
        if let Some(port) = self.emailport {
            settings.port = u16::try_from(port).ok().filter(|port| *port > 0)?;
        }
        settings.server = self.emailserver.unwrap_or(settings.server);
        settings.sender = self.emailsender.unwrap_or(settings.sender);
        settings.user = self.emailuser.flatten().unwrap_or(settings.user);
        settings.password = self.emailpass.flatten().unwrap_or(settings.password);
        (!settings.server.is_empty() && !settings.sender.is_empty()).then_some(settings)
    }
}

fn expiry(call: &Call<'_>, seconds: i64) -> Option<Timestamp> {
    (0..=CODE_SECONDS_MAX).contains(&seconds).then(|| call.now().plus_seconds(seconds)).flatten()
}

/// An email that cannot be written is answered like one that cannot be sent.
fn not_delivered(refusal: Refusal) -> Failure {
    log::warning("could not send an email", &[("why", MailError::InvalidMessage.text().into())]);
    refusal.to_failure()
}
