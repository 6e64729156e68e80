"""A conversation with a real server, in both clients."""

import datetime
import json
import unittest
import urllib.request

from authnzerver_client import BadKey, KeyRing, OverLimit, Policy, Refused, Unavailable, calls
from support import BOTH, VECTORS, Real

PASSWORD = "quiet-lanterns-over-9-hills"
NEW_KEY = VECTORS["keys"][1]


class Live(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Real()
        cls.addClassCleanup(cls.server.close)

    def test_conversation(self):
        for place, kind in enumerate(BOTH):
            with self.subTest(kind.__name__):
                client = kind(self.server.url, self.server.key, policy=Policy(tries=1))
                self.addCleanup(client.close)
                self.converse(client.at(f"192.0.2.{place}", "Browser/1.0"), f"alice{place}@example.org")

    def converse(self, site, address):
        link = {"link": "https://site.example/verify", "site_name": "A site"}
        started = site.signup_start(full_name="Alice", email=address, password=PASSWORD, **link)
        self.assertEqual(started.next, "link")
        verified = site.signup_finish(code=self.server.code(address))
        self.assertEqual((verified.next, verified.user.email, verified.session_token), ("login", address, None))

        visitor = site.session_new(user_id=None, expires=1, extra_info_json={"seen": 1}).session_token
        login = site.login(email=address, password=PASSWORD, session_token=visitor)
        self.assertGreater(login.expires, datetime.datetime.now(datetime.timezone.utc))
        with self.assertRaises(Refused):
            site.session_exists(session_token=visitor)

        who = calls.session_info(session_token=login.session_token)
        may = calls.user_check_access(
            user_id=login.user.user_id,
            user_role=login.user.user_role,
            action="delete",
            target_name="user",
            target_owner=1,
            target_visibility="private",
            target_sharedwith=None,
        )
        both = site.together(who, may)
        self.assertEqual(both[who].session_info.user_role, "authenticated")
        with self.assertRaises(Refused):
            both[may]

        key = site.apikey_issue(session_token=login.session_token, name="mine", scopes=["view:dataset"])
        checked = site.apikey_check(apikey=key.apikey, action="view", target_name="dataset")
        self.assertEqual((checked.user_id, checked.permitted), (login.user.user_id, True))
        with self.assertRaises(Refused):
            site.apikey_check(apikey=key.apikey, action="delete", target_name="dataset")
        self.assertEqual([one.name for one in site.apikey_list(session_token=login.session_token).apikeys], ["mine"])

        with self.assertRaises(OverLimit) as limited:
            for _ in range(20):
                site.reset_start(email="nobody@example.org", **link)
        self.assertGreater(limited.exception.retry_after, 0)

        with self.assertRaises(Refused) as refused:
            site.login(email=address, password="wrong")
        self.assertEqual(refused.exception.reason, "user does not exist or password doesn't match")
        self.assertGreater(refused.exception.retry_after, 0)

        with self.assertRaises(Refused) as unfit:
            site.session_exists(session_token=5)
        self.assertTrue(unfit.exception.is_invalid)

    def test_vector_is_opened_by_the_server(self):
        sealed = VECTORS["sealing"][-1]["sealed"].encode()
        answer = urllib.request.urlopen(self.server.url, data=sealed, timeout=30).read()
        opened = json.loads(KeyRing(VECTORS["keys"][0]).open(answer))
        self.assertEqual((opened["success"], opened["reqid"]), (False, VECTORS["reqid"]))

    def test_key_is_changed_without_a_pause(self):
        clients = []
        for kind in BOTH:
            rings = (self.server.key, f"{NEW_KEY},{self.server.key}", NEW_KEY)
            old, both, new = (kind(self.server.url, keys) for keys in rings)
            clients.append([one.at("192.0.2.9", "Browser/1.0") for one in (old, both, new)])
            for client in (old, both, new):
                self.addCleanup(client.close)
        visitor = {"user_id": None, "expires": 1, "extra_info_json": None}
        for old, both, new in clients:
            both.session_new(**visitor)
            with self.assertRaises(BadKey):
                new.session_new(**visitor)
        self.server.tell(f"add {NEW_KEY}")
        for ring in clients:
            for one in ring:
                one.session_new(**visitor)
        self.server.tell(f"only {NEW_KEY}")
        for old, both, new in clients:
            both.session_new(**visitor)
            new.session_new(**visitor)
            with self.assertRaises(BadKey):
                old.session_new(**visitor)
        self.server.tell(f"only {self.server.key}")

    def test_stopped_server_is_unavailable_and_comes_back(self):
        for kind in BOTH:
            client = kind(self.server.url, self.server.key)
            self.addCleanup(client.close)
            site = client.at("192.0.2.10", "Browser/1.0")
            visitor = {"user_id": None, "expires": 1, "extra_info_json": None}
            token = site.session_new(**visitor).session_token
            self.server.tell("stop")
            with self.assertRaises(Unavailable) as unavailable:
                site.session_exists(session_token=token)
            self.assertFalse(unavailable.exception.maybe_done)
            self.server.tell("start")
            # The kept connection has died meanwhile; nobody notices.
            site.session_new(**visitor)
            self.assertEqual(site.session_exists(session_token=token).session_info.user_id, 2)


if __name__ == "__main__":
    unittest.main()
