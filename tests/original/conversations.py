"""The conversations that both servers have: every request, its good case and each way in which it says no.

The first one makes those who the others speak of; every other begins in the database that it leaves behind.
"""

import accounts_and_keys as more
from script import *

CAST = [
    *(step for name in ("alice", "bob", "sam", "tina", "lou") for step in (sign_up(name), verified(name))),
    sign_up("ivy"),
    role(SAM, "staff"),
    role(TINA, "superuser"),
    ask("lou is locked", "internal-user-lock", {"target_userid": LOU, "action": "lock"}),
    user("everybody", None),
]


def new_session(name, keep="token", **body):
    asked = {"ip_address": ADDRESS, "user_agent": BROWSER, "user_id": None, "expires": after(days=7),
             "extra_info_json": None}
    return ask(name, "session-new", asked | body, **{keep: "session_token"})


SESSIONS = [
    new_session("of a visitor", "visitor"),
    exists("of a visitor exists", "$visitor"),
    new_session("of alice", "alice", user_id=ALICE, extra_info_json={"theme": "dark", "n": [1, 2.5, None, True]}),
    exists("of alice exists", "$alice"),
    new_session("of nobody", user_id=NOBODY),
    new_session("of the visitors by number", user_id=VISITORS),
    new_session("of the locked by number", user_id=LOCKED),
    new_session("of a locked user", "lou", user_id=LOU),
    exists("of a locked user exists", "$lou"),
    new_session("of an inactive user", "ivy", user_id=IVY),
    exists("of an inactive user exists", "$ivy"),
    new_session("from an IPv6 address", "v6", ip_address="2001:db8::1"),
    exists("from an IPv6 address exists", "$v6"),
    new_session("from no address at all", ip_address="not an address"),
    new_session("from an empty address", ip_address=""),
    new_session("with an empty browser", user_agent=""),
    new_session("with a Z", expires=after(days=7, form="%Y-%m-%dT%H:%M:%S.%fZ")),
    new_session("without a fraction", expires=after(days=7, form="%Y-%m-%dT%H:%M:%S")),
    new_session("with an offset", expires=after(days=7, form="%Y-%m-%dT%H:%M:%S.%f+00:00")),
    new_session("with a space in the time", expires=after(days=7, form="%Y-%m-%d %H:%M:%S.%f")),
    new_session("for a number of days", expires=7),
    new_session("until nonsense", expires="tomorrow"),
    new_session("until an hour ago", "past", expires=after(seconds=-3600)),
    exists("that is over", "$past"),
    exists("that never was", NOBODYS_TOKEN),
    exists("with an empty token", ""),
    ask("is ended", "session-delete", {"session_token": "$visitor"}),
    ask("is ended twice", "session-delete", {"session_token": "$visitor"}),
    exists("is gone", "$visitor"),
    new_session("one of bob", "one", user_id=BOB),
    new_session("two of bob", "two", user_id=BOB),
    new_session("three of bob", "three", user_id=BOB),
    ask("all but one", "session-delete-userid",
        {"session_token": "$one", "user_id": BOB, "keep_current_session": True}),
    exists("one is kept", "$one"),
    exists("two is gone", "$two"),
    ask("all but one, of none others", "session-delete-userid",
        {"session_token": "$one", "user_id": BOB, "keep_current_session": True}),
    ask("all", "session-delete-userid", {"session_token": "$one", "user_id": BOB, "keep_current_session": False}),
    exists("one is gone too", "$one"),
    ask("all of nobody", "session-delete-userid",
        {"session_token": NOBODYS_TOKEN, "user_id": NOBODY, "keep_current_session": False}),
]


def note(name, token, update):
    return ask(name, "internal-session-edit", {"target_session_token": token, "update_dict": update})


