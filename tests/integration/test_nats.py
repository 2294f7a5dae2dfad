"""The transport over a real NATS server: what arrives, what a lost connection does, TLS, credentials, and whom it believes."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from salon.loadtests.servers import NatsServer
from salon.web.cluster import NatsAddress, NatsError, NatsLink
from salon.web.cluster.outgoing import WAITING

LIMIT = "max_payload: 4096\n"


@pytest.fixture(scope="module")
def nats() -> Iterator[NatsServer]:
    with started(LIMIT) as server:
        yield server


@contextmanager
def started(configuration: str = "") -> Iterator[NatsServer]:
    server = NatsServer(configuration)
    try:
        yield server
    finally:
        server.close()


class End:
    """One node's end: what has come to it, and from whom."""

    def __init__(self, link: NatsLink, node_id: str) -> None:
        self.link = link
        self.transport = link.connect(node_id)
        self.transport.receive(self._take)
        self.came: list[tuple[str, bytes]] = []
        self.calls = 0
        self._news = trio.Event()

    def _take(self, sender: str, parts: Sequence[bytes]) -> None:
        self.calls += 1
        self.came += [(sender, part) for part in parts]
        self._news.set()

    async def until(self, count: int) -> list[tuple[str, bytes]]:
        """What has come, once it is so much."""
        while len(self.came) < count:
            self._news = trio.Event()
            await self._news.wait()
        return self.came


@asynccontextmanager
async def linked(
    url: str, *node_ids: str, prefix: str = "salon", **options: Any
) -> AsyncIterator[list[End]]:
    """A node for each id, connected."""
    async with trio.open_nursery() as nursery:
        ends = []
        for node_id in node_ids:
            link = NatsLink(NatsAddress((url,), **options), prefix, node_id, lambda: 0.5)
            ends.append(End(link, node_id))
            await nursery.start(link.run)
        for end in ends:
            await heard(ends, end)
        yield ends
        nursery.cancel_scope.cancel()


async def heard(ends: Sequence[End], end: End) -> None:
    """Wait until what the others send arrives: a subscription is not confirmed."""
    for other in ends:
        while other is not end and not any(who == other.transport.node_id for who, _ in end.came):
            other.transport.send(end.transport.node_id, (b"are you there?",))
            with trio.move_on_after(0.05):
                await end.until(len(end.came) + 1)
    end.came.clear()
    end.calls = 0


async def test_parts_arrive_in_order_with_their_sender_and_those_that_wait_come_together(
    nats: NatsServer,
) -> None:
    async with linked(nats.url, "a", "b", "c") as (a, b, c):
        for n in range(50):
            a.transport.send("b", (b"%d" % n, b"and"))
        c.transport.send("b", (b"",))
        came = await b.until(101)
        assert [part for who, part in came if who == "a"] == [
            each for n in range(50) for each in (b"%d" % n, b"and")
        ]
        assert ("c", b"") in came
        assert b.calls == 2
        assert a.came == []
        assert a.link.figures.lost == b.link.figures.lost == 0


async def test_what_is_larger_than_nats_allows_comes_in_one_piece(nats: NatsServer) -> None:
    sizes = [1, 4095, 4096, 4097, 0, 100_000, 12, 4088, 8176, 3]
    parts = [bytes([n]) * size for n, size in enumerate(sizes)]
    async with linked(nats.url, "a", "b") as (a, b):
        a.transport.send("b", parts)
        assert [part for _, part in await b.until(len(parts))] == parts


async def test_a_node_hears_nothing_of_another_cluster_and_nothing_for_its_former_id(
    nats: NatsServer,
) -> None:
    async with (
        linked(nats.url, "a", "b") as (a, b),
        linked(nats.url, "a", "x", prefix="other") as (other, _),
    ):
        other.transport.send("b", (b"from elsewhere",))
        former, b.transport = b.transport, b.link.connect("b2")
        b.transport.receive(b._take)
        former.send("a", (b"from one who is gone",))
        await heard((a, b), b)
        a.transport.send("b", (b"to one who is gone",))
        a.transport.send("b2", (b"here",))
        assert await b.until(1) == [("a", b"here")]
        b.transport.send("a", (b"there",))
        assert (await a.until(1))[-1] == ("b2", b"there")
        assert [part for _, part in a.came if b"gone" in part] == []


async def test_who_loses_nats_says_so_once_and_goes_on_when_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "salon.web.cluster")
    with started() as server:
        async with linked(server.url, "a", "b") as (a, b):
            server.stop()
            while a.link.is_connected or b.link.is_connected:  # noqa: ASYNC110 - nobody tells
                await trio.sleep(0.01)
            a.transport.send("b", (b"lost", b"lost, too"))
            assert a.link.figures.dropped == 2
            await trio.to_thread.run_sync(server.start)
            await heard((a, b), b)
            a.transport.send("b", (b"again",))
            assert [part for _, part in await b.until(1)] == [b"again"]
            assert a.link.figures.connections == 2
    said = [each.message for each in caplog.records if "no connection to NATS" in each.message]
    assert 2 <= len(said) <= 6, said  # closed, then refused: each once


async def test_a_node_starts_without_nats_and_finds_it_later(autojump_clock: object) -> None:
    """Its own people can talk meanwhile."""
    link = NatsLink(NatsAddress(("nats://127.0.0.1:1",)), "salon", "a", lambda: 0.5)
    async with trio.open_nursery() as nursery:
        await nursery.start(link.run)
        assert not link.is_connected
        nursery.cancel_scope.cancel()


