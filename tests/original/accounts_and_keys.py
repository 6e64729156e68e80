"""Conversations of those who edit, lock and delete accounts, of access and limits, and of API keys."""

from script import *


def edit(name, update, user_id=ALICE, user_role="authenticated", token="$alice", target=None):
    body = {"user_id": user_id, "user_role": user_role, "session_token": token,
            "target_userid": user_id if target is None else target, "update_dict": update}
    return ask(name, "user-edit", body)


def admin_edit(name, target, update):
    return edit(name, update, TINA, "superuser", "$tina", target)


EDITS = [
    session(ALICE, alice="session_token"),
    session(SAM, sam="session_token"),
    session(TINA, tina="session_token"),
    edit("one's own name", {"full_name": "Alice B. Example"}),
    edit("one's own name with marks", {"full_name": "A <i> & \"B\""}),
    edit("one's own name to a link", {"full_name": "http://spam.example"}),
    edit("one's own name to a number", {"full_name": 7}),
    edit("one's own name back", {"full_name": "Alice Example"}),
    edit("one's own address to no address", {"email": "no address"}),
    edit("one's own address to somebody else's", {"email": email("bob")}),
    edit("one's own address", {"email": email("alice2")}),
    session(ALICE, alice="session_token"),
    edit("one's own role", {"user_role": "superuser"}),
    edit("one's own name and role", {"full_name": "A", "user_role": "superuser"}),
    edit("nothing of one's own", {}),
    edit("with a role that one has not", {"full_name": "A"}, user_role="staff"),
    edit("as superuser without being one", {"full_name": "A"}, user_role="superuser", target=BOB),
    edit("somebody else", {"full_name": "A"}, target=BOB),
    edit("in no session", {"full_name": "A"}, token=NOBODYS_TOKEN),
    edit("in somebody else's session", {"full_name": "A"}, token="$sam"),
    edit("a member of staff their own name", {"full_name": "Sam S."}, SAM, "staff", "$sam"),
    edit("a member of staff somebody else", {"full_name": "A"}, SAM, "staff", "$sam", BOB),
    edit("a locked user", {"full_name": "A"}, LOU, "locked", NOBODYS_TOKEN),
    edit("the user of visitors", {"full_name": "A"}, target=VISITORS),
    edit("the user of the locked", {"full_name": "A"}, target=LOCKED),
    admin_edit("an administrator somebody's name", BOB, {"full_name": "Bob B."}),
    admin_edit("an administrator somebody's address", BOB, {"email": email("bob2")}),
    admin_edit("an administrator somebody's activity", IVY, {"is_active": True}),
    admin_edit("an administrator somebody's proof", IVY, {"email_verified": True}),
    admin_edit("an administrator both", IVY, {"email_verified": True, "is_active": True}),
    admin_edit("an administrator a role", BOB, {"user_role": "staff"}),
    admin_edit("an administrator no role", BOB, {"user_role": "no-such-role"}),
    admin_edit("an administrator a password", BOB, {"password": "x"}),
    admin_edit("an administrator notes", BOB, {"extra_info": {"a": 1}}),
    admin_edit("an administrator nobody", NOBODY, {"full_name": "A"}),
    admin_edit("an administrator with odd types", BOB, {"is_active": "yes"}),
    admin_edit("an administrator the user of visitors", VISITORS, {"full_name": "A"}),
    admin_edit("an administrator their own name", TINA, {"full_name": "Tina T."}),
    edit("an administrator in no session", {"full_name": "A"}, TINA, "superuser", NOBODYS_TOKEN, BOB),
    user("everybody", None),
]


def note(name, target, update):
    return ask(name, "internal-user-edit", {"target_userid": target, "update_dict": update})


