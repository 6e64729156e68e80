#!/usr/bin/env python3
"""Certificates for the tests of clients: `certificates.py FOLDER`, with target/python's Python.

It writes `authority.pem`, `server.pem` (for 127.0.0.1, with its key), and `stranger.pem`, an authority that vouches for
nothing.
"""

import datetime
import ipaddress
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def signed(whose, public, by, *extensions):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, whose)])
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")])
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(public.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day)
    for extension in extensions:
        builder = builder.add_extension(extension, isinstance(extension, x509.BasicConstraints))
    return builder.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def authority(key):
    return signed("an authority", key, key, x509.BasicConstraints(ca=True, path_length=0))


def main():
    folder = pathlib.Path(sys.argv[1])
    own, server, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = signed("a server", server, own, x509.BasicConstraints(ca=False, path_length=None), address)
    private = server.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "authority.pem").write_bytes(authority(own))
    (folder / "stranger.pem").write_bytes(authority(other))
    (folder / "server.pem").write_bytes(certificate + private)
    (folder / "server.pem").chmod(0o600)


if __name__ == "__main__":
    main()