async def test_more_than_can_wait_is_dropped_whole(nats: NatsServer) -> None:
    async with linked(nats.url, "a", "b") as (a, b):
        half = b"x" * (WAITING // 2)
        a.transport.send("b", (half,))
        a.transport.send("b", (half,))
        a.transport.send("b", (b"one", b"two"))
        assert a.link.figures.dropped == 2
        assert [len(part) for _, part in await b.until(2)] == [len(half)] * 2
        a.transport.send("b", (b"three",))
        assert (await b.until(3))[-1] == ("a", b"three")


@pytest.mark.parametrize(
    ("configuration", "userinfo"),
    [
        ('authorization { user: "me", password: "p@ss:word" }', "me:p%40ss%3Aword@"),
        ('authorization { token: "s3cret" }', "s3cret@"),
    ],
)
async def test_a_password_and_a_token_are_taken_from_the_url_and_never_shown(
    configuration: str, userinfo: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with started(configuration) as server:
        url = server.url.replace("//", f"//{userinfo}")
        async with linked(url, "a", "b") as (a, b):
            a.transport.send("b", (b"let in",))
            assert await b.until(1) == [("a", b"let in")]
        with pytest.raises(NatsError, match=r"Authorization Violation.*cluster\.nats") as refused:
            await NatsLink(NatsAddress((server.url,)), "salon", "a", lambda: 0.5).run()
        assert "p%40ss" not in caplog.text + str(refused.value)
        assert "s3cret" not in caplog.text


# --- credentials in a file, and TLS -----------------------------------------------------------------------------------

OPERATOR, ACCOUNT, USER, SEED = 14 << 3, 0, 20 << 3, 18 << 3


def nkey(*head: int, raw: bytes) -> str:
    """A key as NATS writes it: base32 of its kind, its bytes and a CRC-16."""
    data = bytes(head) + raw
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return base64.b32encode(data + crc.to_bytes(2, "little")).decode().rstrip("=")


class Signer:
    """Somebody with an nkey, who can vouch for others."""

    def __init__(self, kind: int) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.kind = kind
        self.id = nkey(kind, raw=self.key.public_key().public_bytes_raw())

    @property
    def seed(self) -> str:
        return nkey(
            SEED | (self.kind >> 5), (self.kind & 31) << 3, raw=self.key.private_bytes_raw()
        )

    def vouch(self, subject: str, claims: dict[str, Any]) -> str:
        body = {"jti": subject, "iat": 1, "iss": self.id, "sub": subject, "name": "salon"}
        text = ".".join(
            encoded(json.dumps(each).encode())
            for each in (
                {"typ": "JWT", "alg": "ed25519-nkey"},
                {**body, "nats": {"version": 2, **claims}},
            )
        )
        return f"{text}.{encoded(self.key.sign(text.encode()))}"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


async def test_credentials_in_a_file_sign_what_the_server_wants_signed(tmp_path: Path) -> None:
    operator, account, user, stranger = (
        Signer(each) for each in (OPERATOR, ACCOUNT, USER, ACCOUNT)
    )
    unlimited = dict.fromkeys(("subs", "data", "payload", "conn", "leaf", "imports", "exports"), -1)
    of_account = operator.vouch(account.id, {"type": "account", "limits": unlimited})
    rights = {"type": "user", "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1}
    configuration = (
        f"operator: {operator.vouch(operator.id, {'type': 'operator'})}\n"
        f"resolver: MEMORY\nresolver_preload: {{ {account.id}: {of_account} }}"
    )
    path = tmp_path / "node.creds"
    text = (
        "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n"
        "-----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n"
    )
    path.write_text(text.format(account.vouch(user.id, rights), user.seed))
    with started(configuration) as server:
        async with linked(server.url, "a", "b", credentials=path) as (a, b):
            a.transport.send("b", (b"let in",))
            assert await b.until(1) == [("a", b"let in")]
        path.write_text(text.format(stranger.vouch(user.id, rights), user.seed))
        address = NatsAddress((server.url,), credentials=path)
        with pytest.raises(NatsError, match=r"Authorization Violation.*nats_credentials"):
            await NatsLink(address, "salon", "a", lambda: 0.5).run()
    path.write_text("nothing of the kind")
    with pytest.raises(NatsError, match="nsc generate creds"):
        NatsAddress((server.url,), credentials=path)


async def test_over_tls_both_ends_are_known_and_nothing_is_said_without_it(tmp_path: Path) -> None:
    authority = trustme.CA()
    files = {name: tmp_path / f"{name}.pem" for name in ("ca", "cert", "key")}
    authority.cert_pem.write_to_path(str(files["ca"]))
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(str(files["key"]))
    for blob in issued.cert_chain_pems:
        blob.write_to_path(str(files["cert"]), append=True)
    named = "".join(f'{name}_file: "{files[name]}"\n' for name in ("ca", "cert", "key"))
    own = {"authority": files["ca"], "certificate": files["cert"], "key": files["key"]}
    with started(f"tls {{\n{named}verify: true\n}}") as server:
        url = server.url.replace("nats:", "tls:")
        async with linked(url, "a", "b", **own) as (a, b):
            a.transport.send("b", (b"s" * 100_000,))
            assert await b.until(1) == [("a", b"s" * 100_000)]
        with pytest.raises(NatsError, match=r"TLS.*nats_ca"):
            await NatsLink(NatsAddress((url,)), "salon", "a", lambda: 0.5).run()
    with started() as server:
        link = NatsLink(
            NatsAddress((server.url.replace("nats:", "tls:"),)), "salon", "a", lambda: 0.5
        )
        with pytest.raises(NatsError, match="has no TLS"):
            await link.run()
