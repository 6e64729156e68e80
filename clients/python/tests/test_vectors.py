"""The vectors that all clients pass, for threads and for asyncio."""

import base64
import dataclasses
import datetime
import time
import unittest
from unittest import mock

from authnzerver_client import (
    AuthError,
    BadAnswer,
    BadKey,
    KeyRing,
    Misconfigured,
    NotAllowed,
    OverLimit,
    Policy,
    Refused,
    Unavailable,
    types,
)
from support import BOTH, VECTORS, Scripted, written

ERRORS = {
    "refused": Refused,
    "bad answer": BadAnswer,
    "unavailable": Unavailable,
    "over limit": OverLimit,
    "bad key": BadKey,
    "not allowed": NotAllowed,
    "misconfigured": Misconfigured,
}
VISITOR = {"user_id": None, "expires": 1, "extra_info_json": None}


class Vectors(unittest.TestCase):
    def test_keys_are_read_as_the_server_reads_them(self):
        for case in VECTORS["written_keys"]["good"]:
            with self.subTest(case):
                self.assertEqual(len(KeyRing(case["text"])), case["keys"])
        for text in VECTORS["written_keys"]["bad"]:
            with self.subTest(text), self.assertRaises(ValueError):
                KeyRing(text)

    def test_messages_are_sealed_and_opened(self):
        for case in VECTORS["sealing"]:
            with self.subTest(case["plain"]):
                ring = KeyRing(case["key"])
                parts = case["plain"].encode(), case["time"], bytes.fromhex(case["iv"])
                sealed = base64.b64encode(ring._boxes[0]._encrypt_from_parts(*parts))
                self.assertEqual(sealed.decode(), case["sealed"])
                self.assertEqual(ring.open(case["sealed"].encode()), case["plain"].encode())
                self.assertEqual(ring.open(ring.seal(case["plain"].encode())), case["plain"].encode())

    def test_tokens_are_those_of_the_specification(self):
        fernet = VECTORS["fernet"]
        ring, valid = KeyRing(fernet["key"]), fernet["valid"]
        self.assertEqual(ring.open(base64.b64encode(valid["token"].encode())), valid["plain"].encode())
        for case in fernet["invalid"]:
            with self.subTest(case["name"]):
                self.assertIsNone(ring.open(base64.b64encode(case["token"].encode())))

    def test_each_reply_means_what_stands_beside_it(self):
        policy = Policy(tries=1, answer_bytes_max=VECTORS["answer_bytes_max"])
        for kind in BOTH:
            for case in VECTORS["replies"]:
                with self.subTest(case["name"], client=kind.__name__), Scripted(case["reply"]) as server:
                    client = kind(server.url, ",".join(VECTORS["keys"]), policy=policy)
                    self.addCleanup(client.close)
                    with mock.patch("secrets.token_urlsafe", return_value=VECTORS["reqid"]):
                        self.assert_means(case["expected"], client.at("192.0.2.7", "Browser/1.0"))

    def assert_means(self, expected, caller):
        if "answer" in expected:
            answer = dataclasses.asdict(caller.session_new(**VISITOR))
            answer["expires"] = answer["expires"].replace(tzinfo=None).isoformat()
            self.assertEqual(answer.pop("messages"), expected["messages"])
            expires = datetime.datetime.fromisoformat(expected["answer"]["expires"]).isoformat()
            self.assertEqual(answer, {**expected["answer"], "expires": expires})
            return
        with self.assertRaises(AuthError) as raised:
            caller.session_new(**VISITOR)
        self.assertIs(type(raised.exception), ERRORS[expected["error"]])
        for name, value in expected.items():
            if name != "error":
                self.assertEqual(getattr(raised.exception, name), value, name)

    def test_only_what_may_be_is_asked_again(self):
        policy = Policy(tries=2)
        for kind in BOTH:
            for case in VECTORS["retries"]:
                last = {"status": 500, "headers": {}, "body": ""}
                with self.subTest(case["name"], client=kind.__name__), Scripted(case["first"], last) as server:
                    client = kind(server.url, ",".join(VECTORS["keys"]), policy=policy)
                    self.addCleanup(client.close)
                    caller = client.at("192.0.2.7", "Browser/1.0")
                    with self.assertRaises(AuthError):
                        if case["request"] == "read":
                            caller.session_exists(session_token="t")
                        else:
                            caller.session_new(**VISITOR)
                    self.assertEqual(server.asked > 1, case["again"])

    def test_true_is_no_number(self):
        user = {"user_id": 4, "system_id": "s", "full_name": None, "email": "a@example.org", "user_role": "staff"}
        self.assertEqual(types.LoggedInUser.read(user).user_id, 4)
        with self.assertRaises(ValueError):
            types.LoggedInUser.read({**user, "user_id": True})

    def test_an_error_shows_no_parameter(self):
        last = {"status": 500, "headers": {}, "body": ""}
        for kind in BOTH:
            with Scripted(last) as server:
                client = kind(server.url, VECTORS["keys"][0])
                self.addCleanup(client.close)
                with self.assertRaises(Unavailable) as raised:
                    client.at("192.0.2.7", "B").login(email="a@example.org", password="the-password")
                self.assertNotIn("the-password", repr(raised.exception))


class Slow(Scripted):
    """Sends its answer letter by letter."""

    def talk(self, connection):
        with connection:
            connection.recv(1 << 16)
            try:
                for byte in written(self.replies[0]):
                    connection.sendall(bytes([byte]))
                    time.sleep(0.02)
            except OSError:
                pass


class Patience(unittest.TestCase):
    def test_an_answer_in_many_parts_has_an_end(self):
        for client in BOTH:
            reply = {"status": 200, "headers": {}, "body": "x" * 200}
            with self.subTest(client.__name__), Slow(reply) as server:
                asking = client(server.url, "A" * 43, policy=Policy(answer_seconds=60, total_seconds=0.3, tries=1))
                with self.assertRaisesRegex(Unavailable, "it took too long") as raised:
                    asking.at("192.0.2.1", "").session_new(**VISITOR)
                self.assertTrue(raised.exception.maybe_done)
                asking.close()


if __name__ == "__main__":
    unittest.main()
