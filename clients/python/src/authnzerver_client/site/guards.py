"""Guards for single views, beside those for paths (`Site.guard`). They work with Flask, Django, FastAPI and Starlette,
with functions and coroutines alike, and with the methods of a handler of `site.tornado`."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from .visit import current

View = TypeVar("View", bound=Callable[..., Any])


def login_required(view: View) -> View:
    """Shows a view only to whoever is logged in."""
    return role_required()(view)


def role_required(*roles: str) -> Callable[[View], View]:
    """Shows a view only to whoever is logged in with one of these roles."""

    def decorated(view: View) -> View:
        if inspect.iscoroutinefunction(view):

            @functools.wraps(view)
            async def later(*given: Any, **named: Any) -> Any:
                return _empty(given) if _is_refused(roles) else await view(*given, **named)

            return later  # type: ignore[return-value]

        @functools.wraps(view)
        def now(*given: Any, **named: Any) -> Any:
            return _empty(given) if _is_refused(roles) else view(*given, **named)

        return now  # type: ignore[return-value]

    return decorated


def _is_refused(roles: tuple[str, ...]) -> bool:
    visit = current()
    if not visit.is_logged_in:
        visit.refusal = visit.site.to_login(visit)
    elif roles and not visit.has_role(*roles):
        visit.refusal = visit.site.said(visit, 403, "You may not see this page.")
    return visit.refusal is not None


def _empty(given: tuple[Any, ...]) -> Any:
    """What stands in for the view's answer on its way to whatever is around the program, which shows the refusal."""
    if any(type(one).__module__.startswith("django.") for one in given):
        return importlib.import_module("django.http").HttpResponse()
    visit = current()
    if given and hasattr(given[0], "answer_with") and visit.refusal:
        # Tornado has nothing around a handler.
        return given[0].answer_with(visit.refusal)
    return ""
