"""Runs authnzerver, a mail server that delivers nothing, and the example site, all on this machine alone, and stops
them together: `demo.py PROGRAM`. Everything that it writes is in a folder that goes with it.

Settings of the server in the environment are passed on to it.
"""

import os
import pathlib
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
CLIENT = HERE.parents[1] / "clients" / "python" / "src"
ADMIN = "admin@example.org"
START_SECONDS_MAX = 60
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(program):
    os.umask(0o077)
    # What ends a terminal's programs ends this one, and with it the others; also where a shell has it ignore Ctrl-C.
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="authnzerver-demo-") as folder:
            started = []
            try:
                run(program, pathlib.Path(folder), started)
            finally:
                # An impatient second Ctrl-C leaves nothing behind either.
                for number in SIGNALS:
                    signal.signal(number, signal.SIG_IGN)
                for process in reversed(started):
                    process.terminate()
                for process in started:
                    process.wait()
    except KeyboardInterrupt:
        print("\nStopped; nothing is left.", flush=True)


def run(program, folder, started):
    site, mail_page, auth = free_port(8000), free_port(8025), free_port(13431)
    password = "-".join(secrets.token_hex(3) for _ in range(3))

    def start(name, command, **more):
        process = subprocess.Popen(command, start_new_session=True, **more)
        process.name = name
        started.append(process)
        return process

    mailbox = start(
        "the mail server",
        [sys.executable, "-B", HERE / "mailbox.py", "0", str(mail_page)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    smtp = mailbox.stdout.readline().split()[0]
    origin = f"http://127.0.0.1:{site}"
    settings = {
        "PORT": str(auth),
        "AUTHNZERVER_ADMIN_EMAIL": ADMIN,
        "AUTHNZERVER_ADMIN_PASSWORD": password,
        "AUTHNZERVER_BASEURLS": origin,
        "AUTHNZERVER_EMAILSERVER": "127.0.0.1",
        "AUTHNZERVER_EMAILPORT": smtp,
        "AUTHNZERVER_EMAILSENDER": "Notebook <notebook@example.org>",
        "AUTHNZERVER_EMAILCHANGE": "proof",
        "AUTHNZERVER_LOGINLINK": "1",
        "AUTHNZERVER_PERMISSIONS": str(HERE / "policy.json"),
        # Nothing here asks the Internet.
        "AUTHNZERVER_PWNEDURL": "none",
        "AUTHNZERVER_SERVERNAME": "notebook",
        "AUTHNZERVER_WORKERS": "2",
    }
    log = open(folder / "log.txt", "ab")
    start(
        "authnzerver",
        [program, f"--basedir={folder}"],
        env={**settings, **os.environ},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )
    until_it_answers(f"http://127.0.0.1:{auth}/health", started, folder)
    about = {
        "SITE_AUTH": f"http://127.0.0.1:{auth}",
        "SITE_KEY": str(folder / ".authnzerver-secret-key"),
        "SITE_DATA": str(folder / "notes.sqlite"),
        "SITE_ORIGIN": origin,
        "PYTHONPATH": str(CLIENT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    start(
        "the site",
        # Two processes, as in earnest: what one shows, the other one has to know.
        [
            *(sys.executable, "-m", "gunicorn", f"--bind=127.0.0.1:{site}", "--workers=2", "--threads=4"),
            *("--no-control-socket", "app:app"),
        ],
        cwd=HERE,
        env={**os.environ, **about},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )
    until_it_answers(origin, started, folder)
    print(
        f"""
  The site     {origin}/
  Its emails   http://127.0.0.1:{mail_page}/
  authnzerver  http://127.0.0.1:{auth}/health

Sign up with any address; the email is on the second page.
The administrator is {ADMIN} with the password {password}
Ctrl-C stops everything; all accounts go with it.""",
        flush=True,
    )
    while all(process.poll() is None for process in started):
        time.sleep(0.2)
    fail(started, folder)


def free_port(wanted):
    """The port, or another one where that is taken."""
    for port in (wanted, 0):
        try:
            with socket.create_server(("127.0.0.1", port)) as probe:
                return probe.getsockname()[1]
        except OSError:
            continue
    sys.exit("there is no free port on 127.0.0.1")


def until_it_answers(url, started, folder):
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline and all(process.poll() is None for process in started):
        try:
            return urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.05)
    fail(started, folder)


def fail(started, folder):
    ended = [process.name for process in started if process.poll() is not None]
    said = (folder / "log.txt").read_text(errors="replace")[-3000:]
    sys.exit(f"{said}\n{' and '.join(ended) or 'the start'} did not last; what it said stands above.")


if __name__ == "__main__":
    main(sys.argv[1])
