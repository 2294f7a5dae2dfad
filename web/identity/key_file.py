"""The file with the keys that sign sessions: the current one, and former ones that are still accepted for a time.

The first line is the current key. Each further line is a former key: `former:SECONDS:BASE64`, with the end of its time in seconds
since the epoch. The file is always replaced as a whole, so that a copy of it, such as a backup's, is complete.
"""

from __future__ import annotations

import base64
import fcntl
import os
import shlex
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY_BYTES = 32  # the size of the hash
OTHERS = 0o077  # the mode bits of group and world
FORMER = b"\nformer:"
MOST_FORMER = 8  # each costs a wrong token 20 µs
LARGEST = 16_384  # bytes of the file


class KeyFileError(Exception):
    """The key file cannot be used. The text says in one line why and what to do."""


class FormerKey(NamedTuple):
    """A key that signs nothing any more; what it signed is accepted until then, in milliseconds since the epoch."""

    key: bytes
    until: int


class SigningKeys(NamedTuple):
    """The keys of a server."""

    current: bytes
    former: tuple[FormerKey, ...] = ()


def read_key(path: Path | None, entropy: Callable[[int], bytes] = os.urandom) -> bytes:
    """The current key in the file, as `read_keys` finds it."""
    return read_keys(path, entropy).current


def read_keys(path: Path | None, entropy: Callable[[int], bytes] = os.urandom) -> SigningKeys:
    """The keys in the file, which the first caller creates; without a path, a new key that is not stored.

    Processes that start at the same time all get the same key. Raises `KeyFileError`. It does blocking file I/O: call it before
    serving.
    """
    if path is None:
        return SigningKeys(entropy(KEY_BYTES))
    try:
        if not path.exists():
            _make(path, entropy)
        return _read(path)
    except OSError as error:
        raise KeyFileError(f"the key file {path} cannot be used: {error.strerror}") from error


def rotate_keys(
    path: Path, keep: int, now: int, entropy: Callable[[int], bytes] = os.urandom
) -> SigningKeys:
    """Make a new key current. The former one is accepted for `keep` more milliseconds, with 0 none of the former ones.

    Blocking file I/O. Raises `KeyFileError`; the file is then as it was.
    """
    try:
        path = path.resolve()
        if not path.exists():
            _make(path, entropy)
        with _locked(path.parent):
            old = _read(path)
            former = [FormerKey(old.current, now + keep), *old.former] if keep else []
            kept = tuple(each for each in former if each.until > now)
            if len(kept) > MOST_FORMER:
                raise KeyFileError(
                    f"{path} has {MOST_FORMER} former keys that are still accepted: wait until one's time "
                    "is over, or end all at once with --days 0"
                )
            keys = SigningKeys(base64.urlsafe_b64encode(entropy(KEY_BYTES)), kept)
            _replace(path, keys)
    except OSError as error:
        raise KeyFileError(f"the key file {path} cannot be changed: {error.strerror}") from error
    return keys


class _locked:  # noqa: N801 (used like a function)
    """Keeps two rotations at once from losing one's key. The folder is locked: the file is another one afterwards."""

    def __init__(self, folder: Path) -> None:
        self._folder = os.open(folder, os.O_RDONLY)

    def __enter__(self) -> None:
        fcntl.flock(self._folder, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._folder)


def _make(path: Path, entropy: Callable[[int], bytes]) -> None:
    """Write the key to a temporary file, then link it into place: the file is always complete, and the first link wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = _write_aside(path, SigningKeys(base64.urlsafe_b64encode(entropy(KEY_BYTES))))
    try:
        if os.geteuid() == 0:  # by a command, where the folder is that of the server's user
            owner = path.parent.stat()
            os.chown(aside, owner.st_uid, owner.st_gid, follow_symlinks=False)
        with suppress(FileExistsError):
            os.link(aside, path)
    finally:
        aside.unlink()
    _sync_folder(path)


def _replace(path: Path, keys: SigningKeys) -> None:
    """Put the keys in place of those in the file, which keeps its owner: the server's user has to read it."""
    owner = path.stat()
    aside = _write_aside(path, keys)
    try:
        if (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(aside, owner.st_uid, owner.st_gid)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    _sync_folder(path)


def _write_aside(path: Path, keys: SigningKeys) -> Path:
    descriptor, aside = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)  # O_EXCL, 0600
    with os.fdopen(descriptor, "wb") as file:
        file.write(b"".join(_lines(keys)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return Path(aside)


def _lines(keys: SigningKeys) -> Iterator[bytes]:
    yield keys.current
    for each in keys.former:
        yield FORMER + b"%d:%b" % (each.until // 1000, base64.urlsafe_b64encode(each.key))


def _sync_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # otherwise a power cut may lose the file's name, and so every session
    finally:
        os.close(folder)


def _read(path: Path) -> SigningKeys:
    with path.open("rb") as file:
        if os.name == "posix" and os.fstat(file.fileno()).st_mode & OTHERS:
            command = f"chmod 600 {shlex.quote(str(path))}"
            raise KeyFileError(f"the key file {path} is open to other users: run {command}")
        current, *lines = file.read(LARGEST).split(FORMER)
    current = current.strip()
    if len(current) < KEY_BYTES:
        raise KeyFileError(
            f"the key file {path} is too short: it needs {KEY_BYTES} random bytes or more; "
            "remove it to have a new one made, which ends all sessions"
        )
    try:
        return SigningKeys(current, tuple(map(_former, lines)))
    except ValueError:
        raise KeyFileError(
            f"the key file {path} has a former key that cannot be read: remove its line, "
            "which ends the sessions of that key"
        ) from None


def _former(line: bytes) -> FormerKey:
    until, _, encoded = line.strip().partition(b":")
    key = base64.urlsafe_b64decode(encoded)
    if len(key) < KEY_BYTES:
        raise ValueError("too short")
    return FormerKey(key, int(until) * 1000)
