#!/usr/bin/env python3
"""Puts small faults into the code, one at a time, and tells which of them no test notices.

    tools/mutants.py [--minutes 20] [--seed 1] [--count 200] [--only REGEX]

The faults are a seeded sample of those that the command `cargo mutants` lists for accounts' rules, guard, policy,
store, pipeline and settings. All of the sample are built at once into a copy of the tree under target/mutants, each
behind a switch, so that trying one costs no build. Those that do not compile are left out. For each, the tests that
concern its folder are run until one fails or the time is over. Survivors are printed, and fail the run unless
tests/mutants.txt names them with the reason why no test can see them.
"""

import argparse
import json
import os
import random
import re
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
WORK = Path(os.environ.get("CARGO_TARGET_DIR", TOP / "target")).resolve() / "mutants"
TREE = WORK / "tree"
# Which mutant is switched on: a file, so that the processes which tests start see it too.
ACTIVE = WORK / "active"
ACCEPTED = TOP / "tests" / "mutants.txt"

# A folder or file of src/, and the tests that concern it: a test binary and a filter, the quickest first.
STORIES, WIRE = ("stories", ""), ("wire", "")
TESTS = {
    "src/accounts/": [STORIES, WIRE],
    "src/api/email/": [("authnzerver", "actions"), STORIES, WIRE, ("mail", "")],
    "src/api/": [("authnzerver", "actions"), STORIES, WIRE],
    "src/guard/": [("authnzerver", "guard"), STORIES, WIRE],
    "src/policy/": [("authnzerver", "policy"), ("policy", ""), STORIES],
    "src/store/": [("authnzerver", "store"), STORIES, ("disk", ""), ("process", "")],
    "src/pipeline.rs": [WIRE, STORIES],
    "src/config/": [("authnzerver", "config"), ("authnzerver", "cli"), ("process", "")],
}
# A mutant that does not end is stopped after so many times what the tests take without it, and some seconds.
PATIENCE, PATIENCE_SECONDS = 4, 30
SWITCH = """
/// Whether this mutant is switched on.
pub(crate) fn mutant(number: u32) -> bool {
    static ACTIVE: std::sync::LazyLock<Option<u32>> =
        std::sync::LazyLock::new(|| std::fs::read_to_string("%s").ok()?.trim().parse().ok());
    *ACTIVE == Some(number)
}
"""


def tests_of(file):
    return next(tests for folder, tests in TESTS.items() if file.startswith(folder))


def cargo(*arguments, **options):
    environment = dict(
        os.environ,
        CARGO_TARGET_DIR=str(WORK / "target"),
        CARGO_INCREMENTAL="1",
        CARGO_PROFILE_DEV_DEBUG="0",
        RUSTFLAGS="--cap-lints allow",
    )
    return subprocess.run(
        ["cargo", *arguments], cwd=TREE, env=environment, stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, **options,
    )


def copy_tree():
    """Brings the copy up to date; files that did not change keep their times, and so their builds."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=TOP, check=True, capture_output=True, text=True,
    ).stdout
    wanted = {name for name in listed.split("\0") if name and (TOP / name).is_file()}
    for name in wanted:
        copy = TREE / name
        if not copy.is_file() or copy.read_bytes() != (TOP / name).read_bytes():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / name, copy)
    for copy in [path for path in TREE.rglob("*") if path.is_file()]:
        if str(copy.relative_to(TREE)) not in wanted:
            copy.unlink()


def name_of(mutant):
    """The mutant's name without its line, so that it stays the same while the file changes elsewhere."""
    return re.sub(r":\d+:\d+: ", ": ", mutant["name"], count=1)


def list_mutants(only):
    command = ["cargo", "mutants", "--list", "--json"]
    for folder in TESTS:
        command += ["--file", folder + "**" if folder.endswith("/") else folder]
    try:
        listed = subprocess.run(command, cwd=TOP, check=True, capture_output=True, text=True).stdout
    except (subprocess.CalledProcessError, FileNotFoundError):
        sys.exit("cargo mutants is missing or failed. To install it: cargo install --locked cargo-mutants")
    mutants = [mutant for mutant in json.loads(listed) if "/tests" not in mutant["file"] and mutant["function"]]
    return [mutant for mutant in mutants if re.search(only, name_of(mutant))]


def offset(lines, place):
    """Where a line and column, counted from one, stand in a text."""
    return sum(len(line) + 1 for line in lines[: place["line"] - 1]) + place["column"] - 1


def body_start(text, start, end):
    """Where the body of the function between two places opens: behind its parameters and what it returns."""
    opened = text.index("(", text.index("fn ", start))
    depth = 0
    for at in range(opened, end):
        if text[at] in "([":
            depth += 1
        elif text[at] in ")]":
            depth -= 1
        elif text[at] == "{" and depth == 0:
            return at
    raise ValueError("a function without a body")


def instrument(file, mutants):
    """The file's text in which each function first asks whether one of these mutants of it is switched on."""
    text = (TOP / file).read_text()
    lines = text.split("\n")
    inserts = {}
    for number, mutant in mutants.items():
        span = mutant["function"]["span"]
        start, end = offset(lines, span["start"]), offset(lines, span["end"])
        opened = body_start(text, start, end)
        # A const function cannot ask, and what an `impl` returns can have one type only.
        if re.search(r"\bconst\s+fn\b|->.*\bimpl\b", text[start:opened], re.DOTALL):
            continue
        here, there = offset(lines, mutant["span"]["start"]), offset(lines, mutant["span"]["end"])
        body = text[opened:here] + mutant["replacement"] + text[there:end]
        if mutant["genre"] == "FnValue":
            body = "{ " + mutant["replacement"] + " }"
        inserts.setdefault(opened + 1, []).append(
            f"\n/* mutant {number} */ if crate::mutant({number}) {{ return {body}; }} /* end of {number} */\n"
        )
    for at in sorted(inserts, reverse=True):
        text = text[:at] + "".join(inserts[at]) + text[at:]
    return text


