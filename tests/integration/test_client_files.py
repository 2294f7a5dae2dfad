"""Files with the Python client, on a real server: progress, refusals, drops, going on after one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from salon.web.client import Client, Refused, Unreachable
from tests.person import Person, guests
from tests.pictures import opened, picture
from tests.server import ServerProcess
from tests.trio_stream import TrioStream

PDF = b"%PDF-1.7\n" + os.urandom(1_000_000)


@pytest.fixture
async def people(server: ServerProcess) -> list[Person]:
    return await guests(server, "Ada", "Bob")


async def whole(client: Client, conversation_id: str, file_id: str, **options: int) -> bytes:
    async with client.download(conversation_id, file_id, **options) as file:
        return b"".join([piece async for piece in file.pieces])


async def test_a_file_is_uploaded_from_its_path_and_sent_over_a_socket(
    people: list[Person], tmp_path: Path
) -> None:
    ada, bob = people
    conversation_id = await ada.create(bob)
    path = tmp_path / "Speisekarte für Montag.pdf"
    path.write_bytes(PDF)
    told: list[tuple[int, int | None]] = []
    client = ada.client()
    view = await client.upload(
        conversation_id, path, progress=lambda done, size: told.append((done, size))
    )
    assert (view["name"], view["size"]) == (path.name, len(PDF))
    assert told[-1] == (len(PDF), len(PDF))
    assert told == sorted(told)
    assert len(told) > 10
    async with client.conversation(conversation_id) as conversation:
        await conversation.send("", files=[{"file_id": view["file_id"], "alt": "the menu"}])
    event = (await bob.history(conversation_id))[-1]
    assert event["message"]["files"] == [view | {"alt": "the menu"}]
    assert await whole(bob.client(), conversation_id, view["file_id"]) == PDF


async def test_what_comes_in_pieces_is_uploaded_as_it_comes(people: list[Person]) -> None:
    ada, _ = people
    conversation_id = await ada.create()

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(PDF), 70_001):
            yield PDF[at : at + 70_001]

    client = ada.client()
    told: list[int | None] = []
    view = await client.upload(
        conversation_id, pieces(), "a.pdf", progress=lambda done, size: told.append(size)
    )
    known = await client.upload(conversation_id, pieces(), "a.pdf", size=len(PDF))
    assert view["size"] == known["size"] == len(PDF)
    assert set(told) == {None}
    receipt = await client.post(conversation_id, "", files=[view["file_id"], known["file_id"]])
    assert receipt.sequence_id == 2


async def test_a_download_goes_on_where_another_has_stopped(people: list[Person]) -> None:
    ada, _ = people
    conversation_id = await ada.create()
    client = ada.client()
    view = await client.upload(conversation_id, PDF, "a.pdf")
    begun = b""
    async with client.download(conversation_id, view["file_id"]) as file:
        assert (file.size, file.media_type) == (len(PDF), "application/pdf")
        async for piece in file.pieces:
            begun += piece
            if len(begun) > 100_000:
                break
    async with client.download(conversation_id, view["file_id"], start=len(begun)) as file:
        assert file.size == len(PDF)
        begun += b"".join([piece async for piece in file.pieces])
    assert begun == PDF


async def test_a_preview_is_downloaded(people: list[Person]) -> None:
    ada, _ = people
    conversation_id = await ada.create()
    client = ada.client()
    view = await client.upload(conversation_id, picture(width=900, height=600), "a.png")
    preview = await whole(client, conversation_id, view["file_id"], preview=320)
    assert opened(preview).size == (320, 213)


async def test_a_refusal_says_why_even_while_the_file_is_being_sent(people: list[Person]) -> None:
    ada, _ = people
    conversation_id = await ada.create()
    client = ada.client()
    with pytest.raises(Refused) as caught:
        await client.upload(conversation_id, b"\x7fELF" + bytes(24_000_000), "a.bin")
    assert caught.value.code == "FILE_KIND_NOT_ALLOWED"

    async def without_end() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65_536

    with pytest.raises(Refused) as caught:
        await client.upload(conversation_id, without_end(), "a.txt")
    assert caught.value.code == "FILE_TOO_LARGE"
    with pytest.raises(Refused) as caught:
        async with client.download(conversation_id, "nobody's"):
            pytest.fail("it was found")
    assert caught.value.code == "NOT_FOUND"


async def test_a_source_that_fails_fails_the_upload(people: list[Person]) -> None:
    ada, _ = people
    conversation_id = await ada.create()

    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 1000
        raise KeyError("the source")

    with pytest.raises(KeyError, match="the source"):
        await ada.client().upload(conversation_id, broken(), "a.txt")
    with pytest.raises(FileNotFoundError):
        await ada.client().upload(conversation_id, "/nowhere/a.txt")


async def test_a_source_that_is_not_as_long_as_was_said_is_no_file(people: list[Person]) -> None:
    ada, _ = people
    conversation_id = await ada.create()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x" * 1000

    for size in (999, 1001):
        with pytest.raises(ValueError, match="not as long as was said"):
            await ada.client().upload(conversation_id, pieces(), "a.txt", size=size)


async def test_a_server_that_cannot_be_reached_is_said_to_be(people: list[Person]) -> None:
    ada, _ = people

    async def dial() -> TrioStream:
        raise OSError("no route")

    client = ada.client(dial=dial)
    with pytest.raises(Unreachable, match="no route"):
        await client.upload("x", b"x", "a.txt")
    with pytest.raises(Unreachable, match="no route"):
        async with client.download("x", "y"):
            pytest.fail("it was found")
