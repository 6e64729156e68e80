"""A server that speaks TLS, with a certificate of an authority of one's own."""

import datetime
import ipaddress
import pathlib
import ssl
import tempfile
import unittest

from authnzerver_client import Policy, Unavailable
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from support import BOTH, Real



def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """Vouches for servers."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        constraints = (x509.BasicConstraints(ca=True, path_length=0), True)
        self.certificate = self.signed("an authority", self.key, constraints)

    def signed(self, whose, key, *extensions):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder().subject_name(name(whose)).issuer_name(name("an authority"))
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=1))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA256())

    def server(self):
        """A certificate for this machine's address, with its key, as PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        certificate = self.signed("a server", key, (names, False), (x509.BasicConstraints(ca=False, path_length=None), True))
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return certificate.public_bytes(serialization.Encoding.PEM) + private

    def context(self):
        """What a client that trusts this authority alone is given."""
        text = self.certificate.public_bytes(serialization.Encoding.PEM).decode()
        return ssl.create_default_context(cadata=text)


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.authority = Authority()
        file = pathlib.Path(folder.name) / "server.pem"
        file.write_bytes(cls.authority.server())
        file.chmod(0o600)
        cls.server = Real(CERTIFICATE=str(file))
        cls.addClassCleanup(cls.server.close)

    def asked(self, kind, url, tls):
        client = kind(url, self.server.key, policy=Policy(tries=1), tls=tls)
        try:
            caller = client.at("192.0.2.70", "")
            return [caller.session_new(user_id=None, expires=1, extra_info_json=None).session_token for _ in range(2)]
        finally:
            client.close()

    def test_who_vouches_for_the_server_is_asked_about(self):
        for kind in BOTH:
            with self.subTest(kind.__name__):
                first, second = self.asked(kind, self.server.url, self.authority.context())
                self.assertNotEqual(first, second)

    def test_nobody_else_is_told_anything(self):
        by_name = self.server.url.replace("127.0.0.1", "localhost")
        for kind in BOTH:
            for url, tls in (
                (self.server.url, None),
                (self.server.url, Authority().context()),
                (by_name, self.authority.context()),
            ):
                with self.subTest(kind.__name__, url=url):
                    with self.assertRaises(Unavailable) as raised:
                        self.asked(kind, url, tls)
                    self.assertFalse(raised.exception.maybe_done)
                    self.assertIn("certificate", str(raised.exception))


if __name__ == "__main__":
    unittest.main()
