#!/usr/bin/env python3
"""Makes the word lists in src/policy/lists/ anew from packages on PyPI, and the fixture for the similarity rule.

Run it in the project's directory. It needs pip and a network; the program itself needs neither. docs/data.md tells
where each list comes from. Each list is folded, sorted by bytes and free of duplicates, because the program searches
it by halving.
"""

import ast
import difflib
import pathlib
import random
import subprocess
import sys
import tempfile
import unicodedata
import zipfile

LISTS = pathlib.Path("src/policy/lists")
FIXTURE = pathlib.Path("tests/data/similarity.tsv")
PASSWORDS = ("authnzerver==0.1.3", "authnzerver/top-10k-passwords.txt")
DOMAINS = ("disposable-email-domains", "disposable_email_domains/__init__.py")


def from_package(package, member):
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", directory, package]
        subprocess.run(command, check=True)
        (wheel,) = pathlib.Path(directory).glob("*.whl")
        print(wheel.name)
        return zipfile.ZipFile(wheel).read(member).decode()


def write_list(name, words):
    words = sorted({word.strip().casefold() for word in words} - {""}, key=str.encode)
    (LISTS / name).write_text("\n".join(words) + "\n")
    print(name, len(words))


def write_digits():
    """Ranges of code points that are digits, in the words of Unicode: Numeric_Type Digit or Decimal."""
    points = [point for point in range(sys.maxunicode + 1) if unicodedata.digit(chr(point), None) is not None]
    ranges = []
    for point in points:
        if ranges and ranges[-1][1] == point - 1:
            ranges[-1][1] = point
        else:
            ranges.append([point, point])
    lines = [f"{first:x} {last:x}" for first, last in ranges]
    (LISTS / "digits.txt").write_text("\n".join(lines) + "\n")
    print("digits.txt", len(lines), "ranges, Unicode", unicodedata.unidata_version)


def write_fixture():
    """Pairs of texts with the ratio that Python's difflib finds."""
    chance = random.Random(20261123)
    alphabets = ["ab", "abcdefgh", "abcdefghijklmnopqrstuvwxyz0123456789@.", "aäßéあ山é "]
    rows = []
    for number in range(400):
        alphabet = chance.choice(alphabets)
        longest = 320 if number % 4 == 0 else 40
        one, two = ("".join(chance.choices(alphabet, k=chance.randrange(longest))) for _ in range(2))
        if chance.random() < 0.3 and one:
            cut = chance.randrange(len(one))
            two = one[cut:] + two
        ratio = difflib.SequenceMatcher(None, one, two).ratio()
        rows.append(f"{one}\t{two}\t{ratio!r}")
    FIXTURE.write_text("\n".join(rows) + "\n")
    print(FIXTURE, len(rows))


def main():
    write_list("common_passwords.txt", from_package(*PASSWORDS).splitlines())
    module = ast.parse(from_package(*DOMAINS))
    sets = {item.targets[0].id: item.value for item in module.body if isinstance(item, ast.Assign)}
    write_list("disposable_domains.txt", ast.literal_eval(sets["blocklist"]))
    write_digits()
    write_fixture()


main()