INTERNAL_EDITS = [
    note("notes", ALICE, {"extra_info": {"theme": "dark", "n": [1, 2.5, None]}}),
    note("a note goes", ALICE, {"extra_info": {"theme": "__delete__"}}),
    note("a note that is not there goes", ALICE, {"extra_info": {"never": "__delete__"}}),
    note("and is there", ALICE, {"extra_info": {"never": 1}}),
    note("notes that are no object", ALICE, {"extra_info": "text"}),
    note("notes that are null", ALICE, {"extra_info": None}),
    note("a name", ALICE, {"full_name": "Alice C."}),
    note("no address", ALICE, {"email": "no address"}),
    note("an address", ALICE, {"email": email("alice3")}),
    note("somebody else's address", ALICE, {"email": email("bob")}),
    note("activity", IVY, {"is_active": True}),
    note("a proof", IVY, {"email_verified": True}),
    note("a role", BOB, {"user_role": "staff"}),
    note("no role", BOB, {"user_role": "no-such-role"}),
    *(note(f"never {key}", ALICE, {key: value}) for key, value in (
        ("user_id", 77), ("system_id", "x"), ("password", "x"), ("created_on", "2001-01-01 00:00:00.000000"),
        ("last_updated", "2001-01-01 00:00:00.000000"), ("emailverify_sent_datetime", None),
        ("last_login_try", None), ("last_login_success", None), ("failed_login_tries", 0))),
    note("no such column", ALICE, {"no_such_column": 1}),
    note("nothing", ALICE, {}),
    note("of nobody", NOBODY, {"full_name": "A"}),
    note("of the user of visitors", VISITORS, {"full_name": "A"}),
    note("of the user of the locked", LOCKED, {"full_name": "A"}),
    user("everybody", None),
]


def lock(name, target, action="lock", user_id=TINA, user_role="superuser", token="$tina"):
    body = {"user_id": user_id, "user_role": user_role, "session_token": token, "target_userid": target, "action": action}
    return ask(name, "user-lock", body)


def internal_lock(name, target, action="lock"):
    return ask(name, "internal-user-lock", {"target_userid": target, "action": action})


LOCKS = [
    session(TINA, tina="session_token"),
    session(ALICE, alice="session_token"),
    session(BOB, bob="session_token"),
    lock("of alice", ALICE),
    exists("ends her session", "$alice"),
    passcheck("her password does not do any more", "alice"),
    lock("again", ALICE),
    lock("ends", ALICE, "unlock"),
    lock("ends again", ALICE, "unlock"),
    passcheck("her password does again", "alice"),
    lock("of a member of staff", SAM),
    lock("of a member of staff ends", SAM, "unlock"),
    lock("of somebody unverified", IVY),
    lock("of somebody unverified ends", IVY, "unlock"),
    lock("of oneself", TINA),
    lock("of the other administrator", ROOT),
    lock("of the other administrator ends", ROOT, "unlock"),
    lock("of the user of visitors", VISITORS),
    lock("of the user of the locked", LOCKED, "unlock"),
    lock("of nobody", NOBODY),
    lock("by no such action", BOB, "freeze"),
    lock("by who is no administrator", ALICE, user_id=BOB, user_role="authenticated", token="$bob"),
    lock("by who claims to be an administrator", ALICE, user_id=BOB, token="$bob"),
    lock("in no session", ALICE, token=NOBODYS_TOKEN),
    lock("in the session of another", ALICE, token="$bob"),
    internal_lock("by the server", BOB),
    internal_lock("by the server ends", BOB, "unlock"),
    internal_lock("by the server of who was locked first", LOU, "unlock"),
    internal_lock("by the server by no such action", BOB, "freeze"),
    internal_lock("by the server of the user of visitors", VISITORS),
    internal_lock("by the server of nobody", NOBODY),
    user("everybody", None),
]


def delete(name, who, user_id, password=PASSWORD):
    address = email(who) if who != "root" else "root@example.org"
    return ask(name, "user-delete", {"email": address, "user_id": user_id, "password": password})


def internal_delete(name, user_id):
    return ask(name, "internal-user-delete", {"target_userid": user_id})


