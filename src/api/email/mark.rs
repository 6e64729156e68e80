//! What a calling server reports: that an address was proven, or that an email was sent by other means.

use crate::accounts::actor::Performer;
use crate::accounts::recipients::{EmailKind, NobodyHasIt, note_sent};
use crate::accounts::verify_email::{VerifyRefused, verify_email};
use crate::app::Call;
use crate::clock::Timestamp;
use crate::outcome::{Done, Failure, Outcome, Refusal};
use crate::policy::email::EmailAddress;
use crate::policy::roles::Role;
use crate::requests;
use crate::store::users::User;
use crate::user_id::UserId;

const FAILED: &str = "The address could not be marked as verified.";
const UNKNOWN: Refusal = Refusal::new("could not find user in DB by email", FAILED);
const NOT_VERIFIABLE: Refusal = Refusal::new("could not update user verified status in DB", FAILED);
const BAD_TYPE: Refusal =
    Refusal::new("invalid request: invalid email_type requested", "There is no such kind of email.");
const NOT_NOTED: Refusal = Refusal::new(
    "could not update the email sent status in DB",
    "It could not be noted that an email was sent.",
);

requests! {
    /// Marks an address as proven and makes its account active. The calling server has checked the proof. An account
    /// that is locked stays locked, and one that was deactivated stays inactive. If the address was signed up more than
    /// once with different passwords, none of them is valid: the user sets one with user-resetpass. The same holds if it
    /// was signed up after an account had been moved there by an edit.
    "user-set-emailverified" => user_set_emailverified(UserSetEmailverified), repeat same {
        /// The address the user signed up with.
        email: str,
    } answers Verified {
        /// The user's number.
        user_id: UserId,
        /// Whether the user may act.
        is_active: bool,
        /// The user's role.
        user_role: Role,
    } refuses [UNKNOWN, NOT_VERIFIABLE]

    /// Notes that an email was sent by other means than this server's.
    "user-set-emailsent" => user_set_emailsent(UserSetEmailsent), 2/min, repeat same {
        /// The address the user signed up with.
        email: str,
        /// Which email: signup or forgotpass.
        email_type: str,
    } answers Noted {
        /// The user's address.
        email: EmailAddress,
        /// When the last verification email went out.
        emailverify_sent_datetime: Option<Timestamp>,
        /// When the last forgotten-password email went out.
        emailforgotpass_sent_datetime: Option<Timestamp>,
        /// The user's number.
        user_id: UserId,
        /// Whether the user may act.
        is_active: bool,
        /// The user's role.
        user_role: Role,
    } refuses [BAD_TYPE, NOT_NOTED]
}

fn user_set_emailverified(call: &mut Call<'_>, ask: UserSetEmailverified) -> Outcome<Verified> {
    let verified = verify_email(call, &Performer::CallingServer, EmailAddress::folded(&ask.email));
    let user = verified.map_err(|error| {
        error.map_refusal(|why| match why {
            VerifyRefused::Unknown => failed(UNKNOWN),
            VerifyRefused::NotPossible => failed(NOT_VERIFIABLE),
        })
    })?;
    let User { user_id, is_active, user_role, .. } = user;
    Ok(Done::new(
        Verified { user_id, is_active, user_role },
        "The address is verified; the account is active.",
    ))
}

fn failed(refusal: Refusal) -> Failure {
    let keys = refusal.nulls(&["user_id"]).to_refused();
    keys.with("is_active", false).with("user_role", Role::LOCKED.as_str()).into()
}

fn user_set_emailsent(call: &mut Call<'_>, ask: UserSetEmailsent) -> Outcome<Noted> {
    let kind = match ask.email_type.as_str() {
        "signup" => EmailKind::Signup,
        "forgotpass" => EmailKind::ForgotPassword,
        _ => return Err(BAD_TYPE.to_failure()),
    };
    let noted = note_sent(call, EmailAddress::folded(&ask.email), kind);
    let user =
        noted.map_err(|error| error.map_refusal(|NobodyHasIt| -> Failure { NOT_NOTED.to_failure() }))?;
    let noted = Noted {
        email: user.email,
        emailverify_sent_datetime: user.emailverify_sent_datetime,
        emailforgotpass_sent_datetime: user.emailforgotpass_sent_datetime,
        user_id: user.user_id,
        is_active: user.is_active,
        user_role: user.user_role,
    };
    Ok(Done::new(noted, "It was noted that the email was sent."))
}
