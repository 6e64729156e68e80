"""Which language a visitor reads, and what our English is in it."""

from __future__ import annotations

from collections.abc import Mapping

Texts = Mapping[str, Mapping[str, str]]


def preferred(header: str, languages: list[str]) -> str:
    """The best of these languages by `Accept-Language`; the first where none of them is asked for."""
    known = {language.lower(): language for language in languages}
    wanted: list[tuple[float, int, str]] = []
    for place, part in enumerate(header.split(",")[:32]):
        tag, _, weight = part.strip().lower().partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=")) if weight else 1.0
        except ValueError:
            continue
        if tag and quality > 0:
            wanted.append((-quality, place, tag.strip()))
    for _, _, tag in sorted(wanted):
        # For `de-CH` without texts of its own, those of `de`.
        found = known.get(tag) or known.get(tag.partition("-")[0])
        if found:
            return found
    return languages[0]


def browser_name(user_agent: str) -> str:
    """What a person would call the browser that sends this; what it sends, where nobody knows."""
    browsers = (("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
    systems = (
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    )
    browser = next((name for mark, name in browsers if mark in user_agent), "")
    system = next((name for mark, name in systems if mark in user_agent), "")
    if not browser:
        return user_agent[:60] or "?"
    return f"{browser}, {system}" if system else browser