SESSION_NOTES = [
    new_session("of alice", "alice", user_id=ALICE, extra_info_json={"kept": 1}),
    note("a new key", "$alice", {"extra_info_json": {"new": [1, "two"]}}),
    note("another value", "$alice", {"extra_info_json": {"kept": 2}}),
    note("a key goes", "$alice", {"extra_info_json": {"kept": "__delete__"}}),
    note("a key that is not there goes", "$alice", {"extra_info_json": {"never": "__delete__"}}),
    note("of another column", "$alice", {"user_id": BOB}),
    note("of another column and of the notes", "$alice", {"extra_info_json": {"a": 1}, "ip_address": "192.0.2.9"}),
    note("of nothing", "$alice", {}),
    note("that are no object", "$alice", {"extra_info_json": "text"}),
    note("that are null", "$alice", {"extra_info_json": None}),
    note("of no session", NOBODYS_TOKEN, {"extra_info_json": {"a": 1}}),
    exists("stay", "$alice"),
]

LOGIN = [
    session(None, visitor="session_token"),
    login("alice", "alice"),
    exists("ends its session", "$visitor"),
    login("with a session that is over", "alice"),
    session(ALICE, alice="session_token"),
    ask("out with another's number", "user-logout", {"session_token": "$alice", "user_id": BOB}),
    ask("out", "user-logout", {"session_token": "$alice", "user_id": ALICE}),
    ask("out twice", "user-logout", {"session_token": "$alice", "user_id": ALICE}),
    session(None, visitor="session_token"),
    login("with a wrong password", "alice", "not-the-password-at-all"),
    exists("with a wrong password ends its session", "$visitor"),
    session(None, visitor="session_token"),
    login("of nobody", "nobody"),
    session(None, visitor="session_token"),
    login("of a locked user", "lou"),
    session(None, visitor="session_token"),
    login("of a user who is not verified", "ivy"),
    session(None, visitor="session_token"),
    login("of somebody locked, with a wrong password", "lou", "not-the-password-at-all"),
    session(None, visitor="session_token"),
    login("with capitals in the address", "ALICE"),
    session(None, visitor="session_token"),
    login("with an empty password", "bob", ""),
    session(None, visitor="session_token"),
    login("root", "root", ADMIN_PASSWORD),
    session(BOB, bob="session_token"),
    login("from the session of somebody else", "alice", token="$bob"),
    passcheck("a password without a session", "alice"),
    passcheck("a wrong one without a session", "bob", "not-the-password-at-all"),
    passcheck("nobody's without a session", "nobody"),
    passcheck("a locked user's without a session", "lou"),
    passcheck("an unverified user's without a session", "ivy"),
    passcheck("with capitals without a session", "Alice"),
    session(ALICE, alice="session_token"),
    ask("a password in a session", "user-passcheck", {"session_token": "$alice", "password": PASSWORD}),
    ask("a wrong one in a session", "user-passcheck", {"session_token": "$alice", "password": OTHER_PASSWORD}),
    ask("a password in no session", "user-passcheck", {"session_token": NOBODYS_TOKEN, "password": PASSWORD}),
    session(None, visitor="session_token"),
    ask("a password in a visitor's session", "user-passcheck", {"session_token": "$visitor", "password": PASSWORD}),
    exists("a check leaves its session", "$alice"),
    user("what is noted of alice", ALICE),
    ask("a locked user is made active", "internal-user-edit", {"target_userid": LOU, "update_dict": {"is_active": True}}),
    session(None, visitor="session_token"),
    login("of a user who is active in the role locked", "lou"),
    passcheck("that of a user who is active in the role locked", "lou"),
]


def new_user(name, **body):
    return ask(name, "user-new", {"full_name": "Nora Example", "email": email("nora"), "password": PASSWORD} | body)


