"""A mail server that delivers nothing: it keeps emails in memory and shows them on a page, both on this machine alone.

`mailbox.py SMTP_PORT PAGE_PORT`, either 0 for one that is free. It prints both ports, and ends with its standard input.
"""

import asyncio
import email
import email.policy
import re
import sys
import threading
from collections import deque
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.smtp import SMTP

EMAILS_MAX = 200
STYLE = (
    ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;"
    "padding:0 1rem;background:light-dark(#fff,#16191d);color:light-dark(#1f2328,#e9ebed)}"
    "article{border-top:1px solid #888;padding:1rem 0}pre{white-space:pre-wrap;overflow-wrap:anywhere;font:inherit}"
    "h1{font-size:1.6rem}h2{font-size:1.1rem}a{color:light-dark(#245580,#8ebfe8)}"
)
emails = deque(maxlen=EMAILS_MAX)


class Keep:
    """Takes every email."""

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
        body = message.get_body(("plain",))
        emails.appendleft((", ".join(envelope.rcpt_tos), str(message["Subject"]), body.get_content() if body else ""))
        return "250 kept"


class Page(BaseHTTPRequestHandler):
    """Shows what was kept, the newest first."""

    def do_GET(self):
        # A page of somebody else, whose name leads here, reads nothing.
        name = self.headers.get("Host", "").rpartition(":")[0]
        if self.path == "/style.css":
            return self.answer(200, "text/css", STYLE)
        if name not in ("127.0.0.1", "localhost") or self.path != "/":
            return self.answer(404, "text/plain", "There is no such page.\n")
        self.answer(200, "text/html", drawn())

    def answer(self, status, kind, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-ancestors 'none'")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def drawn():
    shown = "".join(
        f"<article><h2>{escape(subject)}</h2><p>To {escape(to)}</p><pre>{linked(text)}</pre></article>"
        for to, subject, text in list(emails)
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Emails</title><meta name="viewport" '
        'content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/style.css"></head><body><main>'
        f"<h1>Emails</h1><p>Nothing is delivered: what the server sends ends here. <a href=\"/\">Look again</a></p>"
        f"{shown or '<p>There is none yet.</p>'}</main></body></html>"
    )


def linked(text):
    return re.sub(r"https?://[^\s<>\"']+", lambda found: f'<a href="{found[0]}">{found[0]}</a>', escape(text))


async def main(smtp_port, page_port):
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(Keep(), hostname="localhost"), host="127.0.0.1", port=smtp_port
    )
    page = ThreadingHTTPServer(("127.0.0.1", page_port), Page)
    threading.Thread(target=page.serve_forever, daemon=True).start()
    print(server.sockets[0].getsockname()[1], page.server_address[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
