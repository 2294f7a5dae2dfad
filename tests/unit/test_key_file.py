"""The file with the signing keys: rotated as a whole, and read by every version of it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from salon.actors.model import Participant
from salon.web.identity.key_file import (
    MOST_FORMER,
    FormerKey,
    KeyFileError,
    SigningKeys,
    read_key,
    read_keys,
    rotate_keys,
)
from salon.web.identity.signing import DAY, Session, Signer

NOW = 1_790_000_000_000
ADA = Participant("ada", "Ada")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "salon.db.key"


def session(days: int) -> Session:
    return Session(ADA, False, "t", NOW, NOW + days * DAY)


def test_a_new_key_signs_and_the_former_one_is_kept_for_its_time(path: Path) -> None:
    old = read_key(path)
    keys = rotate_keys(path, 30 * DAY, NOW)
    assert keys == read_keys(path)
    assert keys.current not in (b"", old)
    assert keys.former == (FormerKey(old, NOW + 30 * DAY),)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_what_a_former_key_signed_holds_no_longer_than_that_key(path: Path) -> None:
    old = Signer(read_key(path))
    signer = Signer(rotate_keys(path, 30 * DAY, NOW))
    assert signer.read(old.sign(session(10))) == session(10)
    assert signer.read(old.sign(session(90))) == session(30)
    assert signer.read(signer.sign(session(90))) == session(90)
    assert old.read(signer.sign(session(10))) is None
    assert Signer(b"x" * 32).read(old.sign(session(10))) is None


def test_keys_whose_time_is_over_are_dropped_by_the_next_rotation(path: Path) -> None:
    first = read_key(path)
    second = rotate_keys(path, 2 * DAY, NOW).current
    third = rotate_keys(path, 2 * DAY, NOW + DAY)
    assert [each.key for each in third.former] == [second, first]
    fourth = rotate_keys(path, 2 * DAY, NOW + 2 * DAY)
    assert [each.key for each in fourth.former] == [third.current, second]
    assert rotate_keys(path, 0, NOW).former == ()


def test_any_bytes_may_have_been_the_key(path: Path) -> None:
    old = b"\xff\x00\r\n:former:\n" * 8 + b"\x01"
    path.touch(0o600)
    path.write_bytes(old + b"\n")
    assert read_keys(path) == SigningKeys(old)
    (former,) = rotate_keys(path, DAY, NOW).former
    assert read_keys(path).former == (former,) == (FormerKey(old, NOW + DAY),)


def test_too_many_former_keys_are_refused_and_nothing_changes(path: Path) -> None:
    for _ in range(MOST_FORMER):
        rotate_keys(path, DAY, NOW)
    before = path.read_bytes()
    with pytest.raises(KeyFileError, match="--days 0"):
        rotate_keys(path, DAY, NOW)
    assert path.read_bytes() == before
    assert len(read_keys(path).former) == MOST_FORMER


def test_two_rotations_at_once_lose_no_key(path: Path) -> None:
    first = read_key(path)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: rotate_keys(path, DAY, NOW).current, range(4)))
    keys = read_keys(path)
    assert {keys.current, *(each.key for each in keys.former)} == {first, *made}


def test_a_link_stays_one_and_its_target_is_replaced(path: Path, tmp_path: Path) -> None:
    read_key(path)
    link = tmp_path / "link"
    link.symlink_to(path)
    keys = rotate_keys(link, DAY, NOW)
    assert link.is_symlink()
    assert read_keys(path) == keys


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_file_keeps_its_owner(path: Path) -> None:
    read_key(path)
    os.chown(path, 1234, 1235)
    rotate_keys(path, DAY, NOW)
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1235)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_file_that_root_makes_is_that_of_the_owner_of_its_folder(path: Path) -> None:
    os.chown(path.parent, 1234, 1235)
    read_key(path)
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1235)


@pytest.mark.parametrize("line", [b"former:x:eA==", b"former:5:", b"former:5:%%", b"former:"])
def test_a_line_that_cannot_be_read_is_said_and_not_dropped(path: Path, line: bytes) -> None:
    path.touch(0o600)
    path.write_bytes(b"k" * 43 + b"\n" + line + b"\n")
    with pytest.raises(KeyFileError, match="remove its line"):
        read_keys(path)
