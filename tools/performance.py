#!/usr/bin/env python3
"""Writes the figures of docs/performance.md and its plot from docs/performance.json, and docs/performance-large.json for a large
table, which `make bench-docs` measures.

    tools/performance.py [--check]

With --check nothing is written, and it fails if something would be.
"""

import json
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

# The least that a server of this kind can be.
BARE = "bare may_minihttp"
# What is plotted, and how: a name of the table, a colour that is told apart without seeing colours well, and a dash.
LINES = {
    BARE: ("#888888", "2 4"),
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


def share(rate, whole):
    return f"{100 * rate / whole:.0f} %"


def rows_by_name(series):
    return {row["name"]: row for row in series["rows"]}


def series_table(series):
    bare = series["rows"][0]["per_second"]
    rows = [
        [
            row["name"],
            f"{row['per_second']:,.0f}",
            share(row["per_second"], bare),
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


def beside(measured, large):
    """What more sessions change, as shares of what was measured in the same minutes."""
    title = f"### {measured['rows']:,} sessions, and {large['rows']:,}"
    head = [""]
    for one in (measured, large):
        head += [f"a second, {one['rows']:,}", "of the bare echo", "of the floor", "99 of 100"]
    texts = []
    of_count = {series["connections"]: rows_by_name(series) for series in measured["series"]}
    for series in large["series"]:
        pair = [of_count.get(series["connections"]), rows_by_name(series)]
        if not pair[0]:
            continue
        rows = []
        for name in pair[1]:
            if name not in pair[0]:
                continue
            line = [name]
            for rows_of in pair:
                row, bare, floor = rows_of[name], *(rows_of[name_of]["per_second"] for name_of in (BARE, "floor"))
                rate = row["per_second"]
                line += [f"{rate:,.0f}", share(rate, bare), share(rate, floor), time_of(row["p99_micros"])]
            rows.append(line)
        texts.append(f"{series['connections']} connections; with {large['rows']:,} sessions: {large['machine']}.\n\n{table(head, rows)}")
    whole = [
        ["start", f"{measured['start_ms']} ms", f"{large['start_ms']} ms"],
        ["stop, right after a load", f"{measured['stop_ms']} ms", f"{large['stop_ms']} ms"],
        ["stop, after some idle seconds", *(told(one.get("idle_stop_ms"), lambda time: f"{time} ms") for one in (measured, large))],
        ["memory, idle", mebibytes(measured["idle_kib"]), mebibytes(large["idle_kib"])],
    ]
    texts.append(table(["", f"{measured['rows']:,}", f"{large['rows']:,}"], whole))
    return "\n\n".join([title, *texts])


def figures(measured, large):
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
        beside(measured, large) if large else "With 2,000,000 sessions: not measured.",
    ]
    return "\n\n".join(texts)


def plot(measured):
    counts = [series["connections"] for series in measured["series"]]
    rates = {name: [] for name in LINES}
    for series in measured["series"]:
        by_name = rows_by_name(series)
        for name, values in rates.items():
            values.append(by_name[name]["per_second"] if name in by_name else None)
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
    large = DOCS / "performance-large.json"
    large = json.loads(large.read_text()) if large.exists() else None
    page = (DOCS / "performance.md").read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    made = {
        "performance.md": f"{before}{BEGIN}\n\n{figures(measured, large)}\n\n{END}{after}",
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
