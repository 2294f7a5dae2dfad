"""Signed sessions: what a token must be to be read, and the key that signs it."""

from __future__ import annotations

import base64
import hmac
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salon.actors.model import Participant
from salon.actors.sources import Sources
from salon.web.identity.signing import DAY, KeyFileError, Session, Signer, read_key

KEY = b"k" * 32
ADA = Participant("ada", "Ada")
CLAIMS: dict[str, object] = {
    "iss": "salon",
    "sub": "ada",
    "name": "Ada",
    "type": "human",
    "admin": False,
    "jti": "j",
    "iat": 1_790_000_000,
    "exp": 1_790_000_060,
}
HEADER: dict[str, object] = {"alg": "HS256", "typ": "session+jwt"}


def token_of(claims: dict[str, object], header: dict[str, object], key: bytes = KEY) -> str:
    """A token made by hand, as an attacker would make it."""
    parts = [json.dumps(each).encode() for each in (header, claims)]
    signed = b".".join(base64.urlsafe_b64encode(each).rstrip(b"=") for each in parts)
    digest = hmac.digest(key, signed, "sha256")
    return (signed + b"." + base64.urlsafe_b64encode(digest).rstrip(b"=")).decode()


class TestTokens:
    def test_a_session_is_what_was_signed(self) -> None:
        sources = Sources(
            now=lambda: 1_790_000_000_999, new_id=lambda: "id", entropy=os.urandom, chance=lambda: 0
        )
        session = Session.begin(ADA, sources, days=7, admin=True)
        assert session == Session(ADA, True, "id", 1_790_000_000_000, 1_790_000_000_000 + 7 * DAY)
        assert Signer(KEY).read(Signer(KEY).sign(session)) == session
        assert Signer(b"other" * 8).read(Signer(KEY).sign(session)) is None

    def test_it_keeps_through_whom_somebody_came_and_why_they_are_an_admin(self) -> None:
        session = Session(ADA, True, "j", 0, DAY, "house", "grant")
        assert Signer(KEY).read(Signer(KEY).sign(session)) == session
        for change in ({"provider": 5}, {"grant": ["grant"]}):
            assert Signer(KEY).read(token_of(CLAIMS | change, HEADER)) is None

    def test_what_is_sealed_as_one_kind_is_none_of_another(self) -> None:
        sealed = Signer(KEY).seal("sign-in+jwt", CLAIMS)
        assert Signer(KEY).unseal("sign-in+jwt", sealed) == CLAIMS
        assert Signer(KEY).unseal("session+jwt", sealed) is None
        assert Signer(KEY).read(sealed) is None

    def test_a_token_made_as_ours_are_is_read(self) -> None:
        session = Signer(KEY).read(token_of(CLAIMS, HEADER))
        assert session == Session(ADA, False, "j", 1_790_000_000_000, 1_790_000_060_000)

    @pytest.mark.parametrize(
        "header",
        [
            {"alg": "none", "typ": "session+jwt"},
            {"alg": "HS512", "typ": "session+jwt"},
            {"alg": "RS256", "typ": "session+jwt"},
            {"alg": "dir", "enc": "A128GCM", "typ": "session+jwt"},
            {"alg": "HS256", "typ": "JWT"},
            {"alg": "HS256"},
            {"alg": ["HS256"], "typ": "session+jwt"},
            {"alg": "HS256", "typ": "session+jwt", "crit": ["exp"]},
            {"alg": "HS256", "typ": "session+jwt", "b64": False, "crit": ["b64"]},
            {},
        ],
    )
    def test_the_algorithm_and_the_type_are_ours_whatever_a_token_says(
        self, header: dict[str, object]
    ) -> None:
        assert Signer(KEY).read(token_of(CLAIMS, header)) is None
        unsigned = token_of(CLAIMS, header).rpartition(".")[0]
        assert Signer(KEY).read(f"{unsigned}.") is None
        assert Signer(KEY).read(unsigned) is None

    @pytest.mark.parametrize(
        "change",
        [
            {"iss": "other"},
            {"sub": 5},
            {"sub": None},
            {"name": ["Ada"]},
            {"type": "root"},
            {"admin": "false"},
            {"admin": 1},
            {"jti": None},
            {"exp": "never"},
            {"exp": None},
            {"exp": 1e300},
        ],
    )
    def test_a_claim_of_the_wrong_kind_makes_nobody(self, change: dict[str, object]) -> None:
        assert Signer(KEY).read(token_of(CLAIMS | change, HEADER)) is None

    @given(st.binary(max_size=80), st.binary(max_size=80), st.text(max_size=60))
    def test_no_text_makes_it_stumble(self, one: bytes, two: bytes, text: str) -> None:
        signer = Signer(KEY)
        first, second = (base64.urlsafe_b64encode(each).decode() for each in (one, two))
        for token in (
            f"{first}.{second}.{text}",
            f"{first}.{second}",
            text,
            f"..{text}",
            "a.b.c.d.e",
        ):
            assert signer.read(token) is None

    @given(
        st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=4)
    )
    def test_no_header_makes_it_stumble(self, value: object) -> None:
        signer = Signer(KEY)
        for header in (value, {"alg": value}, HEADER | {"kid": value}, HEADER | {"crit": value}):
            token = token_of(CLAIMS, header)  # type: ignore[arg-type]
            ours = isinstance(header, dict) and header.items() >= HEADER.items()
            assert ours or signer.read(token) is None
            signer.read(token)


