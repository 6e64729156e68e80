"""The pages with which users look after their accounts. Each is a flow: it yields what is to be asked and returns what
to show, so that it runs under WSGI and ASGI alike."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from html import unescape
from typing import TYPE_CHECKING, Any

from .. import calls
from ..errors import Refused
from ._web import Response, own_path
from .pages import Form, Input, Page, Row
from .texts import browser_name
from .visit import Visit

if TYPE_CHECKING:
    from . import Site

Flow = Generator[Any, Any, Response]

EMAIL = Input("email", "E-mail address", "email", autocomplete="username", required=True)
PASSWORD = Input("password", "Password", "password", autocomplete="current-password", required=True)
NEW_PASSWORD = Input("new_password", "New password", "password", autocomplete="new-password", required=True)
REMEMBER = Input("remember", "Remember me on this device", "checkbox", "1")
TYPED_CODE = Input("code", "Code from the e-mail", autocomplete="one-time-code", required=True)

# What a page says after it was led to, for links and cookies carry no texts.
SAID = {
    "verified": "Your e-mail address is verified. You can log in now.",
    "mixed": "Your e-mail address is verified. Please choose a new password: somebody signed up with this address more than once.",
    "reset": "Your new password is set. Please log in.",
    "password": "Your password is changed, and all your other sessions have ended.",
    "email": "Your e-mail address is changed.",
    "undone": "The change is undone. Please choose a new password.",
    "ended": "The session has ended.",
    "revoked": "The key is revoked.",
}


def signup(site: Site, visit: Visit) -> Flow:
    """Signs somebody up."""
    if visit.request.method == "POST" and "resend" in visit.request.form:
        return (yield from _resend(site, visit))
    name = Input("full_name", "Name", autocomplete="name")
    password = replace(NEW_PASSWORD, label="Password", hint=site.password_hint)
    page = Page("signup", "Sign up", forms=[Form("Sign up", [name, EMAIL, password])], links=[("/login", "Log in")])
    return (yield from filled(site, visit, page, _sign_up))


def _sign_up(site: Site, visit: Visit) -> Flow:
    form = visit.request.form
    answer = yield calls.signup_start(
        full_name=form.get("full_name", ""),
        email=form.get("email", ""),
        password=form.get("new_password", ""),
        link=site.address("/verify"),
        site_name=site.name,
        language=visit.language,
    )
    return _sent_signup(site, visit, answer.next)


def _resend(site: Site, visit: Visit) -> Flow:
    address = visit.request.form.get("email", "")
    answer = yield calls.signup_resend(
        email=address, link=site.address("/verify"), site_name=site.name, language=visit.language
    )
    return _sent_signup(site, visit, answer.next)


def _sent_signup(site: Site, visit: Visit, then: str) -> Response:
    address = Input("email", kind="hidden", value=visit.request.form.get("email", ""))
    again = Form("Send it again", [address, Input("resend", kind="hidden", value="1")], "/signup")
    return _sent(site, visit, then, Form("Verify", [address, TYPED_CODE], "/verify"), [again])


def _sent(site: Site, visit: Visit, then: str, typed: Form, others: list[Form]) -> Response:
    """Says what to do with the email that is on its way."""
    if then == "code":
        text = "Type the code from the e-mail that we have sent you."
        return site.show(visit, Page("sent", "Look at your e-mail", [text], [typed, *others]))
    text = "Open the link in the e-mail that we have sent you."
    return site.show(visit, Page("sent", "Look at your e-mail", [text], others))


def verify(site: Site, visit: Visit) -> Flow:
    """Verifies the address of whoever got the code."""
    page = Page("verify", "Verify your address", forms=[_code_form(visit, "Verify")])
    return (yield from filled(site, visit, page, _verify))


def _code_form(visit: Visit, button: str, *more: Input) -> Form:
    """A button that sends the code of a link; fetching the page alone does nothing, for mail programs do. A code that
    was typed is asked for again, where it was wrong."""
    typed = visit.request.form.get("email")
    if typed:
        return Form(button, [Input("email", kind="hidden", value=typed), TYPED_CODE, *more])
    code = visit.request.query.get("code") or visit.request.form.get("code", "")
    return Form(button, [Input("code", kind="hidden", value=code), *more])


def _code(visit: Visit) -> dict[str, Any]:
    form = visit.request.form
    return {"code": form.get("code", ""), "email": form.get("email") or None}


def _verify(site: Site, visit: Visit) -> Flow:
    answer = yield calls.signup_finish(**_code(visit))
    return Response.to("/forgot?said=mixed" if answer.next == "reset" else "/login?said=verified")


def login(site: Site, visit: Visit) -> Flow:
    """Logs somebody in, with another session than before."""
    onward = visit.request.query.get("next") or visit.request.form.get("next", "/")
    target = Input("next", kind="hidden", value=own_path(onward))
    links = [("/signup", "Sign up"), ("/forgot", "Forgot your password?")]
    if site.login_link:
        links.append(("/login-link", "Log in by e-mail"))
    page = Page("login", "Log in", forms=[Form("Log in", [EMAIL, PASSWORD, REMEMBER, target])], links=links)
    return (yield from filled(site, visit, page, _log_in))


def _log_in(site: Site, visit: Visit) -> Flow:
    form = visit.request.form
    given = {"email": form.get("email", ""), "password": form.get("password", "")}
    return (yield from _enter(site, visit, calls.login, given))


def _enter(site: Site, visit: Visit, request: Callable[..., Any], given: dict[str, Any]) -> Flow:
    """Logs in, takes over what was noted about the visitor, and leads on."""
    form = visit.request.form
    remember = "remember" in form
    notes = {} if visit.is_logged_in else visit.notes
    try:
        answer = yield request(
            session_token=visit.session_token,
            remember=remember,
            days=site.login_days(remember),
            extra_info_json={**notes, "remember": remember},
            **given,
        )
    except Refused:
        # The visitor's session may have ended: a cookie that is good for nothing is in nobody's way, one that is kept
        # would be asked about each time.
        if visit.session_token:
            visit.forget()
        raise
    if answer.second_factor_due:
        # It does not count before a second proof, and there is no page for one.
        yield from _end(answer.session_token)
        visit.forget()
        return site.said(visit, 403, "Your account asks for a second proof of who you are, which this site does not take yet.")
    visit.forget_visitor()
    visit.start(answer.session_token, answer.expires, remember=remember)
    return Response.to(own_path(form.get("next", "/")))


def login_link(site: Site, visit: Visit) -> Flow:
    """Logs somebody in by an email."""
    if not site.login_link:
        return site.said(visit, 404, "There is no such page.")
    form = visit.request.form
    if visit.request.query.get("code") or "code" in form:
        page = Page("login-link", "Log in", forms=[_code_form(visit, "Log in", REMEMBER)])
        return (yield from filled(site, visit, page, _log_in_by_link))
    page = Page("login-link", "Log in by e-mail", forms=[Form("Send", [EMAIL])], links=[("/login", "Log in")])
    return (yield from filled(site, visit, page, _ask_for_link))


def _ask_for_link(site: Site, visit: Visit) -> Flow:
    address = visit.request.form.get("email", "")
    answer = yield calls.login_link_start(
        email=address, link=site.address("/login-link"), site_name=site.name, language=visit.language
    )
    typed = Form("Log in", [Input("email", kind="hidden", value=address), TYPED_CODE, REMEMBER], "/login-link")
    return _sent(site, visit, answer.next, typed, [])


def _log_in_by_link(site: Site, visit: Visit) -> Flow:
    return (yield from _enter(site, visit, calls.login_link_finish, _code(visit)))


def logout(site: Site, visit: Visit) -> Flow:
    """Ends the session."""
    page = Page("logout", "Log out", forms=[Form("Log out")])
    return (yield from filled(site, visit, page, _log_out))


def _log_out(site: Site, visit: Visit) -> Flow:
    if visit.session_token:
        yield from _end(visit.session_token)
    visit.forget()
    return Response.to("/")


def _end(token: str) -> Generator[Any, Any, None]:
    try:
        yield calls.session_delete(session_token=token)
    except Refused:
        pass  # It had ended already.


def forgot(site: Site, visit: Visit) -> Flow:
    """Has a code for a new password sent."""
    page = Page("forgot", "Forgot your password?", forms=[Form("Send", [EMAIL])], links=[("/login", "Log in")])
    return (yield from filled(site, visit, page, _ask_for_reset))


def _ask_for_reset(site: Site, visit: Visit) -> Flow:
    address = visit.request.form.get("email", "")
    answer = yield calls.reset_start(
        email=address, link=site.address("/reset"), site_name=site.name, language=visit.language
    )
    typed = Form("Set password", [Input("email", kind="hidden", value=address), TYPED_CODE, NEW_PASSWORD], "/reset")
    if answer.next == "code":
        return _sent(site, visit, "code", typed, [])
    message = "If there is an account with this address, an e-mail with a link is on its way."
    return site.show(visit, Page("sent", "Look at your e-mail", [message]))


def reset(site: Site, visit: Visit) -> Flow:
    """Sets a new password."""
    form = _code_form(visit, "Set password", replace(NEW_PASSWORD, hint=site.password_hint))
    return (yield from filled(site, visit, Page("reset", "Choose a new password", forms=[form]), _reset))


def _reset(site: Site, visit: Visit) -> Flow:
    yield calls.reset_finish(new_password=visit.request.form.get("new_password", ""), **_code(visit))
    return Response.to("/login?said=reset")


def password(site: Site, visit: Visit) -> Flow:
    """Changes the password of whoever is logged in."""
    new = replace(NEW_PASSWORD, hint=site.password_hint)
    form = Form("Change password", [replace(PASSWORD, label="Current password"), new])
    return (yield from filled(site, visit, Page("password", "Change your password", forms=[form]), _change))


def _change(site: Site, visit: Visit) -> Flow:
    form, session = visit.request.form, visit.session
    assert session and visit.session_token, "the guard of this page lets nobody else in"
    yield calls.user_changepass(
        user_id=session.user_id,
        session_token=visit.session_token,
        full_name=unescape(session.full_name or ""),
        email=session.email,
        current_password=form.get("password", ""),
        new_password=form.get("new_password", ""),
    )
    return Response.to("/sessions?said=password")


def email(site: Site, visit: Visit) -> Flow:
    """Has emails sent with which whoever is logged in changes their address."""
    now = visit.session.email if visit.session else ""
    new = Input("email", "New e-mail address", "email", autocomplete="email", required=True)
    page = Page("email", "Change your e-mail address", forms=[Form("Send", [new])], rows=[Row(now)])
    return (yield from filled(site, visit, page, _ask_for_email))


def _ask_for_email(site: Site, visit: Visit) -> Flow:
    address = visit.request.form.get("email", "")
    try:
        answer = yield calls.email_change_start(
            session_token=visit.session_token or "",
            email=address,
            link=site.address("/new-address"),
            undo_link=site.address("/old-address"),
            site_name=site.name,
            language=visit.language,
        )
    except Refused as refused:
        if refused.reason != "the login is not fresh enough":
            raise
        links = [("/login?next=/email", "Log in")]
        return site.show(visit, Page("email", "Change your e-mail address", refused.messages, links=links), 422)
    typed = Form("Change", [Input("email", kind="hidden", value=address), TYPED_CODE], "/new-address")
    return _sent(site, visit, answer.next, typed, [])


def new_address(site: Site, visit: Visit) -> Flow:
    """Gives whoever is logged in the address that the code was emailed to."""
    page = Page("new-address", "Change your e-mail address", forms=[_code_form(visit, "Change")])
    return (yield from filled(site, visit, page, _finish_email))


def _finish_email(site: Site, visit: Visit) -> Flow:
    yield calls.email_change_finish(session_token=visit.session_token or "", **_code(visit))
    return Response.to("/sessions?said=email")


def old_address(site: Site, visit: Visit) -> Flow:
    """Gives an account its former address back."""
    page = Page("old-address", "Keep your e-mail address", forms=[_code_form(visit, "Undo the change")])
    return (yield from filled(site, visit, page, _undo_email))


def _undo_email(site: Site, visit: Visit) -> Flow:
    yield calls.email_change_undo(code=visit.request.form.get("code", ""))
    return Response.to("/forgot?said=undone")


def sessions(site: Site, visit: Visit) -> Flow:
    """Lists the sessions of whoever is logged in, and ends them."""
    token, form = visit.session_token or "", visit.request.form
    if visit.request.method == "POST":
        if form.get("others"):
            yield calls.session_delete_userid(session_token=token, user_id=visit.user_id or 0, keep_current_session=True)
        else:
            yield calls.session_end(session_token=token, session_id=form.get("session_id", ""))
        return Response.to("/sessions?said=ended")
    answer = yield calls.session_list(session_token=token)
    rows = []
    for one in answer.sessions:
        here = f" ({visit.text('this device')})" if one.is_current else ""
        since = visit.text("since {time} UTC").format(time=f"{one.created:%Y-%m-%d %H:%M}")
        end = Form("End", [Input("session_id", kind="hidden", value=one.session_id)])
        rows.append(Row(browser_name(one.user_agent) + here, [one.ip_address, since], end))
    others = [Form("End all others", [Input("others", kind="hidden", value="1")])] if len(rows) > 1 else []
    links = [("/password", "Change your password"), ("/email", "Change your e-mail address")]
    return site.show(visit, Page("sessions", "Your sessions", rows=rows, forms=others, links=links))


def keys(site: Site, visit: Visit) -> Flow:
    """Lists the API keys of whoever is logged in, makes new ones, and ends them."""
    token, form = visit.session_token or "", visit.request.form
    shown = Page("keys", "Your API keys")
    if visit.request.method == "POST" and form.get("key_id"):
        yield calls.apikey_end(session_token=token, key_id=form["key_id"])
        return Response.to("/keys?said=revoked")
    if visit.request.method == "POST":
        try:
            issued = yield calls.apikey_issue(
                session_token=token, name=form.get("name", ""), scopes=form.get("scopes", "").split(), expires_days=365
            )
            shown = replace(shown, messages=["This is your new key. It is shown this once."], secret=issued.apikey)
        except Refused as refused:
            shown = replace(shown, messages=refused.messages, is_error=True)
    answer = yield calls.apikey_list(session_token=token)
    rows = []
    for one in answer.apikeys:
        end = Form("Revoke", [Input("key_id", kind="hidden", value=one.key_id)])
        ends = visit.text("until {date}").format(date=f"{one.expires:%Y-%m-%d}") if one.expires else visit.text("for good")
        rows.append(Row(one.name or one.key_id, [" ".join(one.scopes or []), ends], end))
    name = Input("name", "Name", required=True, hint="What it is for, such as the program that uses it.")
    scopes = Input("scopes", "Scopes", required=True, value=site.scopes, hint="What it is good for: action:item, with blanks between.")
    new = Form("Make a key", [name, scopes])
    return site.show(visit, replace(shown, rows=rows, forms=[new]), 422 if shown.is_error else 200)


def filled(site: Site, visit: Visit, page: Page, then: Callable[[Site, Visit], Flow]) -> Flow:
    """Shows a page and, once its form is sent, does what it is for; shows why where that is refused."""
    if visit.request.method != "POST":
        return site.show(visit, page)
    try:
        return (yield from then(site, visit))
    except Refused as refused:
        messages = list(refused.messages)
        if refused.retry_after:
            messages.append(visit.text("The next try counts in {seconds} seconds.").format(seconds=refused.retry_after))
        forms = [_kept(form, visit.request.form) for form in page.forms]
        return site.show(visit, replace(page, messages=messages, forms=forms, is_error=True), status=422)


def _kept(form: Form, sent: Any) -> Form:
    """What was typed need not be typed again; but for passwords and codes."""
    inputs = [
        replace(one, value=sent.get(one.name, one.value)) if one.kind in ("text", "email") and one is not TYPED_CODE else one
        for one in form.inputs
    ]
    return replace(form, inputs=inputs)


ROUTES: dict[str, Callable[[Site, Visit], Flow]] = {
    "/signup": signup,
    "/verify": verify,
    "/login": login,
    "/login-link": login_link,
    "/logout": logout,
    "/forgot": forgot,
    "/reset": reset,
    "/password": password,
    "/email": email,
    "/new-address": new_address,
    "/old-address": old_address,
    "/sessions": sessions,
    "/keys": keys,
}
# Those that only somebody who is logged in can see.
OWN = ("/password", "/email", "/new-address", "/sessions", "/keys")
