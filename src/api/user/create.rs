//! Signing up. Whether an address is known already is disclosed to the calling server alone; the end user reads the
//! same text in both cases.

use crate::accounts::actor::Performer;
use crate::accounts::sign_up::{Email, SignUp, SignUpRefused, sign_up};
use crate::app::Call;
use crate::outcome::{Done, Failure, Outcome, Refusal, Refused};
use crate::policy::email::EmailAddress;
use crate::requests;
use crate::user_id::UserId;

const MADE: &str = "Your account was made. Please verify your e-mail address before you log in.";
const USER_EXISTS: Refusal = Refusal::new("user exists", MADE);
const NOT_ADDED: Refusal =
    Refusal::new("DB issue with user creation", "The account could not be made. Please try again later.")
        .nulls(&["user_email", "user_id"]);
const BAD_EMAIL: Refusal =
    Refusal::new("invalid email", "This e-mail address cannot be used to sign up here.")
        .nulls(&["user_email", "user_id"]);
const BAD_NAME: Refusal = Refusal::new(
    "invalid full name",
    "This name cannot be used: it is too long or looks like a web address.",
)
.nulls(&["user_email", "user_id"]);
const BAD_PASSWORD: Refusal = Refusal::new("invalid password", "").nulls(&["user_id"]);

requests! {
    /// Signs a user up. The account can be used once its address is verified. An address that is known already is
    /// refused with the same message; the calling server sends a verification email whenever it is told to.
    "user-new" => user_new(UserNew), 5/min, broken NOT_ADDED, repeat same {
        /// The user's name; may be empty.
        full_name: str,
        /// The user's address, which is what they log in with.
        email: str,
        /// The password the user chose.
        password: password,
    } optional {
        /// Anything to note about the user.
        extra_info: dict|None,
        /// Hours until the same address may be signed up again, if it was not verified meanwhile.
        verify_retry_wait: int|None,
        /// A public identifier of the calling server's choice; one is made if there is none.
        system_id: str|None,
    } answers SignedUp {
        /// The address in its folded form.
        user_email: EmailAddress,
        /// The user's number.
        user_id: UserId,
        /// The user's public identifier.
        system_id: String,
        /// Whether a verification email is to be sent.
        send_verification: bool,
    } refuses [BAD_EMAIL, BAD_NAME, BAD_PASSWORD, USER_EXISTS, NOT_ADDED]
}

fn user_new(call: &mut Call<'_>, ask: UserNew) -> Outcome<SignedUp> {
    let asked = SignUp {
        email: &ask.email,
        full_name: &ask.full_name,
        password: &ask.password,
        extra_info: ask.extra_info.flatten().unwrap_or_default(),
        retry_hours: ask.verify_retry_wait.flatten(),
        system_id: ask.system_id.flatten(),
        notice: None,
    };
    let signed_up = sign_up(call, &Performer::CallingServer, asked);
    let account = signed_up.map_err(|error| error.map_refusal(|why| -> Failure { refused(why).into() }))?;
    let signed_up = SignedUp {
        user_email: account.email,
        user_id: account.user_id,
        system_id: account.system_id,
        send_verification: true,
    };
    Ok(Done::new(signed_up, MADE))
}

fn refused(why: SignUpRefused) -> Refused {
    match why {
        SignUpRefused::BadEmail => BAD_EMAIL.to_refused().with("send_verification", false),
        SignUpRefused::BadName => BAD_NAME.to_refused().with("send_verification", false),
        SignUpRefused::BadPassword(email, broken) => BAD_PASSWORD
            .to_refused()
            .with_messages(broken)
            .with("user_email", email.as_str())
            .with("send_verification", false),
        SignUpRefused::Known { account, email } => USER_EXISTS
            .to_refused()
            .with("user_email", account.email.as_str())
            .with("user_id", account.user_id)
            .with("system_id", account.system_id)
            .with("send_verification", email == Email::Send),
        SignUpRefused::NotAdded => NOT_ADDED.to_refused().with("send_verification", false),
    }
}
