#!/usr/bin/env python3
"""Write src/policy/lists/public-suffixes.txt anew from the list that the crate `psl` carries.

Run from the top of the repository: python3 tools/public-suffixes.py, or `make suffixes`.

We ask one thing of the list: whether a name ends in a public suffix at all. So a rule below
another one is left out, since the upper one has answered already, and so is an exception
(`!www.ck`), which makes a suffix shorter but never none. Rules in Unicode are written in
punycode too.
"""

import json
import pathlib
import subprocess

TOP = pathlib.Path(__file__).resolve().parent.parent
TARGET = TOP / "src" / "policy" / "lists" / "public-suffixes.txt"


def main():
    crate = crate_in_use("psl")
    text = (pathlib.Path(crate["manifest_path"]).parent / "data" / "rules.txt").read_text("utf-8")
    rules = {line for line in text.splitlines() if line and not line.startswith(("//", "!"))}
    top_rules = {rule for rule in rules if not rules.intersection(shorter_rules(rule))}
    lines = sorted(top_rules | {in_punycode(rule) for rule in top_rules}, key=str.encode)
    TARGET.write_text("".join(line + "\n" for line in lines), "utf-8")
    print(TARGET.name, len(lines), "of", len(rules), "rules, psl", crate["version"])


def crate_in_use(name):
    """What cargo knows of the crate that Cargo.lock names."""
    command = ["cargo", "metadata", "--locked", "--format-version=1"]
    metadata = json.loads(subprocess.run(command, check=True, cwd=TOP, stdout=subprocess.PIPE).stdout)
    (crate,) = (package for package in metadata["packages"] if package["name"] == name)
    return crate


def shorter_rules(rule):
    """The rules, if they exist, that match every name which this one matches."""
    labels = rule.split(".")
    for start in range(1, len(labels)):
        yield ".".join(labels[start:])
        if labels[start - 1] != "*":
            yield ".".join(["*", *labels[start:]])


def in_punycode(rule):
    labels = rule.split(".")
    return ".".join(
        label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii") for label in labels
    )


main()