class TestKeyFile:
    def test_the_first_start_makes_a_key_and_the_next_ones_read_it(self, tmp_path: Path) -> None:
        path = tmp_path / "new" / "folder" / "salon.db.key"
        key = read_key(path)
        assert len(key) >= 32
        assert read_key(path) == key
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert list(path.parent.iterdir()) == [path]
        assert read_key(tmp_path / "other.key") != key

    def test_without_a_file_the_key_lives_as_long_as_the_process(self) -> None:
        assert read_key(None) != read_key(None)
        assert len(read_key(None)) == 32

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602, 0o777])
    def test_a_key_that_others_can_see_is_refused(self, tmp_path: Path, mode: int) -> None:
        path = tmp_path / "a key"
        read_key(path)
        path.chmod(mode)
        with pytest.raises(KeyFileError, match=f"open to other users: run chmod 600 '{path}'"):
            read_key(path)
        path.chmod(0o400)
        assert read_key(path)

    def test_a_key_that_is_too_short_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "key"
        path.touch(0o600)
        for text in ("", "short", "x" * 31 + "\n\n"):
            path.write_text(text)
            with pytest.raises(KeyFileError, match="32 random bytes"):
                read_key(path)

    def test_a_key_made_by_hand_is_as_good(self, tmp_path: Path) -> None:
        path = tmp_path / "key"
        path.touch(0o600)
        path.write_text("0123456789abcdef" * 2 + "\n")
        assert read_key(path) == b"0123456789abcdef" * 2

    def test_a_place_that_cannot_hold_one_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(KeyFileError, match=r"file/key cannot be used: .+"):
            read_key(tmp_path / "file" / "key")
        with pytest.raises(KeyFileError, match="Is a directory"):
            read_key(tmp_path)

    def test_all_who_start_at_once_get_the_same_key(self, tmp_path: Path) -> None:
        path = tmp_path / "key"
        code = (
            "import pathlib, sys; from salon.web.identity.signing import read_key\n"
            "print('ready', flush=True); sys.stdin.readline()\n"
            "print(read_key(pathlib.Path(sys.argv[1])).decode())"
        )
        starters = [
            subprocess.Popen(
                [sys.executable, "-c", code, path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        for each in starters:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        for each in starters:
            assert each.stdin is not None
            each.stdin.write("\n")
            each.stdin.flush()
        keys = {each.communicate()[0] for each in starters}
        assert len(keys) == 1
        assert keys == {path.read_text()}

    def test_who_comes_second_takes_what_the_first_has_made(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "key"
        link = os.link
        first: list[bytes] = []

        def beaten(source: str, target: Path) -> None:
            monkeypatch.setattr(os, "link", link)
            first.append(read_key(path))
            link(source, target)

        monkeypatch.setattr(os, "link", beaten)
        assert [read_key(path)] == first
        assert list(tmp_path.iterdir()) == [path]
