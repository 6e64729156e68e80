#!/usr/bin/env python3
"""Write the word lists and the digit table under src/policy/lists/ anew.

Run from the top of the repository: python3 tools/refresh-lists.py
Needs pip and a package index. docs/data.md names each source; update its dates and counts
from what this script prints. reserved-local-parts.txt is kept by hand and is only sorted.
"""

import ast
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import unicodedata
import zipfile

LISTS = pathlib.Path(__file__).resolve().parent.parent / "src" / "policy" / "lists"

# The last release of the Python authnzerver: its password list does not change any more.
COMMON_PASSWORDS_PACKAGE = "authnzerver==0.1.3"
DISPOSABLE_DOMAINS_PACKAGE = "disposable-email-domains"


def main():
    with tempfile.TemporaryDirectory() as folder:
        source = download(COMMON_PASSWORDS_PACKAGE, folder, "*.tar.gz", "--no-binary", ":all:")
        write("common-passwords.txt", common_passwords(source))
    with tempfile.TemporaryDirectory() as folder:
        wheel = download(DISPOSABLE_DOMAINS_PACKAGE, folder, "*.whl", "--only-binary", ":all:")
        write("disposable-domains.txt", disposable_domains(wheel))
    write("reserved-local-parts.txt", (LISTS / "reserved-local-parts.txt").read_text().split())
    write_digit_table()


def download(package, folder, pattern, *options):
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *options]
    subprocess.run([*command, "--dest", folder, package], check=True)
    (found,) = pathlib.Path(folder).glob(pattern)
    print("from", found.name)
    return found


def common_passwords(source):
    with tarfile.open(source) as archive:
        (name,) = (n for n in archive.getnames() if n.endswith("/top-10k-passwords.txt"))
        return archive.extractfile(name).read().decode("ascii").splitlines()


def disposable_domains(wheel):
    """The list, read without running anything of the package."""
    with zipfile.ZipFile(wheel) as archive:
        module = ast.parse(archive.read("disposable_email_domains/__init__.py"))
    (value,) = (
        node.value
        for node in module.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "blocklist"
    )
    return ast.literal_eval(value)


def write(name, lines):
    """One folded line each, sorted by bytes, without repeats: what a binary search needs."""
    folded = sorted({line.strip().casefold() for line in lines} - {""}, key=str.encode)
    (LISTS / name).write_text("".join(line + "\n" for line in folded))
    print(name, len(folded))


def write_digit_table():
    """Ranges of code points whose Numeric_Type is Digit or Decimal."""
    ranges = []
    for point in range(sys.maxunicode + 1):
        if unicodedata.digit(chr(point), None) is None:
            continue
        if ranges and ranges[-1][1] == point - 1:
            ranges[-1][1] = point
        else:
            ranges.append([point, point])
    rows = "".join(f"    ('\\u{{{a:x}}}', '\\u{{{b:x}}}'),\n" for a, b in ranges)
    (LISTS / "digits.rs").write_text(
        "//! Which characters are digits. Written by `tools/refresh-lists.py`; never edit it by hand.\n\n"
        "/// First and last code point of each range whose Unicode Numeric_Type is Digit or Decimal, in order\n"
        f"/// (Unicode {unicodedata.unidata_version}).\n"
        f"pub(super) static DIGIT_RANGES: [(char, char); {len(ranges)}] = [\n{rows}];\n"
    )
    print("digits.rs", len(ranges), "ranges, Unicode", unicodedata.unidata_version)


main()
