//! Whether a user may do something, and whether a value is within a user's limit.

use crate::accounts::error::OperationError;
use crate::accounts::permission::{AccessRefused, LimitRefused, check_access, check_limit};
use crate::app::Call;
use crate::outcome::{Done, Empty, Failure, Outcome, Refusal};
use crate::policy::access::{Access, Denial, SharedWith};
use crate::{requests, shared_params};
use std::borrow::Cow;

const DENIED: &str = "The access was checked. Permitted: False.";
const NOT_PERMITTED: Refusal = Refusal::new("action not permitted", DENIED);
const NOT_VALID: Refusal = Refusal::new("user initiating request is not valid", DENIED);
const OTHERS_UNKNOWN: Refusal = Refusal::new("users specified as owner or shared-with not found", DENIED);
const NOT_CHECKED: Refusal =
    Refusal::new("exception when checking the DB", "The access could not be checked.");
const BAD_LIST: Refusal = Refusal::new(
    "invalid request: target_sharedwith is user numbers with commas between them",
    "The access could not be checked.",
);
const OVER: &str = "The limit was checked. Within: False.";
const OVER_LIMIT: Refusal = Refusal::new("user is over limit", OVER);
const LIMIT_NOT_VALID: Refusal = Refusal::new("user attempting access not found", OVER);
const LIMIT_NOT_CHECKED: Refusal =
    Refusal::new("exception when checking the DB", "The limit could not be checked.");

shared_params! {
    /// What somebody wants to do.
    struct Question {
        /// Who wants to.
        user_id: UserId,
        /// Their role.
        user_role: str,
        /// What they want to do: list, view, create, edit, delete, `change_visibility`, `change_owner`.
        action: str,
        /// The kind of item: object, dataset, collection, user, session, apikey, preference.
        target_name: str,
        /// Whose item it is.
        target_owner: UserId,
        /// Who can see it: public, unlisted, shared, private.
        target_visibility: str,
        /// Whom it is shared with: user numbers with commas between them; nothing, null or none for nobody.
        target_sharedwith: str|None,
    } optional {}
}

requests! {
    /// Tells whether a user may do something to an item, by the policy and by what is stored about the user.
    "user-check-access" => user_check_access(UserCheckAccess), broken NOT_CHECKED, repeat reads {} with question of Question answers Checked {
        /// What of the question the policy does not know, and therefore denies: item, action or visibility. With a role
        /// that it does not know, the access cannot be checked.
        unknown: Option<Cow<'static, str>>,
    } refuses [NOT_PERMITTED, NOT_VALID, OTHERS_UNKNOWN, NOT_CHECKED]

    /// Tells why a user may or may not do something to an item: the rule that decides. It grants nothing; ask
    /// user-check-access for that.
    "access-explain" => access_explain(AccessExplain), broken NOT_CHECKED, repeat reads {} with question of Question answers Explained {
        /// Whether user-check-access would permit it.
        permitted: bool,
        /// The rule that denies it, in one word: `user_not_active`, `owner_not_active`, or one of docs/policy.md.
        rule: Option<Cow<'static, str>>,
        /// The same in words.
        because: Option<Cow<'static, str>>,
        /// What of the question the policy does not know: role, item, action or visibility.
        unknown: Option<Cow<'static, str>>,
    } refuses [NOT_CHECKED, BAD_LIST]

    /// Tells whether a value is within a limit that the policy sets for a user's role.
    "user-check-limit" => user_check_limit(UserCheckLimit), broken LIMIT_NOT_CHECKED, repeat reads {
        /// Whose limit it is.
        user_id: UserId,
        /// Their role.
        user_role: str,
        /// Which limit. One that the role has not is never exceeded.
        limit_name: str,
        /// The number to compare.
        value_to_check: Any,
    } refuses [OVER_LIMIT, LIMIT_NOT_VALID, LIMIT_NOT_CHECKED]
}

/// Asks the policy and the database; `Err` in the answer if they say no. Of a list that is none `bad_list` tells.
fn check(call: &Call<'_>, ask: &Question, bad_list: &Refusal) -> Result<Result<(), AccessRefused>, Failure> {
    // The list matters only where something is shared; elsewhere nobody looks at it.
    let shared_with = if ask.target_visibility == "shared" {
        SharedWith::parse(ask.target_sharedwith.as_deref()).map_err(|_| bad_list.to_failure())?
    } else {
        SharedWith::nobody()
    };
    let access = Access {
        user_id: ask.user_id,
        role: &ask.user_role,
        action: &ask.action,
        item: &ask.target_name,
        owner_id: ask.target_owner,
        visibility: &ask.target_visibility,
        shared_with: &shared_with,
    };
    match check_access(call, &access) {
        Ok(()) => Ok(Ok(())),
        Err(OperationError::Refused(why)) => Ok(Err(why)),
        Err(OperationError::Broken(error)) => Err(error.into()),
    }
}

fn user_check_access(call: &mut Call<'_>, ask: UserCheckAccess) -> Outcome<Checked> {
    // In the words of the Python authnzerver.
    let Err(why) = check(call, &ask.question, &NOT_CHECKED)? else {
        return Ok(Done::new(Checked { unknown: None }, "The access was checked. Permitted: True."));
    };
    Err(match why {
        AccessRefused::Denied(Denial::UnknownRole) => NOT_CHECKED.to_failure(),
        AccessRefused::Denied(denial) => match denial.unknown() {
            Some(unknown) => NOT_PERMITTED.to_refused().with("unknown", unknown).into(),
            None => NOT_PERMITTED.to_failure(),
        },
        AccessRefused::NotActive => NOT_VALID.to_failure(),
        AccessRefused::OwnerNotActive => OTHERS_UNKNOWN.to_failure(),
    })
}

fn access_explain(call: &mut Call<'_>, ask: AccessExplain) -> Outcome<Explained> {
    let Err(why) = check(call, &ask.question, &BAD_LIST)? else {
        return Ok(Done::quiet(Explained { permitted: true, rule: None, because: None, unknown: None }));
    };
    let (rule, because, unknown) = match why {
        AccessRefused::Denied(denial) => (denial.rule(), denial.text(), denial.unknown()),
        AccessRefused::NotActive => ("user_not_active", "the user is not active, or not in that role", None),
        AccessRefused::OwnerNotActive => ("owner_not_active", "the owner is not active", None),
    };
    let [rule, because, unknown] = [Some(rule), Some(because), unknown].map(|word| word.map(Cow::Borrowed));
    Ok(Done::quiet(Explained { permitted: false, rule, because, unknown }))
}

fn user_check_limit(call: &mut Call<'_>, ask: UserCheckLimit) -> Outcome<Empty> {
    let checked = check_limit(call, ask.user_id, &ask.user_role, &ask.limit_name, &ask.value_to_check);
    checked.map_err(|error| {
        error.map_refusal(|why| match why {
            LimitRefused::Over => OVER_LIMIT.to_failure(),
            LimitRefused::NotActive => LIMIT_NOT_VALID.to_failure(),
            LimitRefused::UnknownRole => LIMIT_NOT_CHECKED.to_failure(),
        })
    })?;
    Ok(Done::new(Empty {}, "The limit was checked. Within: True."))
}
