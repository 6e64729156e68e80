"""The table of deliberate differences, and what the differences that were found are held against."""

import json
import re


class Table:
    """differences.json: a list of {row, steps, keys}.

    `row` is the beginning of a row of docs/compatibility.md, which says why. `steps` are names of steps, and `keys` says
    for each key of the answer what stands [there, here]; in both, `*` is for any text. An entry explains a step in which
    all of its keys differ like that; several can explain one step together."""

    def __init__(self, path, document):
        self.entries = [Entry(**entry) for entry in json.loads(path.read_text())]
        self.rows = [line[2:] for line in document.read_text().splitlines() if re.match(r"\| [^-]", line)]

    def unexplained(self, step, found):
        """What of the differences of a step no entry explains."""
        explained = set()
        for entry in self.entries:
            explained |= entry.explains(step, found)
        return {key: pair for key, pair in found.items() if key not in explained}

    def complaints_about_entries(self, whole):
        """Entries without a reason; and after a whole run, those that nothing needed."""
        for entry in self.entries:
            if not any(row.startswith(entry.row) for row in self.rows):
                yield f"differences.json: docs/compatibility.md has no row that begins with {entry.row!r}"
            for pattern in entry.unused if whole else ():
                keys = ", ".join(entry.keys)
                yield f"differences.json: {pattern} does not differ any more in {keys} as the table says"

    def judge(self, results, whole):
        """Prints what is wrong and a summary; returns the exit status."""
        complaints, deliberate, failed = [], 0, 0
        for step, found in results:
            left = self.unexplained(step, found)
            complaints += [
                f"{step}\n    {key}: {shown(there)} there, {shown(here)} here" for key, (there, here) in left.items()
            ]
            failed += bool(left)
            deliberate += bool(found) and not left
        complaints += self.complaints_about_entries(whole)
        print(*complaints, sep="\n", end="\n" if complaints else "")
        equal = sum(not found for _, found in results)
        print(f"{len(results)} exchanges: {equal} equal, {deliberate} deliberately different, {failed} otherwise.")
        return 1 if complaints else 0


class Entry:
    """One line of the table."""

    def __init__(self, row, steps, keys):
        self.row, self.keys = row, keys
        self.unused = set(steps)
        self.steps = {pattern: expression(pattern) for pattern in steps}
        self.pairs = [(expression(key), canonical(pair)) for key, pair in keys.items()]

    def explains(self, step, found):
        """The keys of a step's differences that this entry explains."""
        patterns = {pattern for pattern, matches in self.steps.items() if matches(step)}
        if not patterns:
            return set()
        explained = set()
        for matches, wanted in self.pairs:
            keys = {key for key, pair in found.items() if matches(key) and canonical(pair) == wanted}
            if not keys:
                return set()
            explained |= keys
        self.unused -= patterns
        return explained


def expression(pattern):
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL).fullmatch


def canonical(pair):
    """Text that tells true from 1."""
    return json.dumps(pair, sort_keys=True)


def shown(value):
    return value if value == "(absent)" else json.dumps(value)
