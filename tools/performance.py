#!/usr/bin/env python3
"""Writes the figures of docs/performance.md and its plot from docs/performance.json, which `make bench-docs` measures.

    tools/performance.py [--check]

With --check nothing is written, and it fails if something would be.
"""

import json
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

# What is plotted, and how: a name of the table, a colour that is told apart without seeing colours well, and a dash.
LINES = {
    "bare may_minihttp": ("#888888", "2 4"),
    "Redis GET": ("#bbbbbb", "2 4"),
    "floor": ("#000000", "6 3"),
    "session-exists": ("#0072b2", ""),
    "user-check-access": ("#009e73", ""),
    "apikey-verify-nosession": ("#e69f00", ""),
    "session-new": ("#d55e00", ""),
    "better-auth": ("#cc79a7", "2 4"),
    "Python authnzerver": ("#56b4e9", "2 4"),
}
WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 30, 50


def table(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def time_of(micros):
    return f"{micros / 1000:,.1f} ms" if micros >= 1000 else f"{micros:,.0f} µs"


def mebibytes(kibibytes):
    return f"{kibibytes / 1024:.1f} MiB"


def told(number, form):
    """Or that there is no such number: not every machine can measure all of it."""
    return "not measured" if number is None else form(number)


def series_table(series):
    bare = series["rows"][0]["per_second"]
    rows = [
        [
            row["name"],
            f"{row['per_second']:,.0f}",
            f"{100 * row['per_second'] / bare:.0f} %",
            f"{row['cpu_micros']:,.1f} µs",
            time_of(row["median_micros"]),
            time_of(row["p99_micros"]),
        ]
        for row in series["rows"]
    ]
    connections = series["connections"]
    title = f"### {connections} connection{'s' if connections > 1 else ''}"
    head = ["", "a second", "of the bare echo", "CPU each", "median", "99 of 100"]
    return f"{title}\n\n{table(head, rows)}"


def figures(measured):
    whole = [
        ["binary", f"{measured['binary_bytes']:,} bytes"],
        ["first start, which hashes a password", f"{measured['first_start_ms']} ms"],
        [f"start with {measured['rows']:,} sessions and more", f"{measured['start_ms']} ms"],
        ["stop, right after a load", f"{measured['stop_ms']} ms"],
        ["stop, after some idle seconds", told(measured.get("idle_stop_ms"), lambda time: f"{time} ms")],
        ["memory, idle", mebibytes(measured["idle_kib"])],
        [f"memory, {measured['crowd']:,} busy connections", mebibytes(measured["crowd_kib"])],
        [f"memory, {measured.get('idle_crowd', 10_000):,} idle connections", told(measured.get("idle_crowd_kib"), mebibytes)],
        ["of which each takes", told(measured.get("idle_connection_bytes"), lambda count: f"{count:,} bytes")],
    ]
    parts = [[name, time_of(micros) if micros >= 100 else f"{micros} µs"] for name, micros in measured["parts_micros"].items()]
    left_out = measured.get("left_out", ["better-auth", "Python authnzerver"])
    left_out = [f"Not measured: {'; '.join(left_out)}."] if left_out else []
    texts = [
        f"{measured['machine']}. Medians of {measured['rounds']} rounds of {measured['seconds']} s each, in turns.",
        *left_out,
        table(["", ""], whole),
        "What parts of the work take by themselves:",
        table(["", "median"], parts),
        *[series_table(series) for series in measured["series"]],
    ]
    return "\n\n".join(texts)


def plot(measured):
    counts = [series["connections"] for series in measured["series"]]
    rates = {name: [] for name in LINES}
    for series in measured["series"]:
        by_name = {row["name"]: row["per_second"] for row in series["rows"]}
        for name, values in rates.items():
            values.append(by_name.get(name))
    top = max(rate for values in rates.values() for rate in values if rate)
    step = 10_000 if top <= 60_000 else 20_000
    top = -(-top // step) * step
    across = (WIDTH - LEFT - RIGHT) / max(len(counts) - 1, 1)

    def x(at):
        return LEFT + at * across

    def y(rate):
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - rate / top)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        "<title>Requests a second by the number of connections</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for rate in range(0, int(top) + 1, step):
        parts.append(f'<path d="M{LEFT} {y(rate):.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(rate) + 4:.1f}" text-anchor="end">{rate:,}</text>')
    for at, count in enumerate(counts):
        parts.append(f'<text x="{x(at):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{count}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">connections</text>')
    parts.append(f'<text x="{LEFT - 50}" y="16">requests a second</text>')
    ends = []
    for name, values in rates.items():
        points = [(x(at), y(rate)) for at, rate in enumerate(values) if rate]
        if not points:
            continue
        colour, dash = LINES[name]
        path = " ".join(f"{across:.1f},{down:.1f}" for across, down in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>')
        ends.append((points[-1][1], points[-1], name, colour))
    lowest = TOP
    for down, point, name, colour in sorted(ends):
        # Names that would lie on one another move down.
        lowest = max(down, lowest + 14)
        parts.append(f'<text x="{point[0] + 8:.1f}" y="{lowest + 4:.1f}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>\n"])


def main():
    measured = json.loads((DOCS / "performance.json").read_text())
    page = (DOCS / "performance.md").read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    made = {
        "performance.md": f"{before}{BEGIN}\n\n{figures(measured)}\n\n{END}{after}",
        "performance.svg": plot(measured),
    }
    for name, text in made.items():
        path = DOCS / name
        if path.exists() and path.read_text() == text:
            continue
        if "--check" in sys.argv[1:]:
            sys.exit(f"docs/{name} does not say what docs/performance.json says: run tools/performance.py")
        path.write_text(text)


if __name__ == "__main__":
    main()
