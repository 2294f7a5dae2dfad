"""What a machine is like, as far as it decides whether a server works on it: read once, then judged without it."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509

from .cluster_look import ClusterProblem, look_at_cluster

if TYPE_CHECKING:
    from ..settings import Settings

MOUNTS = Path("/proc/self/mounts")
UNSYNCHRONISED = 0x40  # STA_UNSYNC of adjtimex


@dataclass(frozen=True, slots=True)
class Machine:
    """The facts. None where one cannot be read, or where there is no such thing."""

    open_files: int  # that the server may have, sockets among them
    now: datetime
    clock_is_set: bool | None  # by a time service
    file_system: str | None  # of the store, by the name that the kernel has for it
    free: int | None  # bytes for the store
    key_mode: int | None  # of the file with the signing key
    key_is_own: bool | None  # whether it belongs to who asks, unless that is root
    certificate_ends: datetime | None
    missing: frozenset[str]  # of the environment variables that the settings name
    # What is wrong with the database of the store, and what to do about it.
    database: tuple[tuple[str, str], ...] = ()
    # What a node of a cluster would find.
    cluster: tuple[ClusterProblem, ...] = ()


def look(settings: Settings) -> Machine:
    """The facts of this machine, for these settings. Nothing is made or changed."""
    key, user = _status(settings.key_file), os.geteuid()
    room = None if settings.store.path is None else _existing(settings.store.path)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Machine(
        open_files=2**63 if hard == resource.RLIM_INFINITY else hard,
        now=datetime.now(UTC),
        clock_is_set=_clock_is_set(),
        file_system=None if room is None else file_system_of(room, _mounts()),
        free=None if room is None else shutil.disk_usage(room).free,
        key_mode=key and stat.S_IMODE(key.st_mode),
        key_is_own=key.st_uid in (0, user) if key and user else None,
        certificate_ends=_end_of(settings.server.tls_certificate),
        missing=frozenset(name for _, name in variables(settings) if not os.environ.get(name)),
        database=_database(settings),
        cluster=look_at_cluster(settings),
    )


def file_system_of(path: Path, mounts: str) -> str | None:
    """The kind of file system that holds a path, by the kernel's table of mounts."""
    found: tuple[int, str] | None = None
    for line in mounts.splitlines():
        _, place, kind, *_ = line.split(" ")
        root = Path(place.encode().decode("unicode_escape"))  # a space is written as \040
        if path.is_relative_to(root) and (found is None or len(root.parts) >= found[0]):
            found = len(root.parts), kind  # the last of two at one place hides the other
    return found and found[1]


def _mounts() -> str:
    try:
        return MOUNTS.read_text(errors="replace")
    except OSError:  # not Linux
        return ""


def _existing(path: Path) -> Path:
    path = path.expanduser().absolute()
    while not path.exists():
        path = path.parent
    return path.resolve()


def _status(path: Path | None) -> os.stat_result | None:
    try:
        return None if path is None else path.stat()
    except OSError:
        return None


def _end_of(certificate: Path | None) -> datetime | None:
    try:
        chain = certificate and x509.load_pem_x509_certificates(certificate.read_bytes())
        return min(each.not_valid_after_utc for each in chain) if chain else None
    except (OSError, ValueError):  # `salon serve` says what is wrong with it
        return None


def _clock_is_set() -> bool | None:
    """Whether a time service keeps the clock, as the kernel knows it."""

    class Timex(ctypes.Structure):
        _fields_ = (
            ("modes", ctypes.c_uint),
            ("offset", ctypes.c_long),
            ("frequency", ctypes.c_long),
            ("maximum_error", ctypes.c_long),
            ("estimated_error", ctypes.c_long),
            ("status", ctypes.c_int),
            ("rest", ctypes.c_char * 256),
        )

    known = Timex()  # modes = 0: read only
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(known))
    except (AttributeError, OSError):
        return None
    return None if state < 0 else not known.status & UNSYNCHRONISED


def _database(settings: Settings) -> tuple[tuple[str, str], ...]:
    if settings.store.kind != "postgresql":
        return ()
    from salon.persistence.url import examine  # noqa: PLC0415 - few stores are in a database

    return tuple(examine(settings.store.url))


def variables(settings: Settings) -> list[tuple[str, str]]:
    """The environment variables that settings name for their keys: each with its setting before it."""
    named = [
        *((f"auth.jwt.{n}.key_env", each.key_env) for n, each in enumerate(settings.auth.jwt)),
        ("moderation.key_env", settings.moderation.key_env),
        *((f"agents.{each.id}.key_env", each.key_env) for each in settings.agents),
        *(
            (f"webhooks.{n}.secret_env", each.secret_env)
            for n, each in enumerate(settings.webhooks)
        ),
    ]
    return [(setting, name) for setting, name in named if name]
