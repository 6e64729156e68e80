"""Pages as plain, accessible HTML, for a site that has no templates of its own yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .visit import Visit


@dataclass(frozen=True)
class Input:
    """A field of a form."""

    name: str
    label: str = ""
    kind: str = "text"
    value: str = ""
    autocomplete: str = "off"
    hint: str = ""
    required: bool = False


@dataclass(frozen=True)
class Form:
    """Inputs and a button, sent to the page that it stands on unless `action` says where."""

    button: str
    inputs: Sequence[Input] = ()
    action: str = ""


@dataclass(frozen=True)
class Row:
    """A line of a list, and what can be done with it."""

    title: str
    details: Sequence[str] = ()
    form: Form | None = None


@dataclass(frozen=True)
class Page:
    """What a page shows. `name` tells which it is, for a site that draws it itself."""

    name: str
    title: str
    messages: Sequence[str] = ()
    forms: Sequence[Form] = ()
    rows: Sequence[Row] = ()
    links: Sequence[tuple[str, str]] = ()
    is_error: bool = False
    """Whether the messages say what went wrong."""
    secret: str = ""
    """What is shown this once."""
    csrf: str = ""
    language: str = "en"
    visit: Visit | None = None
    """Who sees it, for a layout that tells."""

    @property
    def content(self) -> str:
        """The page without what is around it, as HTML: for a layout of the site's own."""
        return content(self)


def draw(page: Page) -> str:
    """A whole HTML page, without a look."""
    return (
        f'<!doctype html><html lang="{escape(page.language)}"><head><meta charset="utf-8">'
        f'<title>{escape(page.title)}</title><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"</head><body><main>{content(page)}</main></body></html>"
    )


def content(page: Page) -> str:
    """What stands within a page. Its classes are `message`, `error`, `secret`, `rows`, `detail`, `field`, `check` and
    `links`."""
    kind, role = ("error", "alert") if page.is_error else ("message", "status")
    parts = [f"<h1>{escape(page.title)}</h1>"]
    parts += [f'<p class="{kind}" role="{role}">{escape(message)}</p>' for message in page.messages]
    if page.secret:
        parts.append(f'<p class="secret"><code>{escape(page.secret)}</code></p>')
    if page.rows:
        rows = "".join(_row(row, page.csrf) for row in page.rows)
        parts.append(f'<ul class="rows">{rows}</ul>')
    parts += [_form(form, page.csrf, f"{number}-") for number, form in enumerate(page.forms)]
    if page.links:
        links = "".join(f'<li><a href="{escape(path)}">{escape(text)}</a></li>' for path, text in page.links)
        parts.append(f'<ul class="links">{links}</ul>')
    return "".join(parts)


def translated(page: Page, text: Callable[[str], str]) -> Page:
    """The page with each of its texts in another language, where there is one."""

    def form(form: Form) -> Form:
        inputs = [replace(one, label=text(one.label), hint=text(one.hint)) for one in form.inputs]
        return replace(form, button=text(form.button), inputs=inputs)

    return replace(
        page,
        title=text(page.title),
        messages=[text(message) for message in page.messages],
        forms=[form(one) for one in page.forms],
        # What stands in them most likely is not a text of ours but what users chose.
        rows=[replace(row, form=form(row.form) if row.form else None) for row in page.rows],
        links=[(path, text(words)) for path, words in page.links],
    )


def _row(row: Row, csrf: str) -> str:
    details = "".join(f' <span class="detail">{escape(detail)}</span>' for detail in row.details)
    # Several buttons with the same word: whoever hears them has to know which is which.
    form = _form(row.form, csrf, "", f"{row.form.button}: {row.title}") if row.form else ""
    return f"<li><div><strong>{escape(row.title)}</strong>{details}</div>{form}</li>"


def _form(form: Form, csrf: str, prefix: str, label: str = "") -> str:
    parts = [f'<input type="hidden" name="csrf" value="{escape(csrf)}">']
    parts += [_input(one, f"{prefix}{one.name}") for one in form.inputs]
    action = f' action="{escape(form.action)}"' if form.action else ""
    named = f' aria-label="{escape(label)}"' if label else ""
    return f'<form method="post"{action}>{"".join(parts)}<button{named}>{escape(form.button)}</button></form>'


def _input(one: Input, ident: str) -> str:
    about = {"type": one.kind, "name": one.name, "value": one.value}
    if one.kind == "hidden":
        return f"<input{_attributes(about)}>"
    about["id"] = ident
    if one.kind == "checkbox":
        return f'<p class="check"><input{_attributes(about)}> <label for="{ident}">{escape(one.label)}</label></p>'
    about["autocomplete"] = one.autocomplete
    hint = f'<small id="{ident}-hint">{escape(one.hint)}</small>' if one.hint else ""
    if hint:
        about["aria-describedby"] = f"{ident}-hint"
    required = " required" if one.required else ""
    label = f'<label for="{ident}">{escape(one.label)}</label>'
    return f'<p class="field">{label}{hint}<input{_attributes(about)}{required}></p>'


def _attributes(about: dict[str, str]) -> str:
    return "".join(f' {name}="{escape(value)}"' for name, value in about.items())
