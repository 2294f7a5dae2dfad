"""What is unsafe in a production server, or will not work there: judged by the settings and the facts of the machine alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from .machine import Machine, variables

if TYPE_CHECKING:
    from ..settings import Settings

OPEN_FILES = 11_000  # ten thousand sockets, and a thousand for the store and agents
FREE = 1_000_000_000  # bytes: some million messages, and room for a merge of the search index
CERTIFICATE_LEFT = timedelta(days=14)  # services that renew do it 30 days before the end
SILENCE = 60.0  # seconds after which proxies close a silent connection, as nginx does
RELEASED = datetime.fromisoformat("2026-01-01T00:00:00+00:00")  # no clock was right before this
NETWORKED = {
    "9p",
    "afs",
    "ceph",
    "cifs",
    "davfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "smb3",
    "smbfs",
}
NETWORKED |= {"fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "gfs2", "glusterfs", "ocfs2", "virtiofs"}
FLEETING = {"overlay": "is deleted with its container", "tmpfs": "is empty after a restart"}
PROTECTING = (
    "queue_size",
    "queue_share",
    "max_message_size",
    "max_frame_size",
    "max_body_size",
    "json_depth",
    "message_rate",
    "handshake_timeout",
    "file_size",
    "file_quota",
    "picture_pixels",
)


class Finding(NamedTuple):
    """One fault: the setting that it is about, what is wrong, and how to mend it."""

    setting: str
    problem: str
    remedy: str


Check = Callable[["Settings", Machine], Iterator[Finding]]


def examine(settings: Settings, machine: Machine) -> list[Finding]:
    """All findings, in the order of the settings' sections."""
    return [finding for check in CHECKS for finding in check(settings, machine)]


def _network(settings: Settings, machine: Machine) -> Iterator[Finding]:
    server = settings.server
    address = server.public_url
    if not _is_local(server.host) and server.tls_certificate is None:
        if not server.trusted_proxies and address is None:
            yield Finding(
                "server.host",
                f"{server.host} is open to the network, with /admin and /metrics, and no proxy is before it",
                "listen on 127.0.0.1 behind a proxy that passes neither on, and set server.public_url to its address",
            )
        if address is None:
            yield Finding(
                "server.tls_certificate",
                "tokens and messages cross the network in plain text",
                "set server.tls_certificate and server.tls_key, or let a proxy end TLS and set server.public_url to https",
            )
    if address is not None and not address.startswith("https:"):
        yield Finding(
            "server.public_url",
            f"{address} is not encrypted, and cookies are not Secure",
            "give the https address that browsers use",
        )
    if address is None and _is_local(server.host):
        yield Finding(
            "server.public_url",
            "behind a proxy cookies are not Secure, and nobody can sign in with a provider",
            "set the https address that browsers use",
        )
    if "*" in server.allowed_origins:
        yield Finding(
            "server.allowed_origins",
            "pages of any site may connect",
            "name the origins of your own pages",
        )


def _certificate(settings: Settings, machine: Machine) -> Iterator[Finding]:
    ends = machine.certificate_ends
    if ends is not None and ends - machine.now < CERTIFICATE_LEFT:
        yield Finding(
            "server.tls_certificate",
            f"the certificate ends on {ends:%Y-%m-%d}",
            "renew it, then restart the server",
        )


def _store(settings: Settings, machine: Machine) -> Iterator[Finding]:
    for problem, remedy in machine.database:
        yield Finding("store.url", problem, remedy)
    if settings.store.kind == "memory":
        yield Finding(
            "store.url",
            "all conversations end with the process",
            "name a file: sqlite:////var/lib/salon/salon.db",
        )
    kind = machine.file_system
    if kind in NETWORKED:
        yield Finding(
            "store.url",
            f"the file system is {kind}: without working locks and shared memory messages can be lost",
            "keep the store on a local disk",
        )
    if kind in FLEETING:
        yield Finding(
            "store.url",
            f"the file system is {kind}, which {FLEETING[kind]}",
            "keep the store on a disk or on a volume",
        )
    if machine.free is not None and machine.free < FREE:
        yield Finding(
            "store.url",
            f"only {machine.free / 1e6:,.0f} MB are free; a full disk refuses every message",
            f"make room: {FREE / 1e6:,.0f} MB at least",
        )


