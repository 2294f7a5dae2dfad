"""`salon doctor`: each finding where there is a fault, and none where there is not."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from salon.web.commands.checkup import examine
from salon.web.commands.machine import Machine, file_system_of, look
from salon.web.settings.loading import load
from tests import processes

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HEALTHY = Machine(
    open_files=500_000,
    now=NOW,
    clock_is_set=True,
    file_system="ext4",
    free=50_000_000_000,
    key_mode=0o600,
    key_is_own=True,
    certificate_ends=NOW + timedelta(days=60),
    missing=frozenset(),
)
SAFE = {
    "server.public_url": "https://chat.example.org",
    "auth.guests": False,
    "store.url": "sqlite:////var/lib/salon/salon.db",
}
AGENT = {
    "id": "helper",
    "name": "Helper",
    "kind": "openai",
    "endpoint": "https://models.example.org/v1",
}
AGENT |= {"model": "small", "key_env": "HELPER_KEY"}
JWT = {"issuer": "shop", "audience": "chat", "algorithms": ["HS256"], "key_env": "SHOP_KEY"}
WEBHOOK = {"url": "https://shop.example.org/salon", "secret_env": "SHOP_SECRET"}
STATIC = {"token-of-ada": {"id": "ada", "name": "Ada", "admin": True}}
NODE = {
    "store.url": "postgresql://salon@db/salon",
    "auth.key_file": "/etc/salon/session.key",
    "files.url": "s3://files",
}
OPEN = {"server.host": "0.0.0.0"}

# A fault by the settings or the machine; the settings that are named, a word of what is said, and the same mended.
FAULTS: list[tuple[dict[str, Any], dict[str, Any], list[str], str, dict[str, Any]]] = [
    (
        {"auth.static_tokens": STATIC},
        {},
        ["auth.static_tokens"],
        "configuration: 1, of admins 1",
        {},
    ),
    (
        {**NODE, "cluster.nats": "nats://node:secret@nats.example.org"},
        {},
        ["cluster.nats"],
        "can be read on the way",
        {**NODE, "cluster.nats": "tls://node:secret@nats.example.org"},
    ),
    (
        {**NODE, "cluster.nats": "tls://nats.example.org"},
        {},
        ["cluster.nats"],
        "whoever reaches NATS",
        {"cluster.nats_credentials": "/etc/salon/node.creds"},
    ),
    (
        {"auth.guests": True},
        {},
        ["limits.guests_per_hour"],
        "any number of guests",
        {"limits.guests_per_hour": 100},
    ),
    (
        {"server.allowed_origins": "*"},
        {},
        ["server.allowed_origins"],
        "any site",
        {"server.allowed_origins": "https://example.org"},
    ),
    (
        OPEN | {"server.public_url": None},
        {},
        ["server.host", "server.tls_certificate"],
        "/admin and /metrics",
        OPEN | {"server.public_url": "https://chat.example.org"},
    ),
    (
        OPEN | {"server.public_url": None, "server.host": "chat.example.org"},
        {},
        ["server.host", "server.tls_certificate"],
        "plain text",
        OPEN | {"server.tls_certificate": "chain.pem", "server.tls_key": "key.pem"},
    ),
    (
        {"server.public_url": "http://chat.example.org"},
        {},
        ["server.public_url"],
        "not encrypted",
        {},
    ),
    ({"server.public_url": None}, {}, ["server.public_url"], "not Secure", {}),
    (
        {},
        {"certificate_ends": NOW + timedelta(days=13)},
        ["server.tls_certificate"],
        "2026-06-14",
        {},
    ),
    ({"store.url": "memory:"}, {"file_system": None}, ["store.url"], "end with the process", {}),
    ({}, {"file_system": "nfs4"}, ["store.url"], "nfs4", {}),
    ({}, {"file_system": "overlay"}, ["store.url"], "deleted with its container", {}),
    ({}, {"free": 999_000_000}, ["store.url"], "999 MB", {}),
    ({}, {"key_mode": 0o640}, ["auth.key_file"], "mode 0640", {}),
    ({}, {"key_is_own": False}, ["auth.key_file"], "another user", {}),
    ({"limits.message_rate": 0}, {}, ["limits.message_rate"], "off", {"limits.message_rate": 5}),
    ({"limits.heartbeat": 0}, {}, ["limits.heartbeat"], "silent", {"limits.heartbeat": 59}),
    ({"limits.heartbeat": 60}, {}, ["limits.heartbeat"], "silent", {}),
    ({}, {"open_files": 1024}, ["LimitNOFILE"], "1,024", {}),
    ({}, {"now": datetime(1970, 1, 1, tzinfo=UTC)}, ["clock"], "1970-01-01", {}),
    ({}, {"clock_is_set": False}, ["clock"], "time service", {}),
    (
        {"auth.jwt": [JWT], "webhooks": [WEBHOOK]},
        {"missing": frozenset({"SHOP_KEY", "SHOP_SECRET"})},
        ["auth.jwt.0.key_env", "webhooks.0.secret_env"],
        "SHOP_KEY",
        {"auth.jwt": [JWT], "webhooks": [WEBHOOK]},
    ),
    (
        {"agents": [AGENT]},
        {"missing": frozenset({"HELPER_KEY"})},
        ["agents.helper.key_env"],
        "HELPER_KEY",
        {"agents": [AGENT]},
    ),
    (
        {"moderation.url": "https://m.example.org", "moderation.key_env": "M_KEY"},
        {"missing": frozenset({"M_KEY"})},
        ["moderation.key_env"],
        "M_KEY",
        {"moderation.url": "https://m.example.org", "moderation.key_env": "M_KEY"},
    ),
]


def found(given: dict[str, Any], machine: Machine) -> list[tuple[str, str]]:
    settings, _ = load(None, SAFE | given, environment={})
    return [(each.setting, each.problem) for each in examine(settings, machine) if each.remedy]


@pytest.mark.parametrize(("given", "facts", "named", "said", "mended"), FAULTS)
def test_a_fault_is_found_with_its_setting_and_not_once_it_is_mended(
    given: dict[str, Any],
    facts: dict[str, Any],
    named: list[str],
    said: str,
    mended: dict[str, Any],
) -> None:
    faults = found(given, replace(HEALTHY, **facts))
    assert [setting for setting, _ in faults] == named
    assert said in " ".join(problem for _, problem in faults)
    assert found(mended, HEALTHY) == []


def test_what_cannot_be_read_is_no_finding() -> None:
    unknown: dict[str, Any] = dict.fromkeys(
        ("clock_is_set", "file_system", "free", "key_mode", "key_is_own", "certificate_ends")
    )
    assert found({}, replace(HEALTHY, **unknown)) == []


def test_a_file_system_is_that_of_the_nearest_mount() -> None:
    mounts = (
        "/dev/vda / ext4 rw 0 0\nserver:/home /home nfs4 rw 0 0\n/dev/vdb /home/a\\040b xfs rw 0 0\n"
        "none /var tmpfs rw 0 0\n/dev/vdc /var ext4 rw 0 0\n"
    )
    for path, kind in {
        "/srv/salon.db": "ext4",
        "/home/ada/salon.db": "nfs4",
        "/home/a b/salon.db": "xfs",
        "/homes": "ext4",
        "/var/lib": "ext4",
    }.items():
        assert file_system_of(Path(path), mounts) == kind
    assert file_system_of(Path("/srv"), "") is None


def test_the_facts_are_those_of_this_machine(tmp_path: Path) -> None:
    authority = trustme.CA()
    chain = tmp_path / "chain.pem"
    ends = datetime(2031, 5, 4, tzinfo=UTC)
    authority.issue_cert("localhost", not_after=ends).private_key_and_cert_chain_pem.write_to_path(
        chain
    )
    key = tmp_path / "salon.db.key"
    key.touch(mode=0o640)
    key.chmod(0o640)
    flags = {
        "store.url": f"sqlite:///{tmp_path}/new/salon.db",
        "auth.key_file": key,
        "server.tls_certificate": chain,
        "server.tls_key": chain,
        "agents": [AGENT],
    }
    facts = look(load(None, flags, environment={})[0])
    assert facts.key_mode == 0o640
    assert facts.certificate_ends == ends
    assert facts.missing == {"HELPER_KEY"}
    assert facts.free is not None
    assert facts.free > 0
    assert facts.file_system
    assert facts.open_files > 0
    assert abs(facts.now - datetime.now(UTC)) < timedelta(hours=1)
    assert set(tmp_path.iterdir()) == {chain, key}


def test_the_command_names_the_faults_and_exits_with_1(tmp_path: Path) -> None:
    config = tmp_path / "salon.yaml"
    config.write_text(
        "server: {allowed_origins: ['*']}\nauth: {static_tokens: {abcdef: {id: a, name: A}}}\n"
    )
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path / "data")}
    done = processes.run(["doctor", "--config", config], env=environment)
    assert done.returncode == 1, done.stderr
    assert "server.allowed_origins: pages of any site may connect." in done.stdout
    assert "auth.static_tokens: tokens that never end" in done.stdout
    assert "abcdef" not in done.stdout
    assert done.stdout.count("To mend it: ") == len(done.stdout.splitlines()) / 2
    assert not (tmp_path / "data").exists()