DELETIONS = [
    session(ALICE, alice="session_token"),
    delete("with a wrong password", "alice", ALICE, "not-the-password-at-all"),
    delete("with another's number", "alice", BOB),
    delete("with another's address", "bob", ALICE),
    delete("of nobody", "nobody", NOBODY),
    delete("of an administrator", "tina", TINA),
    delete("of who is locked", "lou", LOU),
    delete("of who is unverified", "ivy", IVY),
    delete("of alice", "alice", ALICE),
    exists("ends her session", "$alice"),
    delete("of alice again", "alice", ALICE),
    internal_delete("by the server", BOB),
    internal_delete("by the server of nobody", NOBODY),
    internal_delete("by the server of the user of the locked", LOCKED),
    internal_delete("by the server of an administrator", TINA),
    internal_delete("by the server of the last administrator", ROOT),
    sign_up("zoe"),
    user("everybody", None),
]

GUESSES = [
    *(passcheck(f"failure {count}", "alice", "not-the-password-at-all") for count in range(1, 4)),
    passcheck("the third is not too many", "alice"),
    *(passcheck(f"failure {count} after a success", "alice", "not-the-password-at-all") for count in range(1, 5)),
    passcheck("the right one when it is locked", "alice"),
    user("what is noted", ALICE),
    *(step for count in range(1, 5) for step in (
        session(None, visitor="session_token"), login(f"login failure {count}", "bob", "not-the-password-at-all"))),
    session(None, visitor="session_token"),
    login("the right one for a login when it is locked", "bob"),
    ask("the right one for a change when it is locked", "user-changepass-nosession", {
        "user_id": BOB, "full_name": "Bob Example", "email": email("bob"), "current_password": PASSWORD,
        "new_password": OTHER_PASSWORD}),
    delete("the right one for a deletion when it is locked", "bob", BOB),
    *(login(f"failure {count} without a session", "sam", token=NOBODYS_TOKEN) for count in range(1, 5)),
    user("what is noted of who never had a session", SAM),
]


def access(name, user_id, user_role, action, target, owner, visibility="private", sharedwith=""):
    body = {"user_id": user_id, "user_role": user_role, "action": action, "target_name": target, "target_owner": owner,
            "target_visibility": visibility, "target_sharedwith": sharedwith}
    return ask(f"{name}: {user_role} {user_id} {action} {visibility} {target} of {owner}, {sharedwith}",
               "user-check-access", body)


def limit(name, user_id, user_role, value, which="max_requests"):
    body = {"user_id": user_id, "user_role": user_role, "limit_name": which, "value_to_check": value}
    return ask(f"limit, {name}", "user-check-limit", body)


WHO = (("authenticated", ALICE), ("staff", SAM), ("superuser", TINA), ("anonymous", VISITORS), ("locked", LOCKED))
VISIBILITIES = ("public", "unlisted", "private", "shared")

