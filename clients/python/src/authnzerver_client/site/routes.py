"""The pages with which users look after their accounts. Each is a flow: it yields what is to be asked and returns what
to show, so that it runs under WSGI and ASGI alike."""

from __future__ import annotations

from collections.abc import Callable, Generator
from html import unescape
from typing import TYPE_CHECKING, Any

from .. import calls
from ..errors import Refused
from ._web import Response, own_path
from .pages import Form, Input, Page
from .visit import Visit

if TYPE_CHECKING:
    from . import Site

Flow = Generator[Any, Any, Response]

EMAIL = Input("email", "E-mail address", "email", autocomplete="username")
PASSWORD = Input("password", "Password", "password", autocomplete="current-password")
NEW_PASSWORD = Input("new_password", "New password", "password", autocomplete="new-password")


def signup(site: Site, visit: Visit) -> Flow:
    """Signs somebody up."""
    name = Input("full_name", "Name", autocomplete="name")
    page = Page("signup", "Sign up", forms=[Form("Sign up", [name, EMAIL, NEW_PASSWORD])], links=[("/login", "Log in")])
    return (yield from filled(site, visit, page, _sign_up))


def _sign_up(site: Site, visit: Visit) -> Flow:
    form = visit.request.form
    yield calls.signup_start(
        full_name=form.get("full_name", ""),
        email=form.get("email", ""),
        password=form.get("new_password", ""),
        link=site.address("/verify"),
        site_name=site.name,
    )
    return site.show(visit, Page("sent", "Look at your e-mail", ["Open the link in the e-mail that we have sent you."]))


def verify(site: Site, visit: Visit) -> Flow:
    """Verifies the address of whoever got the code."""
    code = Input("code", kind="hidden", value=visit.request.query.get("code", ""))
    page = Page("verify", "Verify your address", forms=[Form("Verify", [code])])
    return (yield from filled(site, visit, page, _verify))


def _verify(site: Site, visit: Visit) -> Flow:
    answer = yield calls.signup_finish(code=visit.request.form.get("code", ""))
    return Response.to("/forgot" if answer.next == "reset" else "/login")


def login(site: Site, visit: Visit) -> Flow:
    """Logs somebody in, with another session than before."""
    remember = Input("remember", "Remember me", "checkbox", "1")
    onward = Input("next", kind="hidden", value=own_path(visit.request.query.get("next", "/")))
    links = [("/signup", "Sign up"), ("/forgot", "Forgot your password?")]
    page = Page("login", "Log in", forms=[Form("Log in", [EMAIL, PASSWORD, remember, onward])], links=links)
    return (yield from filled(site, visit, page, _log_in))


def _log_in(site: Site, visit: Visit) -> Flow:
    form = visit.request.form
    remember = "remember" in form
    try:
        answer = yield calls.login(
            email=form.get("email", ""),
            password=form.get("password", ""),
            session_token=visit.session_token,
            remember=remember,
        )
    except Refused:
        # The visitor's session has ended in any case.
        if visit.session_token:
            visit.forget()
        raise
    visit.start(answer.session_token, answer.expires, remember=remember)
    return Response.to(own_path(form.get("next", "/")))


def logout(site: Site, visit: Visit) -> Flow:
    """Ends the session."""
    page = Page("logout", "Log out", forms=[Form("Log out")])
    return (yield from filled(site, visit, page, _log_out))


def _log_out(site: Site, visit: Visit) -> Flow:
    try:
        if visit.session_token:
            yield calls.session_delete(session_token=visit.session_token)
    except Refused:
        pass  # It had ended already.
    visit.forget()
    return Response.to("/")


def forgot(site: Site, visit: Visit) -> Flow:
    """Has a code for a new password sent."""
    return (yield from filled(site, visit, Page("forgot", "Forgot your password?", forms=[Form("Send", [EMAIL])]), _ask))


def _ask(site: Site, visit: Visit) -> Flow:
    address = visit.request.form.get("email", "")
    yield calls.reset_start(email=address, link=site.address("/reset"), site_name=site.name)
    message = "If there is an account with this address, an e-mail with a link is on its way."
    return site.show(visit, Page("sent", "Look at your e-mail", [message]))


