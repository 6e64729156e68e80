"""Writes hashes.tsv: passwords and their hashes as other software makes them.

Made with Python 3, bcrypt 5.0.0, passlib 1.7.4, Django 5.2.19, Werkzeug 3.1.9 and argon2-cffi 25.1.0. Salts are random,
so another run writes other hashes of the same passwords.
"""

import base64
import hashlib
import os
import sys

import bcrypt
import django
from django.conf import settings
from passlib.hash import pbkdf2_sha256, scrypt, sha256_crypt, sha512_crypt
from werkzeug.security import generate_password_hash

settings.configure(USE_TZ=True)
django.setup()
from django.contrib.auth import hashers  # noqa: E402 (Django has to be set up first)

# From the shortest to more than the 72 bytes that bcrypt looks at.
PASSWORDS = ["x", "correct horse battery staple", "Pässwörter 密码", "0123456789" * 7 + "ab", "0123456789" * 9]


def phc(salt, key):
    return "$".join(base64.b64encode(part).decode().rstrip("=") for part in (salt, key))


def hashes(password):
    text = password.encode()
    yield "bcrypt", bcrypt.hashpw(text[:72], bcrypt.gensalt(5, b"2b")).decode()
    yield "bcrypt", bcrypt.hashpw(text[:72], bcrypt.gensalt(4, b"2a")).decode()
    yield "bcrypt", bcrypt.hashpw(text[:72], bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$")
    yield "bcrypt", "bcrypt$" + bcrypt.hashpw(text[:72], bcrypt.gensalt(4)).decode()
    yield "PBKDF2-SHA256", hashers.PBKDF2PasswordHasher().encode(password, "aSalt3ofDjango", 1000)
    yield "PBKDF2-SHA256", pbkdf2_sha256.using(rounds=1000).hash(password)
    salt = os.urandom(16)
    key = hashlib.pbkdf2_hmac("sha256", text, salt, 999, 32)
    yield "PBKDF2-SHA256", f"$pbkdf2-sha256$i=999,l=32${phc(salt, key)}"
    yield "PBKDF2-SHA256", f"$pbkdf2-sha256$i=999${phc(salt, key)}"
    yield "PBKDF2-SHA256", generate_password_hash(password, "pbkdf2:sha256:1000")
    yield "scrypt", hashers.ScryptPasswordHasher().encode(password, "aSalt3ofDjango", 1024, 8, 1)
    yield "scrypt", scrypt.using(rounds=8, block_size=4, parallelism=2).hash(password)
    yield "scrypt", generate_password_hash(password, "scrypt:1024:8:1")
    yield "SHA-256-crypt", sha256_crypt.using(rounds=1000).hash(password)
    yield "SHA-256-crypt", sha256_crypt.using(rounds=5000).hash(password)
    yield "SHA-512-crypt", sha512_crypt.using(rounds=1001).hash(password)
    yield "Argon2", hashers.Argon2PasswordHasher().encode(password, "aSalt3ofDjango")
    yield "MD5 without salt", hashlib.md5(text).hexdigest()
    yield "MD5 without salt", hashers.UnsaltedMD5PasswordHasher().encode(password, "") if hasattr(
        hashers, "UnsaltedMD5PasswordHasher"
    ) else "md5$$" + hashlib.md5(text).hexdigest()
    yield "SHA-1 without salt", "sha1$$" + hashlib.sha1(text).hexdigest()
    yield "SHA-1 without salt", hashlib.sha1(text).hexdigest().upper()
    yield "SHA-256 without salt", hashlib.sha256(text).hexdigest()
    yield "SHA-512 without salt", hashlib.sha512(text).hexdigest()


for password in PASSWORDS:
    for kind, hashed in hashes(password):
        sys.stdout.write("\t".join((kind, password, hashed)) + "\n")