ACCESS = [
    *(access("others'", number, role, action, "dataset", BOB, visibility)
      for role, number in WHO for visibility in VISIBILITIES for action in ("list", "view", "edit", "create")),
    *(access("their own", number, role, action, "dataset", number)
      for role, number in WHO for action in ("view", "edit", "delete", "change_owner", "change_visibility")),
    *(access("items", number, role, "view", item, number)
      for role, number in WHO for item in ("object", "collection", "user", "session", "apikey", "preference")),
    access("shared with oneself", ALICE, "authenticated", "view", "dataset", BOB, "shared", f"{ALICE},{SAM}"),
    access("shared with others", ALICE, "authenticated", "view", "dataset", BOB, "shared", f"{SAM}"),
    access("shared with visitors", ALICE, "authenticated", "view", "dataset", BOB, "shared", "2"),
    access("shared with who is gone", ALICE, "authenticated", "view", "dataset", BOB, "shared", f"{ALICE},{NOBODY}"),
    access("shared with nonsense", ALICE, "authenticated", "view", "dataset", BOB, "shared", "x,y"),
    access("a list though nothing is shared", ALICE, "authenticated", "view", "dataset", BOB, "public", "x,y"),
    access("shared with null", ALICE, "authenticated", "view", "dataset", BOB, "public", None),
    access("shared with none", ALICE, "authenticated", "view", "dataset", BOB, "shared", "None"),
    access("no such action", ALICE, "authenticated", "fly", "dataset", ALICE),
    access("no such item", ALICE, "authenticated", "view", "moon", ALICE),
    access("no such visibility", ALICE, "authenticated", "view", "dataset", ALICE, "hidden"),
    access("no such role", ALICE, "king", "view", "dataset", ALICE),
    access("another's role", ALICE, "staff", "view", "dataset", ALICE),
    access("nobody", NOBODY, "authenticated", "view", "dataset", ALICE),
    access("owned by nobody", ALICE, "authenticated", "view", "dataset", NOBODY, "public"),
    access("owned by somebody inactive", ALICE, "authenticated", "view", "dataset", IVY, "public"),
    access("who is locked", LOU, "locked", "view", "dataset", LOU, "public"),
    *(limit(f"{role} {value}", number, role, value) for role, number in WHO
      for value in (1, 499999, 500000, 500001, 6000000)),
    *(limit(f"of odd type: {value!r}", ALICE, "authenticated", value)
      for value in (10.5, "10", True, None, [], {}, -1, 1e300)),
    limit("no such limit", ALICE, "authenticated", 1, "no-such-limit"),
    limit("another's role", ALICE, "staff", 1),
    limit("nobody", NOBODY, "authenticated", 1),
    limit("no such role", ALICE, "king", 1),
]

KEY = {"issuer": "example.org", "audience": "api", "subject": "/v1", "apiversion": 1, "not_valid_before": 0,
       "user_id": ALICE, "user_role": "authenticated", "ip_address": ADDRESS}


def new_key(name, **body):
    own = {"expires_days": 7, "user_agent": BROWSER, "session_token": "$alice"}
    return ask(name, "apikey-new", KEY | own | body, key="apikey")


def with_key(request, name, key="$key", user_id=ALICE, user_role="authenticated", **body):
    return ask(name, request, {"apikey_dict": key, "user_id": user_id, "user_role": user_role} | body)


def verify(name, *arguments):
    return with_key("apikey-verify", name, *arguments)


KEYS = [
    session(ALICE, alice="session_token"),
    session(BOB, bob="session_token"),
    new_key("a key"),
    verify("verified by its owner"),
    verify("verified by an administrator", "$key", TINA, "superuser"),
    verify("verified by a member of staff", "$key", SAM, "staff"),
    verify("verified by somebody else", "$key", BOB, "authenticated"),
    verify("verified by nobody", "$key", NOBODY, "authenticated"),
    verify("verified in another role", "$key", ALICE, "staff"),
    *(verify(f"with another {claim}", changed("$key", **{claim: value})) for claim, value in (
        ("tkn", NOBODYS_TOKEN), ("rol", "staff"), ("uid", BOB), ("aud", "other"), ("sub", "/v2"), ("iss", "other.org"),
        ("ver", 2), ("ipa", "192.0.2.8"), ("usa", "other"), ("iat", "2001-01-01T00:00:00.000000"),
        ("nbf", "2001-01-01T00:00:00.000000"), ("exp", "2101-01-01T00:00:00.000000"))),
    verify("with a claim too many", changed("$key", more=1)),
    verify("without claims", {}),
    verify("with the token alone", changed({}, tkn="$key")),
    new_key("for text as its version", apiversion="v1"),
    new_key("for several subjects", subject=["/v1", "/v2"]),
    new_key("valid in a second and a half", not_valid_before=1.5),
    new_key("valid tomorrow", not_valid_before=86400),
    verify("not valid yet"),
    new_key("that ended yesterday", expires_days=-1),
    new_key("for no time at all", expires_days=0),
    new_key("forever", expires_days=10**9),
    new_key("for nobody", user_id=NOBODY),
    new_key("in another role", user_role="staff"),
    new_key("for a visitor", user_id=VISITORS, user_role="anonymous"),
    new_key("in no session", session_token=NOBODYS_TOKEN),
    new_key("in somebody else's session", session_token="$bob"),
    new_key("from another address", ip_address="192.0.2.8"),
    new_key("from another browser", user_agent="other"),
    new_key("a second key"),
    with_key("apikey-revoke", "revoked by somebody else", "$key", BOB),
    with_key("apikey-revoke", "revoked by a member of staff", "$key", SAM, "staff"),
    with_key("apikey-revoke", "revoked with another token", changed("$key", tkn=NOBODYS_TOKEN)),
    with_key("apikey-revoke", "revoked with another role in it", changed("$key", rol="staff")),
    with_key("apikey-revoke", "revoked with another audience in it", changed("$key", aud="other")),
    new_key("one more"),
    with_key("apikey-revoke", "revoked"),
    with_key("apikey-revoke", "revoked twice"),
    verify("verified when it is revoked"),
    new_key("a third key"),
    ask("its session ends", "session-delete", {"session_token": "$alice"}),
    verify("verified when its session is over"),
]


