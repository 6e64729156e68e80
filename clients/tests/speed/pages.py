"""How many pages a second a site can look up, by asking for the session and an access together (`batch`) and by two requests.

    AUTHNZERVER=…/release/authnzerver MAIL_PYTHON=target/python/bin/python RATELIMITS=none python pages.py

Both kinds of run take turns, so that whatever else the machine does is in both; what is told are medians.
"""

import json
import pathlib
import statistics
import sys
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[2] / "python" / part) for part in ("tests", "src")]

from authnzerver_client import Client, calls  # noqa: E402
from support import Real  # noqa: E402

PAGES = 300
ROUNDS = 21


def main():
    server = Real()
    client = Client(server.url, server.key)
    site = client.at("192.0.2.1", "Browser/1.0")
    login = site.login(**server.admin)
    who = calls.session_info(session_token=login.session_token)
    item = {"action": "view", "target_name": "dataset", "target_owner": 1}
    about = {"user_id": login.user.user_id, "user_role": login.user.user_role, "target_visibility": "private"}
    may = calls.user_check_access(**about, **item, target_sharedwith=None)

    def together():
        answers = site.together(who, may)
        return answers[who], answers[may]

    def apart():
        return site.ask(who), site.ask(may)

    rates = {together: [], apart: []}
    for _ in range(ROUNDS):
        for page, told in rates.items():
            begun = time.perf_counter()
            for _ in range(PAGES):
                page()
            told.append(PAGES / (time.perf_counter() - begun))
    told = {page.__name__: round(statistics.median(told)) for page, told in rates.items()}
    ratios = [one / other for one, other in zip(rates[together], rates[apart])]
    print(json.dumps({"client": "python", "pages_per_second": told, "ratio": round(statistics.median(ratios), 2)}))
    client.close()
    server.close()


main()