SIGN_UP = [
    new_user("with notes", extra_info={"theme": "dark", "provenance": "mine"}),
    new_user("again", ),
    new_user("of an active user", email=email("alice")),
    new_user("of a locked user", email=email("lou")),
    new_user("with notes that are null", email=email("n1"), extra_info=None),
    new_user("with a number of its own", email=email("n2"), system_id="number-of-its-own"),
    new_user("with a number that is taken", email=email("n3"), system_id="number-of-its-own"),
    new_user("with a wait", email=email("n4"), verify_retry_wait=2),
    new_user("with a wait below one", email=email("n5"), verify_retry_wait=-3),
    new_user("with capitals in the address", email="Nadia@Example.ORG"),
    new_user("with no address", email="nora.example.org"),
    new_user("with an empty address", email=""),
    new_user("with an address for throwing away", email="nora@mailinator.com"),
    new_user("as the webmaster", email="webmaster@example.org"),
    new_user("with letters that look like others", email="n\u043era@example.org"),
    new_user("with a name that is a link", email=email("n6"), full_name="see http://spam.example"),
    new_user("with a name that is a site", email=email("n7"), full_name="cheap.com deals"),
    new_user("with marks in the name", email=email("n8"), full_name="N <b>& \"co\"   spaced"),
    new_user("with an empty name", email=email("n9"), full_name=""),
    new_user("with a short password", email=email("m1"), password="short"),
    new_user("with a password of one letter", email=email("m2"), password="aaaaaaaaaaaaaaaaaaaa"),
    new_user("with a password of digits", email=email("m3"), password="9182736455463728190"),
    new_user("with a password like the address", email="constantinople@example.org",
             password="constantinople@example.org"),
    new_user("with a common password", email=email("m4"), password="password1234"),
    ask("nora is verified", "user-set-emailverified", {"email": email("nora")}),
    ask("nora is verified twice", "user-set-emailverified", {"email": email("nora")}),
    ask("nobody is verified", "user-set-emailverified", {"email": email("nobody")}),
    ask("a locked user is verified", "user-set-emailverified", {"email": email("lou")}),
    user("lou stays locked", LOU),
    new_user("of ivy, who is not verified", email=email("ivy"), full_name="Ivy Example", password=OTHER_PASSWORD),
    new_user("of lou with another password", email=email("lou"), full_name="Lou Example", password=OTHER_PASSWORD),
    ask("lou is unlocked", "internal-user-lock", {"target_userid": LOU, "action": "unlock"}),
    passcheck("lou's first password", "lou"),
    passcheck("the one of who signed up as lou", "lou", OTHER_PASSWORD),
    ask("a mail for ivy is noted", "user-set-emailsent", {"email": email("ivy"), "email_type": "signup"}),
    ask("a mail for alice is noted", "user-set-emailsent", {"email": email("alice"), "email_type": "forgotpass"}),
    ask("a mail of no kind", "user-set-emailsent", {"email": email("alice"), "email_type": "greeting"}),
    ask("a mail for nobody", "user-set-emailsent", {"email": email("nobody"), "email_type": "signup"}),
    user("everybody", None),
]


def change(name, user_id=ALICE, who="alice", **body):
    asked = {"user_id": user_id, "session_token": "$alice", "full_name": "Alice Example", "email": email(who),
             "current_password": PASSWORD, "new_password": OTHER_PASSWORD}
    return ask(name, "user-changepass", asked | body)


def change_nosession(name, user_id=BOB, who="bob", **body):
    asked = {"user_id": user_id, "full_name": "Bob Example", "email": email(who),
             "current_password": PASSWORD, "new_password": OTHER_PASSWORD}
    return ask(name, "user-changepass-nosession", asked | body)


PASSWORDS = [
    session(ALICE, alice="session_token"),
    session(ALICE, second="session_token"),
    change("with a wrong password", current_password="not-the-password-at-all"),
    change("to the same", new_password=PASSWORD),
    change("to a short one", new_password="short"),
    change("of nobody", NOBODY),
    change("of another's address", who="bob"),
    change("in no session", SAM, "sam", session_token=NOBODYS_TOKEN),
    change("in the session of another", TINA, "tina"),
    change("in a good session", current_password=PASSWORD),
    exists("keeps its session", "$alice"),
    exists("ends the others", "$second"),
    passcheck("the new one fits", "alice", OTHER_PASSWORD),
    passcheck("the old one does not", "alice"),
    session(BOB, bob="session_token"),
    change_nosession("with a wrong password, no session", current_password="not-the-password-at-all"),
    change_nosession("to the same, no session", new_password=PASSWORD),
    change_nosession("to a short one, no session", new_password="short"),
    change_nosession("of nobody, no session", NOBODY),
    change_nosession("of another's address, no session", who="sam"),
    change_nosession("of a locked user, no session", LOU, "lou"),
    change_nosession("without a session"),
    exists("without a session ends bob's", "$bob"),
]