def mutants_at(text, first, last):
    """The mutants that stand in any of these lines."""
    found, here = set(), None
    for at, line in enumerate(text.split("\n")[:last], 1):
        begins = re.search(r"/\* mutant (\d+) \*/", line)
        here = int(begins[1]) if begins else here
        if here is not None and at >= first:
            found.add(here)
        if "/* end of " in line:
            here = None
    return found


def build(sample):
    """Builds all of the sample that compiles. Returns those mutants, and the test binaries by name."""
    while True:
        copy_tree()
        by_file = {}
        for number, mutant in sample.items():
            by_file.setdefault(mutant["file"], {})[number] = mutant
        for file, mutants in by_file.items():
            (TREE / file).write_text(instrument(file, mutants))
        library = TREE / "src/lib.rs"
        library.write_text(library.read_text() + SWITCH % ACTIVE)
        present = {
            int(number)
            for file in by_file
            for number in re.findall(r"/\* mutant (\d+) \*/", (TREE / file).read_text())
        }
        checked = cargo("check", "--locked", "--lib", "--message-format=json", stderr=subprocess.DEVNULL)
        broken = set()
        for line in checked.stdout.splitlines():
            message = json.loads(line).get("message")
            for span in message["spans"] if message and message["level"] == "error" else []:
                # The compiler points into the standard library too, whose sources need not be there.
                if span["file_name"] in by_file:
                    source = (TREE / span["file_name"]).read_text()
                    broken |= mutants_at(source, span["line_start"], span["line_end"])
        sample = {number: mutant for number, mutant in sample.items() if number in present - broken}
        if checked.returncode == 0:
            break
        if not broken:
            sys.exit("The instrumented code does not compile, and no mutant is to blame.")
    ACTIVE.write_text("none")
    built = cargo("test", "--locked", "--no-run", "--message-format=json", check=True)
    artifacts = [json.loads(line) for line in built.stdout.splitlines() if line.startswith("{")]
    tests = {a["target"]["name"]: a["executable"] for a in artifacts
             if a.get("executable") and a["profile"]["test"] and a["target"]["kind"] != ["bin"]}
    return sample, tests


def noticed(executable, wanted, seconds):
    """Runs tests until one fails. Returns `killed`, `timeout`, or nothing if all passed; and how long it took."""
    began = time.monotonic()
    process = subprocess.Popen(
        # A second run, over HTTP, takes as long again and finds hardly more.
        [executable, wanted, "--skip", "over_http::"], cwd=TREE, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )
    result, rest = None, b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while result is None:
            if not selector.select(max(0, began + seconds - time.monotonic())):
                result = "timeout"
            elif not (read := process.stdout.read1()):
                result = "killed" if process.wait() else "passed"
            elif b"... FAILED" in (rest := rest[-200:] + read):
                result = "killed"
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    return None if result == "passed" else result, time.monotonic() - began


def accepted_mutants():
    lines = ACCEPTED.read_text().splitlines() if ACCEPTED.exists() else []
    return {line for line in lines if line and not line.startswith("#")}


def judge(mutant, number, tests, usual):
    ACTIVE.write_text(str(number))
    for target, wanted in tests_of(mutant["file"]):
        patience = PATIENCE_SECONDS + PATIENCE * usual[target, wanted]
        result, _ = noticed(tests[target], wanted, patience)
        if result:
            return result
    return "accepted" if name_of(mutant) in accepted_mutants() else "survived"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=20, help="the time for trying mutants")
    parser.add_argument("--seed", type=int, default=1, help="chooses the sample")
    parser.add_argument("--count", type=int, default=200, help="the size of the sample")
    parser.add_argument("--only", default="", help="a regular expression that a mutant's name must match")
    chosen = parser.parse_args()

    mutants = list_mutants(chosen.only)
    random.Random(chosen.seed).shuffle(mutants)
    print(f"{len(mutants)} mutants to choose from; building {min(chosen.count, len(mutants))}", flush=True)
    # The tests look for the prepared Python beside the build.
    environment = dict(os.environ, CARGO_TARGET_DIR=str(WORK / "target"))
    subprocess.run([TOP / "tools" / "test-python.sh"], check=True, env=environment)
    sample, tests = build(dict(enumerate(mutants[: chosen.count])))

    usual = {}
    for target, wanted in sorted({test for tests in TESTS.values() for test in tests}):
        result, usual[target, wanted] = noticed(tests[target], wanted, 3600)
        if result:
            sys.exit(f"Without any mutant, a test of {target} {wanted} fails already.")

    results = []
    end = time.monotonic() + 60 * chosen.minutes
    for number, mutant in sample.items():
        if time.monotonic() > end:
            break
        result = judge(mutant, number, tests, usual)
        results.append((result, mutant["name"]))
        print(f"{result:9} {mutant['name']}", flush=True)

    counts = Counter(result for result, _ in results)
    print(f"{len(results)} mutants tried of {len(sample)} that compile:",
          ", ".join(f"{count} {word}" for word, count in counts.items()))
    for result, name in results:
        if result == "survived":
            print("survived:", name)
    sys.exit(1 if counts["survived"] else 0)


if __name__ == "__main__":
    main()
