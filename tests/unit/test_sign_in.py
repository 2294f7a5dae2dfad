"""Where a sign-in leads back to, as browsers read addresses; and what a sign-in on its way is."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from salon.actors.sources import Sources
from salon.web.api.sign_in import is_own_path, with_query
from salon.web.identity.sign_in_state import LIFE, LONGEST, Transaction, Used, unseal
from salon.web.identity.signing import Signer
from tests.node import NODE

# The standard's own parser: where a browser goes that is sent to each of these, and to what it then has open.
FOLLOW = """
const places = JSON.parse(require("fs").readFileSync(0, "utf8"));
const found = places.map((each) => new URL(each, "https://chat.example/auth/provider/x/callback"));
console.log(JSON.stringify(found.map(({ origin, pathname }) => [origin, pathname])));
"""
NASTY = st.text(alphabet="/\\.:@?#%&=;,ce5F\t\n\r \u3002\uff0f\u2215", max_size=12)
SIGNER = Signer(b"k" * 32)


def sources(now: int = 0) -> Sources:
    return Sources(now=lambda: now, new_id=lambda: "id", entropy=os.urandom, chance=lambda: 0.5)


def test_a_server_without_providers_carries_no_client_for_them() -> None:
    look = "import sys, salon.web.app; print('httpx2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


class TestWayBack:
    @settings(max_examples=15)
    @given(st.lists(NASTY.map(lambda text: f"/{text}"), min_size=50, max_size=200))
    def test_whatever_is_taken_for_an_own_path_a_browser_takes_for_one_too(
        self, paths: list[str]
    ) -> None:
        taken = [path for path in paths if is_own_path(path)]
        places = [*taken, *(with_query(path, sign_in="failed", id="x") for path in taken)]
        found = subprocess.run(
            [NODE, "-e", FOLLOW],
            input=json.dumps(places),
            capture_output=True,
            text=True,
            check=True,
        )
        assert {origin for origin, _ in json.loads(found.stdout)} <= {"https://chat.example"}

    def test_the_reason_is_added_to_what_is_asked_there_already(self) -> None:
        assert with_query("/", sign_in="lost", id="x") == "/?sign_in=lost&id=x"
        assert with_query("/c/a?b=1#d", sign_in="lost", id="x") == "/c/a?b=1&sign_in=lost&id=x#d"


class TestTransactions:
    def test_its_secrets_are_its_own(self) -> None:
        one, other = (Transaction.begin("house", "/", sources()) for _ in range(2))
        secrets = {*one[1:4], *other[1:4], one.challenge, other.challenge}
        assert len(secrets) == 8
        assert all(len(each) == 43 for each in secrets)

    def test_it_fits_into_its_cookie_and_comes_out_as_it_went_in(self) -> None:
        begun = Transaction.begin("x" * 32, "/" + "x" * 511, sources())
        sealed = begun.seal(SIGNER)
        assert len(sealed) <= LONGEST
        assert unseal(SIGNER, sealed) == begun

    def test_what_another_version_has_sealed_is_none(self) -> None:
        begun = Transaction.begin("house", "/", sources())
        for claims in ({}, {"state": "x"}, begun._asdict() | {"more": 1}):
            assert unseal(SIGNER, SIGNER.seal("sign-in+jwt", claims)) is None
        assert unseal(Signer(b"o" * 32), begun.seal(SIGNER)) is None

    def test_it_is_answered_by_its_own_state_in_time(self) -> None:
        begun = Transaction.begin("house", "/", sources(1_000))
        over = 1_000 + LIFE * 1000
        assert begun.answers("house", begun.state, over - 1)
        assert not begun.answers("house", begun.state, over)
        assert not begun.answers("office", begun.state, 1_000)
        assert not begun.answers("house", begun.nonce, 1_000)
        assert not begun.answers("house", "\ud800", 1_000)

    def test_it_is_used_once_and_remembered_for_as_long_as_it_could_be_used(self) -> None:
        used = Used()
        begun = Transaction.begin("house", "/", sources())
        assert used.take(begun, 0)
        assert not used.take(begun, LIFE * 1000 - 1)
        for number in range(20):
            later = Transaction.begin("house", "/", sources(number * LIFE * 1000))
            assert used.take(later, number * LIFE * 1000)
