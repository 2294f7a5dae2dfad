"""Webhooks must not reach what only the server can reach, and nobody may read their secrets."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
import trio
import trustme

from salon.web.webhooks.address import ForbiddenAddressError, checked_address, is_public
from salon.web.webhooks.sender import Sender
from tests.backend import SECRET, Answer, Backend, Got, backend

PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",  # the metadata of cloud machines
    "100.64.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "224.0.0.1",
    "240.0.0.1",
    "::",
    "::1",
    "fe80::1%eth0",
    "fc00::1",
    "ff02::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::10.0.0.1",
    "64:ff9b::a00:1",
    "2002:a00:1::1",
    "2001:db8::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_of_the_public_internet_is_told(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


class Names(trio.abc.HostnameResolver):
    """A name server that gives these addresses, each time the next ones."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def getaddrinfo(self, host: Any, port: Any, *args: Any) -> Any:
        self.asked += 1
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [(2, 1, 6, "", (address, port)) for address in found]

    async def getnameinfo(self, sockaddr: Any, flags: int) -> Any:
        raise NotImplementedError


async def test_one_private_address_among_others_is_enough_to_refuse() -> None:
    trio.socket.set_custom_hostname_resolver(Names(["93.184.216.34", "10.0.0.1"]))
    with pytest.raises(ForbiddenAddressError):
        await checked_address("mixed.example", 443, allow_private=False)


async def test_a_name_that_changes_its_address_after_the_check_is_not_asked_again() -> None:
    """The first answer is public where nobody listens, the second one is this machine, where the backend listens."""
    async with backend() as it:
        port = int(it.url.rpartition(":")[2].partition("/")[0])
        names = Names(["192.0.2.1"], ["127.0.0.1"])
        trio.socket.set_custom_hostname_resolver(names)
        sender = Sender(places=1, timeout=0.2)
        url = f"http://rebinding.example:{port}/hook"
        outcome = await sender.send(url, [SECRET], "1", "{}", allow_private=True)
        assert outcome.error is not None
        assert (names.asked, it.got) == (1, [])
        outcome = await sender.send(url, [SECRET], "1", "{}", allow_private=False)
        assert outcome.error == "its host has an address of a private network"
        assert it.got == []
        outcome = await sender.send(url, [SECRET], "1", "{}", allow_private=True)
        assert outcome.error is None
        (got,) = it.got
        assert got.headers["host"] == f"rebinding.example:{port}"
        await sender.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/",
        "http://[::1]:1/",
        "http://[::ffff:127.0.0.1]:1/",
        "http://2130706433:1/",
        "http://0x7f.1:1/",
        "http://localhost:1/",
    ],
)
async def test_spellings_of_this_machine_are_refused_before_anything_is_sent(url: str) -> None:
    sender = Sender(places=1)
    outcome = await sender.send(url, [SECRET], "1", "{}", allow_private=False)
    assert outcome.status is None
    assert outcome.error is not None
    assert outcome.error.startswith("its host has")
    await sender.close()


async def answered(it: Backend, answer: Answer) -> tuple[int | None, str | None]:
    async def say(_: Got) -> Answer:
        return answer

    it.behave = say
    sender = Sender(places=1)
    outcome = await sender.send(it.url, [SECRET], "1", "{}", allow_private=True)
    await sender.close()
    return outcome.status, outcome.error


async def test_a_redirect_is_a_failure_and_is_not_followed() -> None:
    async with backend() as it, backend() as inner:
        answer = Answer(307, (("Location", inner.url),))
        found = await answered(it, answer)
        assert found == (307, "it redirects, which is not followed (307)")
        assert inner.got == []


async def test_a_huge_answer_is_not_read_to_its_end() -> None:
    async with backend() as it:
        assert await answered(it, Answer(200, (), bytes(30_000_000))) == (200, None)
        assert await answered(it, Answer(500, (), bytes(30_000_000))) == (500, "it answered 500")


async def test_both_secrets_sign_while_one_takes_the_place_of_the_other() -> None:
    other = "whsec_" + "B" * 32
    async with backend() as it:
        sender = Sender(places=1)
        await sender.send(it.url, [SECRET, other], "talk-1", '{"ä": 1}', allow_private=True)
        await sender.close()
        (got,) = it.got
        assert got.signed_by(SECRET)
        assert got.signed_by(other)
        assert not got.signed_by("whsec_" + "C" * 32)


async def test_over_tls_the_certificate_has_to_be_of_the_name_not_of_the_checked_address() -> None:
    authority = trustme.CA()
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    trio.socket.set_custom_hostname_resolver(Names(["127.0.0.1"]))
    for certified, taken in (("hook.example", 1), ("other.example", 0), ("127.0.0.1", 0)):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(certified).configure_cert(context)
        async with backend(context) as it:
            sender = Sender(places=1, tls=trusting)
            url = it.url.replace("http://127.0.0.1", "https://hook.example")
            outcome = await sender.send(url, [SECRET], "1", "{}", allow_private=True)
            await sender.close()
            assert (outcome.error is None, len(it.taken)) == (bool(taken), taken), outcome