def reset(name, who="alice", token="$visitor", new=OTHER_PASSWORD):
    return ask(name, "user-resetpass", {"email_address": email(who), "new_password": new, "session_token": token})


def reset_nosession(name, who="alice", active=True, new=PASSWORD):
    return ask(name, "user-resetpass-nosession",
               {"email_address": email(who), "new_password": new, "required_active": active})


def judge(name, password, **body):
    return ask(name, "user-validatepass", {"password": password, "email": email("alice"), "full_name": "Alice"} | body)


RESETS = [
    session(None, visitor="session_token"),
    session(ALICE, alice="session_token"),
    reset("to a short one", new="short"),
    reset("of nobody", "nobody"),
    reset("in no session", token=NOBODYS_TOKEN),
    reset("of a locked user", "lou"),
    reset("of an unverified user", "ivy"),
    reset("in a visitor's session"),
    passcheck("the new one fits", "alice", OTHER_PASSWORD),
    exists("ends alice's session", "$alice"),
    session(ALICE, alice="session_token"),
    reset("in the user's own session", token="$alice", new="and-again-3-other-words"),
    session(ALICE, alice="session_token"),
    reset("in somebody else's session", "bob", token="$alice"),
    reset_nosession("without a session"),
    reset_nosession("of an active user as inactive", active=False),
    reset_nosession("of an unverified user as inactive", "ivy", active=False),
    reset_nosession("of a locked user as inactive", "lou", active=False),
    reset_nosession("of a locked user as active", "lou"),
    reset_nosession("of nobody without a session", "nobody"),
    reset_nosession("to a short one without a session", new="short"),
    judge("a good one", OTHER_PASSWORD),
    judge("a short one", "short"),
    judge("a common one", "password"),
    judge("like the address", "alice@example.org"),
    judge("of one letter", "zzzzzzzzzzzzzzzzzzzz"),
    judge("of digits", "918273645546372819"),
    judge("with a length of its own", OTHER_PASSWORD, min_pass_length=60),
    judge("with a share of its own", OTHER_PASSWORD, max_character_frequency=0.05),
    judge("with a similarity of its own", "alice-and-7-harbours", max_unsafe_similarity=10),
    judge("with numbers that are negative", OTHER_PASSWORD, min_pass_length=-1, min_pwned_matches=-1),
]


def mail(request, name, **body):
    asked = {"email_address": email("ivy"), "session_token": "$visitor", "server_name": "Example",
             "server_baseurl": "https://example.org", "verification_token": "code-0123456789", "verification_expiry": 3600}
    own = {"password_forgot_url": "/users/forgot"}
    if request == "user-sendemail-signup":
        own = {"created_info": {"user_email": email("ivy"), "user_id": IVY, "send_verification": True},
               "account_verify_url": "/users/verify"}
    return ask(name, request, asked | own | body)


