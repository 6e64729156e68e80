//! The contract with calling servers: every request with its parameters, their types and their order, as written
//! down here once more.

use authnzerver::api::requests;
use std::fmt::Write as _;

/// What calling servers may rely on: request, then its parameters; those after `|` may be left out.
const CONTRACT: &str = "\
session-new: ip_address str, user_agent str, user_id int/None, expires str/int, extra_info_json dict/None
session-exists: session_token str
session-delete: session_token str
session-delete-userid: session_token str, user_id int, keep_current_session bool
user-login: session_token str, email str, password str
user-logout: session_token str, user_id int
user-passcheck: session_token str, password str
user-passcheck-nosession: email str, password str
user-new: full_name str, email str, password str | extra_info dict/None, verify_retry_wait int/None, system_id str/None
user-changepass: user_id int, session_token str, full_name str, email str, current_password str, new_password str
user-changepass-nosession: user_id int, full_name str, email str, current_password str, new_password str
user-delete: email str, user_id int, password str
user-list: user_id int/None | limit int, after int
user-lookup-email: email str
user-lookup-match: by str, match Any | limit int, after int
user-edit: user_id int, user_role str, session_token str, target_userid int, update_dict dict
user-resetpass: email_address str, new_password str, session_token str
user-resetpass-nosession: email_address str, new_password str, required_active bool
user-lock: user_id int, user_role str, session_token str, target_userid int, action str
user-validatepass: password str, email str, full_name str | min_pass_length int, max_unsafe_similarity float, max_character_frequency float, min_pwned_matches int
user-sendemail-signup: email_address str, session_token str, created_info dict/str, server_name str, server_baseurl str, account_verify_url str, verification_token str, verification_expiry int | emailuser str/None, emailpass str/None, emailserver str, emailport int, emailsender str
user-sendemail-forgotpass: email_address str, session_token str, server_name str, server_baseurl str, password_forgot_url str, verification_token str, verification_expiry int | emailuser str/None, emailpass str/None, emailserver str, emailport int, emailsender str
user-set-emailverified: email str
user-set-emailsent: email str, email_type str
apikey-new: issuer str, audience str, subject str/list, apiversion str/int, expires_days int, not_valid_before float/int, user_id int, user_role str, ip_address str, user_agent str, session_token str
apikey-verify: apikey_dict dict, user_id int, user_role str
apikey-revoke: apikey_dict dict, user_id int, user_role str
apikey-new-nosession: issuer str, audience str, subject str/list, apiversion str/int, expires_seconds int, not_valid_before float/int, user_id int, user_role str, ip_address str, refresh_expires int, refresh_nbf float/int
apikey-verify-nosession: apikey_dict dict, user_id int, user_role str
apikey-revoke-nosession: apikey_dict dict, user_id int, user_role str
apikey-revokeall-nosession: apikey_dict dict, user_id int, user_role str
apikey-refresh-nosession: apikey_dict dict, user_id int, user_role str, refresh_token str, ip_address str, expires_seconds int, not_valid_before int/float, refresh_expires int, refresh_nbf int/float
user-check-access: user_id int, user_role str, action str, target_name str, target_owner int, target_visibility str, target_sharedwith str/None
user-check-limit: user_id int, user_role str, limit_name str, value_to_check Any
internal-user-lock: target_userid int, action str
internal-user-delete: target_userid int
internal-user-edit: target_userid int, update_dict dict
internal-session-edit: target_session_token str, update_dict dict
login: email str, password str, ip_address str, user_agent str | session_token str, remember bool, days int, extra_info_json dict
access-explain: user_id int, user_role str, action str, target_name str, target_owner int, target_visibility str, target_sharedwith str/None
batch: requests list | stop_on_failure bool
session-info: session_token str
session-list: session_token str
login-history: session_token str | limit int, before int
session-end: session_token str, session_id str
session-touch: session_token str, days int | days_max int
apikey-list: session_token str
apikey-end: session_token str, key_id str
internal-session-list: | user_id int, after str
internal-session-end: session_id str
internal-session-end-all: user_id int/None
internal-session-purge:
internal-apikey-list: | user_id int, after str
internal-apikey-end: key_id str
internal-lock-list: | after str
internal-user-add: email str, full_name str, password str | role str
internal-email-list: | after int
internal-email-retry: number int/None
internal-email-drop: number int
internal-stats:
apikey-issue: session_token str, name str, scopes list | expires_days int
apikey-check: apikey str | action str, target_name str, target_owner int, target_visibility str, target_sharedwith str
apikey-rotate: session_token str, key_id str, overlap_seconds int
signup-start: full_name str, email str, password str, link str, site_name str, ip_address str, user_agent str | language str, extra_info dict
signup-resend: email str, link str, site_name str, ip_address str, user_agent str | language str
signup-finish: code str | email str, ip_address str, user_agent str, session_token str, remember bool, days int, extra_info_json dict
reset-start: email str, link str, site_name str, ip_address str, user_agent str | language str
reset-finish: code str, new_password str | email str
email-change-start: session_token str, email str, link str, undo_link str, site_name str, ip_address str, user_agent str | language str
email-change-finish: session_token str, code str | email str
email-change-undo: code str
login-link-start: email str, link str, site_name str, ip_address str, user_agent str | language str
login-link-finish: code str, ip_address str, user_agent str | email str, session_token str, remember bool, days int, extra_info_json dict
events-since: after str | wait_seconds int, kinds list, limit int
";

#[test]
fn there_is_each_request_that_calling_servers_know_and_no_other() {
    let mut wanted: Vec<_> = CONTRACT.lines().filter_map(|line| line.split(':').next()).collect();
    let mut there: Vec<_> = requests().map(|request| request.name).collect();
    wanted.sort_unstable();
    there.sort_unstable();
    assert_eq!(there, wanted);
}

#[test]
fn each_request_takes_what_calling_servers_send() {
    for request in requests() {
        let mut line = format!("{}:", request.name);
        let mut optional = false;
        for (place, param) in request.params.iter().enumerate() {
            let separator = match (place, param.required) {
                (0, true) => " ",
                (_, true) => ", ",
                (_, false) if optional => ", ",
                (_, false) => " | ",
            };
            assert!(!(optional && param.required), "{line}: required parameters come first");
            optional = !param.required;
            let words = param.types.join("/");
            write!(line, "{separator}{} {words}", param.name).expect("writes into memory");
        }
        assert!(CONTRACT.lines().any(|written| written == line), "this is not what was agreed: {line}");
    }
}

#[test]
fn one_parameter_has_a_second_name() {
    let aliases: Vec<_> = requests()
        .flat_map(|request| request.params)
        .filter_map(|param| param.alias.map(|alias| (param.name, alias)))
        .collect();
    assert_eq!(aliases, [("account_verify_url", "server_verify_url")]);
}
