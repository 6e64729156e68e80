//! Validating a password before anything is done with it.

use crate::accounts::new_password::check_new_password;
use crate::app::Call;
use crate::outcome::{Done, Empty, Outcome, Refusal};
use crate::requests;

const INSECURE: Refusal = Refusal::new("password is insecure or invalid", "");

requests! {
    /// Tells whether a password would be accepted, and why not. Nothing is changed.
    "user-validatepass" => user_validatepass(UserValidatepass), repeat reads {
        /// The password.
        password: password,
        /// The address of its user; the password must not resemble it.
        email: str,
        /// The name of its user; the password must not resemble it.
        full_name: str,
    } optional {
        /// Accepted for old callers; the server's own policy counts.
        min_pass_length: int,
        /// Accepted for old callers; the server's own policy counts.
        max_unsafe_similarity: float,
        /// Accepted for old callers; the server's own policy counts.
        max_character_frequency: float,
        /// Accepted for old callers; the server's own policy counts.
        min_pwned_matches: int,
    } refuses [INSECURE]
}

fn user_validatepass(call: &mut Call<'_>, ask: UserValidatepass) -> Outcome<Empty> {
    // The four numbers are accepted and ignored: a caller cannot weaken the operator's rules.
    let UserValidatepass {
        password,
        email,
        full_name,
        min_pass_length: _min_length,
        max_unsafe_similarity: _max_similarity,
        max_character_frequency: _max_frequency,
        min_pwned_matches: _min_matches,
    } = ask;
    let broken = check_new_password(call, &password, &email, &[&full_name]);
    if broken.is_empty() {
        Ok(Done::quiet(Empty {}))
    } else {
        Err(INSECURE.to_refused().with_messages(broken).into())
    }
}