MAIL = [
    session(None, visitor="session_token"),
    mail("user-sendemail-signup", "for a sign-up in no session", session_token=NOBODYS_TOKEN),
    mail("user-sendemail-signup", "for a sign-up that is nonsense", created_info="nonsense"),
    mail("user-sendemail-signup", "for a sign-up by a server of the caller's", emailserver="127.0.0.1", emailport=9),
    mail("user-sendemail-signup", "for a sign-up again"),
    mail("user-sendemail-signup", "for a sign-up, by the name of the check", server_verify_url="/users/verify"),
    mail("user-sendemail-signup", "for a sign-up of nobody", email_address=email("nobody")),
    mail("user-sendemail-signup", "for a sign-up that needs none",
         created_info={"user_email": email("ivy"), "user_id": IVY, "send_verification": False}),
    mail("user-sendemail-signup", "for a sign-up, a number for an address", email_address=9, created_info="text",
         server_verify_url="/users/verify"),
    mail("user-sendemail-signup", "for a sign-up of somebody verified", email_address=email("alice"),
         created_info={"user_email": email("alice"), "user_id": ALICE, "send_verification": True}),
    mail("user-sendemail-forgotpass", "for a forgotten password", email_address=email("alice")),
    mail("user-sendemail-forgotpass", "for a forgotten password, soon again", email_address=email("alice")),
    mail("user-sendemail-forgotpass", "for a forgotten password of nobody", email_address=email("nobody")),
    mail("user-sendemail-forgotpass", "for a forgotten password of a locked user", email_address=email("lou")),
    mail("user-sendemail-forgotpass", "for a forgotten password in no session", email_address=email("bob"),
         session_token=NOBODYS_TOKEN),
    mail("user-sendemail-forgotpass", "for a forgotten password, a number for an address", email_address=4),
]


def find(by, match, name=None):
    return ask(name or f"by {by} = {match!r}", "user-lookup-match", {"by": by, "match": match})


LOOKUPS = [
    user("everybody", None),
    *(user(f"user {number}", number) for number in (ROOT, ALICE, NOBODY, 0, -1)),
    ask("no more than two", "user-list", {"user_id": None, "limit": 2}),
    ask("from the fifth", "user-list", {"user_id": None, "after": 4}),
    *(ask(f"address {address!r}", "user-lookup-email", {"email": address})
      for address in (email("alice"), email("Alice"), email("nobody"), "", " alice@example.org", "anonuser@localhost")),
    find("user_id", ALICE),
    find("user_id", "4"),
    find("user_id", NOBODY),
    find("user_id", 4.0),
    find("user_id", True),
    find("user_id", None),
    find("full_name", "Alice Example"),
    find("full_name", "alice example"),
    find("email", email("alice")),
    find("email", email("ALICE")),
    find("email_verified", True),
    find("email_verified", False),
    find("email_verified", 1),
    find("email_verified", "true"),
    find("is_active", True),
    find("is_active", False),
    find("is_active", 0),
    find("user_role", "superuser"),
    find("user_role", "no-such-role"),
    find("user_role", 7),
    find("failed_login_tries", 0),
    find("failed_login_tries", None),
    find("system_id", "no-such-number"),
    find("last_login_try", None),
    find("last_login_success", None),
    find("created_on", "2001-01-01 00:00:00.000000"),
    find("created_on", "no time"),
    find("last_updated", None),
    find("emailverify_sent_datetime", None),
    find("emailforgotpass_sent_datetime", None),
    find("emailchangepass_sent_datetime", None),
    find("extra_info", {"type": "normal-user"}),
    find("extra_info", {"type": "normal-user", "provenance": "request-created"}),
    find("extra_info", {"type": "other"}),
    find("extra_info", {"verify_retry_wait": 6}),
    find("extra_info", {"verify_retry_wait": "6"}),
    find("extra_info", {"never": None}),
    find("extra_info", {}),
    find("extra_info", "text"),
    find("extra_info", None),
    find("email", {"a": 1}),
    find("email", ["alice@example.org"]),
    find("password", "x"),
    find("no_such_column", 1),
    find("1=1 or user_id", 1),
]

CONVERSATIONS = {
    "sessions": SESSIONS,
    "session notes": SESSION_NOTES,
    "login": LOGIN,
    "sign-up": SIGN_UP,
    "passwords": PASSWORDS,
    "resets": RESETS,
    "mail": MAIL,
    "lookups": LOOKUPS,
    "edits": more.EDITS,
    "internal edits": more.INTERNAL_EDITS,
    "locks": more.LOCKS,
    "deletions": more.DELETIONS,
    "guesses": more.GUESSES,
    "access": more.ACCESS,
    "keys": more.KEYS,
    "free keys": more.FREE_KEYS,
    "endings": more.ENDINGS,
    "envelopes": more.ENVELOPES,
}