def _identity(settings: Settings, machine: Machine) -> Iterator[Finding]:
    auth = settings.auth
    if auth.static_tokens:
        admins = sum(each.admin for each in auth.static_tokens.values())
        yield Finding(
            "auth.static_tokens",
            f"tokens that never end stand in the configuration: {len(auth.static_tokens)}, of admins {admins}",
            "remove them; `salon token` makes tokens that end and can be revoked",
        )
    if auth.guests and not settings.limits.guests_per_hour:
        yield Finding(
            "limits.guests_per_hour",
            "anybody may make any number of guests",
            "set auth.guests to false, or a limit, such as 100",
        )
    if machine.key_mode is not None and machine.key_mode & 0o077:
        yield Finding(
            "auth.key_file",
            f"others can read {settings.key_file} (mode {machine.key_mode:04o}), and sign as anybody",
            f"chmod 600 {settings.key_file}, and make a new key if others had access: every session then ends",
        )
    if machine.key_is_own is False:
        yield Finding(
            "auth.key_file",
            f"{settings.key_file} belongs to another user, who can read it and sign as anybody",
            "give the file to the user that the server runs as, and call this command as that user",
        )


def _limits(settings: Settings, machine: Machine) -> Iterator[Finding]:
    for name in PROTECTING:
        if not getattr(settings.limits, name):
            default = type(settings.limits).model_fields[name].default
            yield Finding(
                f"limits.{name}",
                "is off: one client can take all memory or time",
                f"set a limit; the default is {default}",
            )
    if not 0 < settings.limits.heartbeat < SILENCE:
        yield Finding(
            "limits.heartbeat",
            f"proxies close connections that are silent for {SILENCE:.0f} s, and lost ones are not noticed",
            "set it to less; the default is 25",
        )
    if machine.open_files < OPEN_FILES:
        yield Finding(
            "LimitNOFILE",
            f"the process may have {machine.open_files:,} open files, and each connection is one",
            f"allow {OPEN_FILES:,} or more: LimitNOFILE= of systemd, `ulimit -n`, `ulimits:` of compose",
        )


def _clock(settings: Settings, machine: Machine) -> Iterator[Finding]:
    if machine.now < RELEASED:
        yield Finding(
            "clock",
            f"it shows {machine.now:%Y-%m-%d}: tokens and certificates do not hold, and messages have wrong times",
            "set it",
        )
    if machine.clock_is_set is False:
        yield Finding(
            "clock",
            "no time service sets it: times of messages and the ends of tokens drift",
            "run one, such as systemd-timesyncd or chrony",
        )


def _keys(settings: Settings, machine: Machine) -> Iterator[Finding]:
    for setting, name in variables(settings):
        if name in machine.missing:
            yield Finding(
                setting,
                f"the environment variable {name} is not set here",
                "set it for the server, and call this command in the server's environment",
            )


def _cluster(settings: Settings, machine: Machine) -> Iterator[Finding]:
    for found in machine.cluster:
        if (found.problem, found.remedy) not in machine.database:
            yield Finding(*found)
    away = [url for url in settings.cluster.nats if not _is_local(urlsplit(url).hostname or "")]
    if any(url.startswith("nats:") for url in away):
        yield Finding(
            "cluster.nats",
            "what the nodes tell each other can be read on the way: messages, and who is there",
            "configure TLS in NATS, and name it with tls://",
        )
    own = settings.cluster.nats_credentials or settings.cluster.nats_certificate
    if own is None and any("@" not in url for url in away):
        yield Finding(
            "cluster.nats",
            "whoever reaches NATS can speak as a node",
            "give the nodes an account of their own in NATS: see docs/cluster.md",
        )


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


CHECKS: tuple[Check, ...] = (
    _network,
    _certificate,
    _store,
    _identity,
    _limits,
    _clock,
    _keys,
    _cluster,
)
