#!/usr/bin/env python3
"""Asks the Python authnzerver and this one the same, and compares their answers key by key.

    compare.py --original=/path/to/authnzrv --ours=/path/to/authnzerver [--only=CONVERSATION] [--write=FILE]

Both run as servers on loopback, in temporary directories and with the same settings. What differs must stand in
differences.json, with the row of docs/compatibility.md that says why; and what stands there must differ. Texts for
people (`messages`) are worded differently and not compared.
"""

import argparse
import base64
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import servers
from answers import compared, masked, told_once
from conversations import CAST, CONVERSATIONS
from cryptography.fernet import Fernet
from parameters import parameter_conversations
from script import filled, remember
from table import Table

HERE = pathlib.Path(__file__).parent
TOKENS = {
    "token": lambda: servers.BOX.encrypt(b'{"request":"session-exists","body":{},"reqid":1}'),
    "foreign": lambda: base64.b64encode(Fernet(Fernet.generate_key()).encrypt(b"{}")),
    "no JSON": lambda: base64.b64encode(servers.BOX.encrypt(b"no JSON")),
    "list": lambda: base64.b64encode(servers.BOX.encrypt(b"[]")),
}


def exchange(server, step, kept, number):
    """What one server answers in one step, with placeholders."""
    if step.raw:
        method, path, data, host = step.raw
        data = TOKENS[data]() if isinstance(data, str) else data
        status, content_type, _ = server.exchange(method, path, data, host)
        return {"http": status, "type": content_type}
    message = {
        "request": step.request,
        "body": filled(step.body, kept),
        "reqid": number,
        "client_ipaddr": "192.0.2.200",
        **step.envelope,
    }
    if step.envelope:
        message = {key: value for key, value in message.items() if value is not None}
    answer = server.ask(message)
    remember(step.keep, answer, kept)
    return masked(told_once(answer))


def converse(name, steps, pair):
    """Asks both servers every step; returns [(step's name, differences)]."""
    memories, results, names = ({}, {}), [], {}
    with concurrent.futures.ThreadPoolExecutor(2) as both:
        for number, step in enumerate(steps, 1):
            count = names[step.name] = names.get(step.name, 0) + 1
            full = f"{name} / {step.name}" + (f" ({count})" if count > 1 else "")
            answers = both.map(lambda server, kept: exchange(server, step, kept, number), pair, memories)
            results.append((full, compared(*answers)))
    return results


class Bench:
    """Starts pairs of servers in directories of their own below a temporary one."""

    def __init__(self, programs, folder):
        self.programs = programs
        self.folder = folder
        self.mail = servers.MailServer(folder / "mail")
        self.number = 0

    def start(self, bases):
        kinds = ((self.programs[0], True), (self.programs[1], False))
        with concurrent.futures.ThreadPoolExecutor(2) as both:
            start = lambda kind, base: servers.Server(*kind, base, self.mail.port)
            return list(both.map(start, kinds, bases))

    def first(self):
        """The pair whose databases the others begin with."""
        bases = [self.folder / "first" / kind for kind in ("there", "here")]
        for base in bases:
            base.mkdir(parents=True)
        return bases, self.start(bases)

    def copy(self, bases, name):
        return self.start([servers.copy_base(base, self.folder / name / base.name) for base in bases])

    def stop(self):
        stop(list(servers.RUNNING))
        self.mail.stop()


def names_there(program):
    """The names of the original's requests, out of the package that its program belongs to."""
    python = pathlib.Path(program).parent / "python3"
    script = "from authnzerver.apischema import SCHEMA; print(*SCHEMA)"
    return subprocess.run([python, "-c", script], capture_output=True, check=True, text=True).stdout.split()


def chosen_conversations(requests, only):
    """Those to have about these requests, each of which must be in one that is written out."""
    asked = {step.request for steps in [CAST, *CONVERSATIONS.values()] for step in steps}
    unasked = [request["name"] for request in requests if request["name"] not in asked]
    if unasked:
        sys.exit(f"No conversation has these requests: {', '.join(unasked)}")
    conversations = CONVERSATIONS | parameter_conversations(requests)
    return {name: steps for name, steps in conversations.items() if only in name}


def run(bench, conversations):
    """All conversations, several at a time, since most of their time is spent waiting."""
    bases, pair = bench.first()
    results = converse("cast", CAST, pair)
    stop(pair)

    def one(item):
        name, steps = item
        pair = bench.copy(bases, name)
        try:
            return converse(name, steps, pair)
        finally:
            stop(pair)

    with concurrent.futures.ThreadPoolExecutor(4) as several:
        for found in several.map(one, conversations.items()):
            print(".", end="", file=sys.stderr, flush=True)
            results += found
    print(file=sys.stderr)
    return results


def stop(pair):
    for server in pair:
        server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--original", required=True, help="the program authnzrv of the Python authnzerver")
    parser.add_argument("--ours", required=True, help="the program authnzerver of this repository")
    parser.add_argument("--only", default="", help="only conversations whose name has this in it")
    parser.add_argument("--write", help="write every difference that was found to this file")
    options = parser.parse_args()
    programs = [os.path.abspath(program) for program in (options.original, options.ours)]
    schema = json.loads(subprocess.run([programs[1], "--schema"], capture_output=True, check=True).stdout)
    there = names_there(programs[0])
    both = [request for request in schema["requests"] if request["name"] in there]
    print(f"Both have {len(both)} requests.", file=sys.stderr)
    conversations = chosen_conversations(both, options.only)
    print("The original gets a short list of public suffixes and no way to the Internet.", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="authnzerver-original-") as folder:
        bench = Bench(programs, pathlib.Path(folder))
        try:
            results = run(bench, conversations)
        except servers.DoesNotStart as problem:
            sys.exit(str(problem))
        finally:
            bench.stop()
    if options.write:
        found = {name: keys for name, keys in results if keys}
        pathlib.Path(options.write).write_text(json.dumps(found, indent=1) + "\n")
    table = Table(HERE / "differences.json", HERE.parents[1] / "docs" / "compatibility.md")
    return table.judge(results, whole=not options.only)


if __name__ == "__main__":
    sys.exit(main())
