#!/usr/bin/env python3
"""Write tests/data/similarity.tsv: random pairs of texts and the ratio that Python's difflib gives them.

Run from the top of the repository: python3 tools/make-similarity-fixture.py
Each line is `a`, `b` and ratio(a, b), parted by tabs. Seeded, so that a second run changes nothing.
"""

import difflib
import pathlib
import random

TARGET = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data" / "similarity.tsv"

# Few letters make long and tied matches, many make short ones; some lie outside ASCII.
ALPHABETS = ["ab", "abc", "abcdefgh.@", "abcdefghijklmnopqrstuvwxyz 0123456789", "aäß日本語x😀"]

chance = random.Random(20200330)


def text(alphabet, length):
    return "".join(chance.choice(alphabet) for _ in range(length))


def altered(original, alphabet):
    """The text with some stretches replaced, so that long blocks still match."""
    characters = list(original)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(characters) + 1)
        characters[at : at + chance.randrange(4)] = text(alphabet, chance.randrange(4))
    return "".join(characters)


def pairs():
    for _ in range(300):
        alphabet = chance.choice(ALPHABETS)
        a = text(alphabet, chance.randrange(25))
        yield a, altered(a, alphabet) if chance.random() < 0.4 else text(alphabet, chance.randrange(30))
    # From 200 characters in the second text on, its frequent characters may not start a match.
    for _ in range(60):
        alphabet = chance.choice(ALPHABETS)
        b = text(alphabet, chance.randrange(190, 260)) + text(ALPHABETS[3], chance.randrange(20))
        start = chance.randrange(len(b))
        a = b[start : start + chance.randrange(60)] if chance.random() < 0.5 else text(alphabet, 30)
        yield altered(a, ALPHABETS[3]), b


with TARGET.open("w", encoding="utf-8") as file:
    for a, b in pairs():
        file.write(f"{a}\t{b}\t{difflib.SequenceMatcher(None, a, b).ratio()!r}\n")