def new_free_key(name, **body):
    own = {"expires_seconds": 86400, "refresh_expires": 172800, "refresh_nbf": 0}
    return ask(name, "apikey-new-nosession", KEY | own | body, key="apikey", refresh="refresh_token")


def refresh(name, key="$key", token="$refresh", user_id=ALICE, user_role="authenticated", **body):
    asked = {"apikey_dict": key, "user_id": user_id, "user_role": user_role, "refresh_token": token, "ip_address": ADDRESS,
             "expires_seconds": 3600, "not_valid_before": 0, "refresh_expires": 7200, "refresh_nbf": 0} | body
    return ask(name, "apikey-refresh-nosession", asked, key="apikey", refresh="refresh_token")


def verify_free(name, *arguments):
    return with_key("apikey-verify-nosession", name, *arguments)


FREE_KEYS = [
    new_free_key("a key"),
    verify_free("verified by its owner"),
    verify_free("verified by an administrator", "$key", TINA, "superuser"),
    verify_free("verified by a member of staff", "$key", SAM, "staff"),
    verify_free("verified by somebody else", "$key", BOB, "authenticated"),
    *(verify_free(f"with another {claim}", changed("$key", **{claim: value})) for claim, value in (
        ("tkn", NOBODYS_TOKEN), ("rol", "staff"), ("uid", BOB), ("aud", "other"), ("ver", 2), ("ipa", "192.0.2.8"),
        ("exp", "2101-01-01T00:00:00.000000"))),
    new_free_key("for nobody", user_id=NOBODY),
    new_free_key("in another role", user_role="staff"),
    new_free_key("for a locked user", user_id=LOU, user_role="locked"),
    new_free_key("forever", expires_seconds=10**12),
    new_free_key("that ended yesterday", expires_seconds=-86400),
    new_free_key("a second key"),
    refresh("with a wrong token", token=NOBODYS_TOKEN),
    refresh("of another key", changed("$key", tkn=NOBODYS_TOKEN)),
    refresh("by a member of staff", user_id=SAM, user_role="staff"),
    refresh("by somebody else", user_id=BOB),
    new_free_key("a third key"),
    refresh("by its owner"),
    verify_free("verified when it is new"),
    refresh("again"),
    refresh("by an administrator", user_id=TINA, user_role="superuser"),
    new_free_key("with a refresh token for tomorrow", refresh_nbf=86400),
    refresh("too early"),
    new_free_key("a fourth key"),
    with_key("apikey-revoke-nosession", "revoked by somebody else", "$key", BOB),
    with_key("apikey-revoke-nosession", "revoked with another token", changed("$key", tkn=NOBODYS_TOKEN)),
    with_key("apikey-revoke-nosession", "revoked with another role in it", changed("$key", rol="staff")),
    with_key("apikey-revoke-nosession", "revoked with another audience in it", changed("$key", aud="other")),
    new_free_key("one more"),
    with_key("apikey-revoke-nosession", "revoked"),
    with_key("apikey-revoke-nosession", "revoked twice"),
    refresh("when it is revoked"),
    new_free_key("a fifth key"),
    new_free_key("a sixth key"),
    with_key("apikey-revokeall-nosession", "all revoked by somebody else", "$key", BOB),
    with_key("apikey-revokeall-nosession", "all revoked with another token", changed("$key", tkn=NOBODYS_TOKEN)),
    with_key("apikey-revokeall-nosession", "all revoked"),
    with_key("apikey-revokeall-nosession", "all revoked twice"),
    new_free_key("a seventh key"),
    refresh("renewed forever", expires_seconds=10**12),
    verify_free("verified when that was refused"),
    new_free_key("an eighth key"),
    role(ALICE, "staff"),
    verify_free("verified when its owner's role is another", "$key", ALICE, "staff"),
]


