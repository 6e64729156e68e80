"""A real mail server for the tests: aiosmtpd on loopback, on a port that it prints.

Every email that it takes becomes two files before it says so: N.json tells how the email came, N.eml is the email,
byte by byte. It ends when its standard input does, so that it does not outlive a test that was killed.
"""

import argparse
import asyncio
import json
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    """Decides about recipients, and writes down what is delivered."""

    def __init__(self, options):
        self.options = options
        self.taken = 0

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address == self.options.refuse:
            # Mail servers like to repeat the address.
            return f"550 5.1.1 <{address}>: nobody of that name"
        if address == self.options.stall:
            await asyncio.Event().wait()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        path = pathlib.Path(self.options.emails)
        came = {
            "sender": envelope.mail_from,
            "recipients": envelope.rcpt_tos,
            "tls": server.transport.get_extra_info("ssl_object") is not None,
            "user": session.auth_data,
        }
        (path / f"{self.taken}.json").write_text(json.dumps(came))
        (path / f"{self.taken}.eml").write_bytes(envelope.original_content)
        self.taken += 1
        return "250 taken"


def context(options):
    """How this server proves who it is; nothing where it speaks in plaintext."""
    if options.tls == "none":
        return None
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(options.certificate, options.key)
    return made


def session(options, handler, tls):
    """The server's end of one connection."""
    authentication = {}
    if options.user:
        wanted = (options.user.encode(), options.password.encode())

        def authenticator(server, session, envelope, mechanism, given):
            if (given.login, given.password) == wanted:
                return AuthResult(success=True, auth_data=options.user)
            return AuthResult(success=False, handled=False)

        authentication = {
            "authenticator": authenticator,
            "auth_required": True,
            # aiosmtpd knows only of TLS that it began itself.
            "auth_require_tls": options.tls == "starttls",
        }
    starttls = options.tls == "starttls"
    return SMTP(
        handler,
        hostname="mail.example",
        tls_context=tls if starttls else None,
        require_starttls=starttls,
        **authentication,
    )


async def main(options):
    loop = asyncio.get_running_loop()
    handler, tls = Handler(options), context(options)
    server = await loop.create_server(
        lambda: session(options, handler, tls),
        host="127.0.0.1",
        port=0,
        ssl=tls if options.tls == "tls" else None,
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--emails", required=True, help="the directory for emails")
parser.add_argument("--tls", choices=["none", "starttls", "tls"], default="none")
parser.add_argument("--certificate", help="its certificate, a PEM file")
parser.add_argument("--key", help="the certificate's private key, a PEM file")
parser.add_argument("--user", help="who must log in; without it nobody can")
parser.add_argument("--password", help="with which password")
parser.add_argument("--refuse", help="the recipient to refuse")
parser.add_argument("--stall", help="the recipient who never gets an answer")
asyncio.run(main(parser.parse_args()))
