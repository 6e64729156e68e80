"""Pages as plain, accessible HTML, for a site that has no templates of its own yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Input:
    """A field of a form."""

    name: str
    label: str = ""
    kind: str = "text"
    value: str = ""
    autocomplete: str = "off"


@dataclass(frozen=True)
class Form:
    """Inputs and a button, sent to the page that it stands on unless `action` says where."""

    button: str
    inputs: Sequence[Input] = ()
    action: str = ""


@dataclass(frozen=True)
class Page:
    """What a page shows. `name` tells which it is, for a site that draws it itself."""

    name: str
    title: str
    messages: Sequence[str] = ()
    forms: Sequence[Form] = ()
    rows: Sequence[tuple[str, Form | None]] = ()
    links: Sequence[tuple[str, str]] = ()
    csrf: str = ""


def draw(page: Page) -> str:
    """A whole HTML page."""
    messages = "".join(f'<p role="status">{escape(message)}</p>' for message in page.messages)
    rows = "".join(f"<li>{escape(text)}{drawn_form(form, page.csrf) if form else ''}</li>" for text, form in page.rows)
    forms = "".join(drawn_form(form, page.csrf) for form in page.forms)
    links = "".join(f'<li><a href="{escape(path)}">{escape(text)}</a></li>' for path, text in page.links)
    body = f"{messages}{f'<ul>{rows}</ul>' if rows else ''}{forms}{f'<nav><ul>{links}</ul></nav>' if links else ''}"
    title = escape(page.title)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"></head>'
        f"<body><main><h1>{title}</h1>{body}</main></body></html>"
    )


def drawn_form(form: Form, csrf: str) -> str:
    """A form with the token that proves that it is ours."""
    parts = [f'<input type="hidden" name="csrf" value="{escape(csrf)}">']
    for one in form.inputs:
        drawn = f'<input type="{one.kind}" name="{one.name}" value="{escape(one.value)}"'
        if one.kind == "hidden":
            parts.append(f"{drawn}>")
        elif one.kind == "checkbox":
            parts.append(f"<p><label>{drawn}> {escape(one.label)}</label></p>")
        else:
            parts.append(f'<p><label>{escape(one.label)} {drawn} autocomplete="{one.autocomplete}"></label></p>')
    action = f' action="{escape(form.action)}"' if form.action else ""
    return f'<form method="post"{action}>{"".join(parts)}<p><button>{escape(form.button)}</button></p></form>'