def until(what, number, user_role="authenticated"):
    """What a user had open, before and after something is done to the account."""
    claims = {"user_id": number, "user_role": user_role}
    return [
        session(number, alice="session_token"),
        new_key(f"a key of user {number}", **claims),
        verify(f"a key of user {number} is verified", "$key", number, user_role),
        ask(f"a free key of user {number}", "apikey-new-nosession",
            KEY | claims | {"expires_seconds": 86400, "refresh_expires": 172800, "refresh_nbf": 0}, free="apikey"),
        what,
        exists(f"the session of user {number}", "$alice"),
        verify(f"the key of user {number}", "$key", number, user_role),
        verify_free(f"the free key of user {number}", "$free", number, user_role),
        verify_free(f"the free key of user {number}, by an administrator", "$free", TINA, "superuser"),
    ]


ENDINGS = [
    *until(role(ALICE, "staff"), ALICE),
    *until(internal_lock("bob is locked", BOB), BOB),
    internal_lock("bob is unlocked", BOB, "unlock"),
    verify_free("the free key of bob, who is unlocked", "$free", BOB),
    *until(note("sam is deactivated", SAM, {"is_active": False}), SAM, "staff"),
    note("sam is active again", SAM, {"is_active": True}),
    verify_free("the free key of sam, who is active again", "$free", SAM, "staff"),
]

ENVELOPES = [
    envelope("no such request", request="no-such-request"),
    envelope("an empty request", request=""),
    envelope("a request that is a number", request=7),
    envelope("without a request", request=None),
    envelope("without a body", body=None),
    envelope("a body that is text", body="text"),
    envelope("a body that is a list", body=[]),
    envelope("without a request's number", reqid=None),
    envelope("a text as request's number", reqid="abc"),
    envelope("zero as request's number", reqid=0),
    envelope("a broken number as request's number", reqid=1.5),
    envelope("an object as request's number", reqid={"a": 1}),
    envelope("without the client's address", client_ipaddr=None),
    envelope("nonsense as the client's address", client_ipaddr="nonsense"),
    envelope("the request echo", request="echo"),
    raw("nothing", "POST", "/", b""),
    raw("no base64", "POST", "/", b"%%%"),
    raw("no token", "POST", "/", b"aGVsbG8="),
    raw("a token without base64 around it", "POST", "/", "token"),
    raw("under another key", "POST", "/", "foreign"),
    raw("no JSON", "POST", "/", "no JSON"),
    raw("JSON that is no object", "POST", "/", "list"),
    raw("another Host", "POST", "/", b"", "elsewhere.example"),
    raw("a GET", "GET", "/"),
    raw("a PUT", "PUT", "/", b"x"),
    raw("no such page", "GET", "/no-such-page"),
    raw("how it is", "GET", "/health"),
    raw("how it is, by POST", "POST", "/health", b""),
    raw("the echo page", "POST", "/echo", b""),
]
