"""Files over HTTP and in messages, on a real server: uploaded, sent, read by members alone."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.person import Frame, Person, guests
from tests.pictures import PLACE, bomb, opened, picture, with_place
from tests.server import ServerProcess
from tests.traffic import until

TEXT = b"Fish and chips\n"


@pytest.fixture
async def people(server: ServerProcess) -> list[Person]:
    """Ada and Bob, who will be in a conversation, and Eve, who will not."""
    return await guests(server, "Ada", "Bob", "Eve")


async def upload(
    person: Person, conversation_id: str, data: bytes = TEXT, name: str = "menu.txt"
) -> Frame:
    """A file that was taken."""
    answer = await person.call(
        "POST", f"/chat/{conversation_id}/files", content=data, params={"name": name}
    )
    assert answer.status_code == 201, answer.text
    view: Frame = answer.json()
    return view


def refused(answer: Any, status: int, code: str) -> Frame:
    body: Frame = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    return body


def at(conversation_id: str, view: Frame, more: str = "") -> str:
    return f"/chat/{conversation_id}/files/{view['file_id']}{more}"


async def test_a_picture_is_uploaded_sent_and_seen_by_every_member(people: list[Person]) -> None:
    ada, bob, eve = people
    conversation_id = await ada.create(bob)
    data = picture(width=300, height=200)
    view = await upload(ada, conversation_id, data, "cat.png")
    size = {"width": 300, "height": 200, "size": len(data)}
    assert view == {
        **size,
        "file_id": view["file_id"],
        "name": "cat.png",
        "media_type": "image/png",
    }
    async with bob.tab(conversation_id) as tab:
        named = [{"file_id": view["file_id"], "alt": "A cat"}]
        await ada.say(conversation_id, "", files=named)
        heard = await tab.until("message")
    assert heard["message"]["files"] == [{**view, "alt": "A cat"}]
    assert heard in await bob.history(conversation_id)
    for member in (ada, bob):
        assert (await member.call("GET", at(conversation_id, view))).content == data
    for path in (at(conversation_id, view), at(conversation_id, view, "/preview")):
        refused(await eve.call("GET", path), 404, "NOT_FOUND")


async def test_a_file_is_sent_in_a_frame(people: list[Person]) -> None:
    ada, _, _ = people
    conversation_id = await ada.create()
    view = await upload(ada, conversation_id)
    async with ada.tab(conversation_id) as tab:
        files = [{"file_id": view["file_id"]}]
        await tab.send("message", content="", client_message_id="k", files=files)
        assert (await tab.until("message"))["message"]["files"] == [view]
        await tab.send("message", content="again", files=files)
        error = await tab.until("error")
    assert (error["code"], error["file_id"]) == ("FILE_ALREADY_SENT", view["file_id"])


async def test_a_form_is_taken_as_well(people: list[Person]) -> None:
    ada, _, _ = people
    conversation_id = await ada.create()
    data = os.urandom(700_000) + b"\r\n--x--\r\n"
    pdf = b"%PDF-1.7\n" + data
    answer = await ada.call(
        "POST",
        f"/chat/{conversation_id}/files",
        data={"before": "x" * 1000},
        files={"file": ("../ménu.pdf", pdf, "text/html")},
    )
    view = answer.json()
    assert (answer.status_code, view["name"]) == (201, "ménu.pdf")
    assert (view["media_type"], view["size"]) == ("application/pdf", len(pdf))
    assert (await ada.call("GET", at(conversation_id, view))).content == pdf


async def test_until_it_is_sent_a_file_is_its_uploaders_alone(people: list[Person]) -> None:
    ada, bob, _ = people
    conversation_id = await ada.create(bob)
    view = await upload(ada, conversation_id)
    assert (await ada.call("GET", at(conversation_id, view))).content == TEXT
    refused(await bob.call("GET", at(conversation_id, view)), 404, "NOT_FOUND")
    answer = await bob.call(
        "POST",
        f"/chat/{conversation_id}/messages",
        {"content": "mine", "files": [{"file_id": view["file_id"]}]},
    )
    refused(answer, 404, "FILE_NOT_FOUND")
    await ada.say(conversation_id, "hers", files=[{"file_id": view["file_id"]}])
    assert (await bob.call("GET", at(conversation_id, view))).content == TEXT


async def test_who_leaves_reads_no_file_any_more(people: list[Person]) -> None:
    ada, bob, _ = people
    conversation_id = await ada.create(bob)
    view = await upload(ada, conversation_id)
    await ada.say(conversation_id, "", files=[{"file_id": view["file_id"]}])
    assert (await bob.call("GET", at(conversation_id, view))).is_success
    etag = (await bob.call("GET", at(conversation_id, view))).headers["etag"]
    await bob.leave(conversation_id)
    for headers in ({}, {"If-None-Match": etag}):
        answer = await bob.call("GET", at(conversation_id, view), headers=headers)
        refused(answer, 404, "NOT_FOUND")


async def test_who_reads_only_what_came_since_they_joined_reads_no_older_file(
    people: list[Person],
) -> None:
    ada, bob, _ = people
    conversation_id = await ada.create(history="since_join")
    older, newer = [await upload(ada, conversation_id) for _ in range(2)]
    await ada.say(conversation_id, "", files=[{"file_id": older["file_id"]}])
    await ada.join(conversation_id, bob)
    await ada.say(conversation_id, "", files=[{"file_id": newer["file_id"]}])
    refused(await bob.call("GET", at(conversation_id, older)), 404, "NOT_FOUND")
    refused(await bob.call("GET", at(conversation_id, older, "/preview")), 404, "NOT_FOUND")
    assert (await bob.call("GET", at(conversation_id, newer))).content == TEXT
    assert (await ada.call("GET", at(conversation_id, older))).content == TEXT


async def test_a_file_is_of_one_conversation(people: list[Person]) -> None:
    ada, _, _ = people
    here, there = await ada.create(), await ada.create()
    view = await upload(ada, here)
    refused(await ada.call("GET", at(there, view)), 404, "NOT_FOUND")
    body = {"content": "x", "files": [{"file_id": view["file_id"]}]}
    answer = await ada.call("POST", f"/chat/{there}/messages", body)
    refused(answer, 404, "FILE_NOT_FOUND")
    assert (await ada.call("POST", f"/chat/{here}/messages", body)).status_code == 201


async def test_the_same_key_is_the_same_message_with_its_files(people: list[Person]) -> None:
    ada, _, _ = people
    conversation_id = await ada.create()
    one, other = [await upload(ada, conversation_id) for _ in range(2)]
    path = f"/chat/{conversation_id}/messages"
    body = {"content": "", "client_message_id": "k", "files": [{"file_id": one["file_id"]}]}
    first = await ada.call("POST", path, body)
    again = await ada.call("POST", path, body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    another = body | {"files": [{"file_id": other["file_id"]}]}
    refused(await ada.call("POST", path, another), 409, "KEY_REUSED")
    without = {"content": "text", "client_message_id": "k"}
    refused(await ada.call("POST", path, without), 409, "KEY_REUSED")
    assert len([e for e in await ada.history(conversation_id) if e["type"] == "message"]) == 1
    # The other file is still to be sent.
    await ada.say(conversation_id, "", files=[{"file_id": other["file_id"]}])


async def test_two_messages_in_one_breath_cannot_have_the_same_file(people: list[Person]) -> None:
    ada, _, _ = people
    conversation_id = await ada.create()
    view = await upload(ada, conversation_id)
    answers: list[int] = []

    async def say(key: str) -> None:
        body = {"content": "", "client_message_id": key, "files": [{"file_id": view["file_id"]}]}
        answer = await ada.call("POST", f"/chat/{conversation_id}/messages", body)
        answers.append(answer.status_code)

    async with trio.open_nursery() as nursery:
        for n in range(5):
            nursery.start_soon(say, f"k{n}")
    assert sorted(answers) == [201, 409, 409, 409, 409]


async def test_an_observer_uploads_nothing(people: list[Person]) -> None:
    ada, bob, _ = people
    conversation_id = await ada.create()
    body = {"participant": bob.entry(role="observer")}
    await ada.ask("POST", f"/chat/{conversation_id}/join", body)
    answer = await bob.call("POST", f"/chat/{conversation_id}/files", content=TEXT)
    refused(answer, 403, "FORBIDDEN")


async def test_who_is_muted_uploads_nothing(people: list[Person]) -> None:
    ada, bob, _ = people
    conversation_id = await ada.create(bob)
    await ada.ask("PUT", f"/chat/{conversation_id}/participants/{bob.id}/mute", {})
    answer = await bob.call("POST", f"/chat/{conversation_id}/files", content=TEXT)
    refused(answer, 403, "MUTED")


async def test_who_is_not_there_uploads_nothing(people: list[Person]) -> None:
    ada, _, eve = people
    conversation_id = await ada.create()
    for where in (conversation_id, "nowhere"):
        answer = await eve.call("POST", f"/chat/{where}/files", content=TEXT)
        refused(answer, 404, "NOT_FOUND")
    nobody = Person(ada.server, "no token", "x", "X")
    answer = await nobody.call("POST", f"/chat/{conversation_id}/files", content=TEXT)
    refused(answer, 401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("asked", "status", "begun", "ended"),
    [
        ("bytes=0-0", 206, 0, 1),
        ("bytes=5-9", 206, 5, 10),
        ("bytes=199990-", 206, 199_990, 200_000),
        ("bytes=-7", 206, 199_993, 200_000),
        ("bytes=0-999999", 206, 0, 200_000),
        ("bytes=0-1,5-6", 200, 0, 200_000),
        ("lines=0-1", 200, 0, 200_000),
        ("bytes=a-b", 200, 0, 200_000),
    ],
)
async def test_a_part_of_a_file_is_read(
    people: list[Person], asked: str, status: int, begun: int, ended: int
) -> None:
    ada, _, _ = people
    conversation_id = await ada.create()
    data = b"%PDF-1.7\n" + os.urandom(199_991)
    view = await upload(ada, conversation_id, data)
    answer = await ada.call("GET", at(conversation_id, view), headers={"Range": asked})
    assert answer.status_code == status
    assert answer.content == data[begun:ended]
    assert answer.headers["content-length"] == str(ended - begun)
    shown = f"bytes {begun}-{ended - 1}/200000" if status == 206 else None
    assert answer.headers.get("content-range") == shown
    assert answer.headers["accept-ranges"] == "bytes"


async def test_a_part_behind_the_end_is_refused(people: list[Person]) -> None:
    ada, _, _ = people
    conversation_id = await ada.create()
    view = await upload(ada, conversation_id)
    answer = await ada.call("GET", at(conversation_id, view), headers={"Range": "bytes=15-"})
    assert (answer.status_code, answer.content) == (416, b"")
    assert answer.headers["content-range"] == "bytes */15"


async def test_what_a_reader_has_is_not_sent_again(people: list[Person]) -> None:
    ada, _, _ = people
    conversation_id = await ada.create()
    view = await upload(ada, conversation_id)
    path = at(conversation_id, view)
    first = await ada.call("GET", path)
    etag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    again = await ada.call("GET", path, headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    other = await ada.call("GET", path, headers={"If-None-Match": '"another"'})
    assert (other.status_code, other.content) == (200, TEXT)
    part = {"Range": "bytes=1-2", "If-Range": etag}
    assert (await ada.call("GET", path, headers=part)).status_code == 206
    assert (
        await ada.call("GET", path, headers=part | {"If-Range": '"another"'})
    ).status_code == 200
    head = await ada.call("HEAD", path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == "15"


async def test_a_preview_is_small_and_has_no_place_in_it(people: list[Person]) -> None:
    ada, bob, _ = people
    conversation_id = await ada.create(bob)
    photo = with_place(orientation=6)
    view = await upload(ada, conversation_id, photo, "photo.jpg")
    assert (view["width"], view["height"]) == (400, 600)
    await ada.say(conversation_id, "", files=[{"file_id": view["file_id"]}])
    path = at(conversation_id, view, "/preview?size=150")
    answers: list[Any] = []

    async def look() -> None:
        answers.append(await bob.call("GET", path))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(look)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    answer = answers[0]
    assert answer.headers["content-type"] == "image/webp"
    assert PLACE not in answer.content
    assert opened(answer.content).size == (107, 160)
    etag = {"If-None-Match": answer.headers["etag"]}
    assert (await bob.call("GET", path, headers=etag)).status_code == 304
    assert (await bob.call("GET", at(conversation_id, view))).content == photo


async def test_what_is_no_picture_has_no_preview(people: list[Person]) -> None:
    ada, _, _ = people
    conversation_id = await ada.create()
    view = await upload(ada, conversation_id)
    refused(await ada.call("GET", at(conversation_id, view, "/preview")), 404, "NOT_FOUND")
    for size in ("0", "5000", "large"):
        answer = await ada.call("GET", at(conversation_id, view, f"/preview?size={size}"))
        refused(answer, 400, "MALFORMED_REQUEST")


async def test_a_bomb_is_refused_and_nobody_notices(people: list[Person]) -> None:
    ada, bob, _ = people
    conversation_id = await ada.create(bob)
    before = ada.server.memory
    async with bob.tab(conversation_id) as tab:
        answer = await ada.call("POST", f"/chat/{conversation_id}/files", content=bomb())
        body = refused(answer, 413, "PICTURE_TOO_LARGE")
        assert body["pixels"] == 2_500_000_000
        assert body["max_pixels"] == 50_000_000
        await ada.say(conversation_id, "still here")
        assert (await tab.until("message"))["message"]["content"] == "still here"
    assert ada.server.memory - before < 50_000_000


async def test_the_same_bytes_are_kept_once(
    people: list[Person],
) -> None:
    ada, bob, _ = people
    conversation_id = await ada.create(bob)
    data = os.urandom(24_000_000)
    pdf = b"%PDF-1.7\n" + data
    views = [await upload(who, conversation_id, pdf) for who in (ada, bob)]
    assert views[0]["file_id"] != views[1]["file_id"]
    name = sha256(pdf).hexdigest()
    folder = ada.server.path.with_name("salon.db.files")
    assert (folder / "contents" / name[:2] / name[2:]).stat().st_size == len(pdf)
    assert list((folder / "incoming").iterdir()) == []
    await ada.say(conversation_id, "", files=[{"file_id": views[0]["file_id"]}])
    assert (await bob.call("GET", at(conversation_id, views[0]))).content == pdf


async def test_a_deleted_message_takes_its_files_with_it(people: list[Person]) -> None:
    ada, bob, _ = people
    conversation_id = await ada.create(bob)
    contents = ada.server.path.with_name("salon.db.files") / "contents"
    data = picture("PNG", 333, 222, color="green")
    name = sha256(data).hexdigest()
    place = contents / name[:2] / name[2:]
    previews = contents.parent / "previews" / name[:2]
    one, other = [await upload(ada, conversation_id, data, "deleted.png") for _ in range(2)]
    receipts = [
        await ada.say(
            conversation_id, "", files=[{"file_id": each["file_id"]}], client_message_id=key
        )
        for each, key in ((one, "first"), (other, "second"))
    ]
    assert (await bob.call("GET", at(conversation_id, one, "/preview"))).is_success
    paths = [f"/chat/{conversation_id}/messages/{each['message_id']}" for each in receipts]
    assert (await ada.call("DELETE", paths[0])).is_success
    for person in (ada, bob):
        for more in ("", "/preview"):
            answer = await person.call("GET", at(conversation_id, one, more))
            refused(answer, 404, "NOT_FOUND")
    assert (await bob.call("GET", at(conversation_id, other))).content == data, "the same bytes"
    assert "deleted.png" not in str((await bob.history(conversation_id))[1])
    again = {"content": "", "client_message_id": "first", "files": [{"file_id": one["file_id"]}]}
    repeated = await ada.call("POST", f"/chat/{conversation_id}/messages", again)
    assert (repeated.status_code, repeated.json()["message_id"]) == (200, receipts[0]["message_id"])
    anew = again | {"client_message_id": "third"}
    refused(
        await ada.call("POST", f"/chat/{conversation_id}/messages", anew), 404, "FILE_NOT_FOUND"
    )
    assert (await ada.call("DELETE", paths[1])).is_success
    await until(lambda: not place.exists())
    assert list(previews.glob(f"{name[2:]}.*")) == []


async def test_a_message_sent_and_deleted_in_one_breath_leaves_no_file(
    people: list[Person],
) -> None:
    ada, _, _ = people
    conversation_id = await ada.create()
    view = await upload(ada, conversation_id, TEXT + os.urandom(8).hex().encode())
    async with ada.tab(conversation_id) as tab:
        head = tab.last_sequence_id
        files = [{"file_id": view["file_id"]}]
        await tab.send("message", content="", files=files)
        await tab.send("message_deleted", message_id=f"{conversation_id}-{head + 1}")
        await tab.until("message_deleted")
    refused(await ada.call("GET", at(conversation_id, view)), 404, "NOT_FOUND")


async def test_a_reply_in_a_thread_carries_files(people: list[Person]) -> None:
    ada, bob, _ = people
    conversation_id = await ada.create(bob)
    root = await ada.say(conversation_id, "lunch?")
    view = await upload(ada, conversation_id)
    files = [{"file_id": view["file_id"]}]
    await ada.say(conversation_id, "", files=files, thread_id=root["message_id"])
    assert (await bob.call("GET", at(conversation_id, view))).content == TEXT
    body = {"content": "", "files": files}
    answer = await ada.call("POST", f"/chat/{conversation_id}/messages", body)
    refused(answer, 409, "FILE_ALREADY_SENT")


async def test_a_search_finds_the_messages_that_have_files(people: list[Person]) -> None:
    ada, _, _ = people
    conversation_id = await ada.create()
    view = await upload(ada, conversation_id)
    await ada.say(conversation_id, "the menu of today")
    sent = await ada.say(conversation_id, "the menu", files=[{"file_id": view["file_id"]}])
    asked = f"/chat/search?q=menu&has=file&conversation_id={conversation_id}"
    found = (await ada.ask("GET", asked))["hits"]
    assert [hit["message_id"] for hit in found] == [sent["message_id"]]


async def test_a_list_shows_the_names_of_files_where_there_is_no_text(
    people: list[Person],
) -> None:
    ada, _, _ = people
    conversation_id = await ada.create()
    view = await upload(ada, conversation_id, name="menu.txt")
    await ada.say(conversation_id, " ", files=[{"file_id": view["file_id"]}])
    lines = (await ada.ask("GET", "/chat/my-conversations"))["conversations"]
    line = next(each for each in lines if each["conversation_id"] == conversation_id)
    assert line["last_message_preview"] == "menu.txt"


async def test_what_is_uploaded_and_sent_is_there_after_a_restart(
    own_server: ServerProcess,
) -> None:
    ada = (await guests(own_server, "Ada"))[0]
    conversation_id = await ada.create()
    sent, unsent = [await upload(ada, conversation_id, TEXT + bytes([65 + n])) for n in range(2)]
    await ada.say(conversation_id, "", files=[{"file_id": sent["file_id"]}])
    own_server.kill()
    own_server.start()
    assert (await ada.call("GET", at(conversation_id, sent))).content == TEXT + b"A"
    await ada.say(conversation_id, "", files=[{"file_id": unsent["file_id"]}])


def peak(server: ServerProcess) -> int:
    """The most memory that the server has had since the last call, in bytes."""
    process = Path(f"/proc/{server.pid}")
    lines = dict(
        line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line
    )
    (process / "clear_refs").write_text("5")
    return int(lines["VmHWM"].split()[0]) * 1024


async def test_large_files_are_never_whole_in_memory(own_server: ServerProcess) -> None:
    ada, bob = await guests(own_server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    data = b"%PDF-1.7\n" + os.urandom(24_000_000)
    await upload(ada, conversation_id, data[:1_000_000])  # what is loaded once is there
    peak(own_server)
    before = own_server.memory
    views: list[Frame] = []

    async def send() -> None:
        views.append(await upload(ada, conversation_id, data))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(send)
    assert (await ada.call("GET", at(conversation_id, views[0]))).content == data
    assert peak(own_server) - before < len(data) // 2, "of four times as much on its way"


async def test_files_are_counted_for_operators(own_server: ServerProcess) -> None:
    ada = (await guests(own_server, "Ada"))[0]
    conversation_id = await ada.create()
    await upload(ada, conversation_id)
    text = (await ada.call("GET", "/metrics", headers={"Authorization": "Bearer admin_token"})).text
    for line in ("salon_files_total 1.0", "salon_file_bytes_total 15.0", "salon_uploads 0.0"):
        assert line in text