def reset(site: Site, visit: Visit) -> Flow:
    """Sets a new password."""
    code = visit.request.query.get("code") or visit.request.form.get("code", "")
    form = Form("Set password", [Input("code", kind="hidden", value=code), NEW_PASSWORD])
    return (yield from filled(site, visit, Page("reset", "Choose a new password", forms=[form]), _reset))


def _reset(site: Site, visit: Visit) -> Flow:
    form = visit.request.form
    yield calls.reset_finish(code=form.get("code", ""), new_password=form.get("new_password", ""))
    return Response.to("/login")


def password(site: Site, visit: Visit) -> Flow:
    """Changes the password of whoever is logged in."""
    form = Form("Change password", [PASSWORD, NEW_PASSWORD])
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
    return Response.to("/sessions")


def sessions(site: Site, visit: Visit) -> Flow:
    """Lists the sessions of whoever is logged in, and ends them."""
    token, form = visit.session_token or "", visit.request.form
    if visit.request.method == "POST":
        if form.get("others"):
            yield calls.session_delete_userid(session_token=token, user_id=visit.user_id or 0, keep_current_session=True)
        else:
            yield calls.session_end(session_token=token, session_id=form.get("session_id", ""))
        return Response.to("/sessions")
    answer = yield calls.session_list(session_token=token)
    rows = []
    for one in answer.sessions:
        here = " (this device)" if one.is_current else ""
        text = f"{one.user_agent}, {one.ip_address}, since {one.created:%Y-%m-%d %H:%M} UTC{here}"
        rows.append((text, Form("End", [Input("session_id", kind="hidden", value=one.session_id)])))
    others = Form("End all others", [Input("others", kind="hidden", value="1")])
    return site.show(visit, Page("sessions", "Your sessions", rows=rows, forms=[others]))


def keys(site: Site, visit: Visit) -> Flow:
    """Lists the API keys of whoever is logged in, makes new ones, and ends them."""
    token, form, messages = visit.session_token or "", visit.request.form, []
    if visit.request.method == "POST" and form.get("key_id"):
        yield calls.apikey_end(session_token=token, key_id=form["key_id"])
        return Response.to("/keys")
    if visit.request.method == "POST":
        try:
            issued = yield calls.apikey_issue(
                session_token=token, name=form.get("name", ""), scopes=form.get("scopes", "").split(), expires_days=365
            )
            messages = [f"Your new key, shown this once: {issued.apikey}"]
        except Refused as refused:
            messages = refused.messages
    answer = yield calls.apikey_list(session_token=token)
    rows: list[tuple[str, Form | None]] = []
    for one in answer.apikeys:
        end = Form("Revoke", [Input("key_id", kind="hidden", value=one.key_id)])
        rows.append((f"{one.name or one.key_id}: {' '.join(one.scopes or [])}", end))
    new = Form("Make a key", [Input("name", "Name"), Input("scopes", "Scopes, such as view:dataset")])
    return site.show(visit, Page("keys", "Your API keys", messages, rows=rows, forms=[new]))


def filled(site: Site, visit: Visit, page: Page, then: Callable[[Site, Visit], Flow]) -> Flow:
    """Shows a page and, once its form is sent, does what it is for; shows why where that is refused."""
    if visit.request.method != "POST":
        return site.show(visit, page)
    try:
        return (yield from then(site, visit))
    except Refused as refused:
        messages = refused.messages
        return site.show(visit, Page(page.name, page.title, messages, page.forms, links=page.links), status=422)


ROUTES: dict[str, Callable[[Site, Visit], Flow]] = {
    "/signup": signup,
    "/verify": verify,
    "/login": login,
    "/logout": logout,
    "/forgot": forgot,
    "/reset": reset,
    "/password": password,
    "/sessions": sessions,
    "/keys": keys,
}
# Those that only somebody who is logged in can see.
OWN = ("/password", "/sessions", "/keys")
