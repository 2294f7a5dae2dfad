"""Files on servers that are killed, on disks that are full, and in a bucket of another server that goes away."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
import trio

from tests.disk import mounted
from tests.person import Frame, Person, guests
from tests.pictures import picture
from tests.raw import open_line
from tests.s3 import KEY, SECRET, S3Server
from tests.server import ServerProcess
from tests.traffic import until

PDF = b"%PDF-1.7\n" + os.urandom(3_000_000)


async def upload(person: Person, conversation_id: str, data: bytes, name: str = "a.pdf") -> Frame:
    answer = await person.call(
        "POST", f"/chat/{conversation_id}/files", content=data, params={"name": name}
    )
    assert answer.status_code == 201, answer.text
    view: Frame = answer.json()
    return view


async def read(person: Person, conversation_id: str, view: Frame) -> bytes:
    answer = await person.call("GET", f"/chat/{conversation_id}/files/{view['file_id']}")
    assert answer.status_code == 200, answer.text
    return answer.content


def folder_of(server: ServerProcess) -> Path:
    return server.path.with_name("salon.db.files")


def contents_of(server: ServerProcess) -> list[Path]:
    return [path for path in (folder_of(server) / "contents").rglob("*") if path.is_file()]


async def test_a_server_that_is_killed_during_an_upload_serves_no_half_file(
    own_server: ServerProcess,
) -> None:
    ada = (await guests(own_server, "Ada"))[0]
    conversation_id = await ada.create()
    whole = await upload(ada, conversation_id, PDF)
    head = (
        f"POST /chat/{conversation_id}/files?name=half.pdf HTTP/1.1\r\nHost: salon\r\n"
        f"Authorization: Bearer {ada.token}\r\nContent-Length: {len(PDF)}\r\n\r\n"
    ).encode()
    incoming = folder_of(own_server) / "incoming"
    async with open_line(own_server.url) as line:
        await line.send(head + PDF[: len(PDF) // 2])
        await until(lambda: sum(path.stat().st_size for path in incoming.iterdir()) > 1_000_000)
        own_server.kill()
    own_server.start()
    assert list(incoming.iterdir()) == []
    assert len(contents_of(own_server)) == 1
    assert await read(ada, conversation_id, whole) == PDF
    await ada.say(conversation_id, "", files=[{"file_id": whole["file_id"]}])


async def test_killed_again_and_again_a_server_has_every_file_that_it_said_it_has(
    own_server: ServerProcess,
) -> None:
    ada = (await guests(own_server, "Ada"))[0]
    conversation_id = await ada.create()
    acknowledged: dict[str, bytes] = {}
    kills = 0

    async def keep_uploading(number: int, done: trio.Event) -> None:
        n = 0
        while not done.is_set():
            n += 1
            data = b"%%PDF-1.7\n%d %d" % (number, n) + os.urandom(200_000)
            try:
                answer = await ada.call("POST", f"/chat/{conversation_id}/files", content=data)
                assert answer.status_code == 201, answer.text
                view = answer.json()
                files = [{"file_id": view["file_id"]}]
                body = {"content": "", "client_message_id": f"{number} {n}", "files": files}
                said = await ada.call("POST", f"/chat/{conversation_id}/messages", body)
                if said.status_code == 201:
                    acknowledged[view["file_id"]] = data
            except httpx2.TransportError:
                return  # killed

    for _ in range(3):
        done = trio.Event()
        async with trio.open_nursery() as nursery:
            before = len(acknowledged)
            for number in range(3):
                nursery.start_soon(keep_uploading, number + 10 * kills, done)
            await until(lambda before=before: len(acknowledged) >= before + 4)  # type: ignore[misc]
            own_server.kill()
            kills += 1
            done.set()
            nursery.cancel_scope.cancel()
        own_server.start()
    assert len(acknowledged) >= 12
    sent = {
        file["file_id"]
        for event in await ada.history(conversation_id)
        for file in event.get("message", {}).get("files", ())
    }
    assert sent >= acknowledged.keys()
    for file_id in sent:
        data = await read(ada, conversation_id, {"file_id": file_id})
        assert data == acknowledged.get(file_id, data)


async def test_a_full_disk_refuses_files_and_takes_them_once_there_is_room(
    tmp_path: Path, tell: Callable[[str], None]
) -> None:
    with mounted(tmp_path, "-t", "tmpfs", "-o", "size=8m", "tmpfs") as may:
        if not may:
            tell("NOT TRIED: files on a full file system, since nothing may be mounted here")
            pytest.skip("nothing may be mounted here")
        server = ServerProcess(tmp_path)
        try:
            ada = (await guests(server, "Ada"))[0]
            conversation_id = await ada.create()
            kept = await upload(ada, conversation_id, PDF)
            large = PDF + os.urandom(4_000_000)
            for _ in range(3):
                answer = await ada.call("POST", f"/chat/{conversation_id}/files", content=large)
                assert (answer.status_code, answer.json()["code"]) == (503, "STORE_UNAVAILABLE")
                assert int(answer.headers["Retry-After"]) > 0
            assert "make room" in server.log
            assert "Traceback" not in server.log
            assert list((folder_of(server) / "incoming").iterdir()) == []
            # All else goes on, and so do files that fit.
            await ada.say(conversation_id, "", files=[{"file_id": kept["file_id"]}])
            small = await upload(ada, conversation_id, picture(), "a.png")
            assert await read(ada, conversation_id, kept) == PDF
            assert await read(ada, conversation_id, small) == picture()
        finally:
            server.stop()


async def test_files_are_kept_in_a_bucket_and_wait_for_it_while_it_is_away(
    tmp_path: Path, start_server: Callable[..., ServerProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = S3Server(tmp_path / "s3")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    bucket = s3.bucket()
    server = start_server(
        FILES__URL=f"s3://{bucket}/chat", FILES__S3_ENDPOINT=s3.options.endpoint or ""
    )
    objects = tmp_path / "s3" / bucket / "chat"

    def stored() -> list[Path]:
        return [path for path in objects.rglob("*") if path.is_file() and len(path.name) == 64]

    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    view = await upload(ada, conversation_id, PDF)
    image = await upload(ada, conversation_id, picture(width=600, height=400), "a.png")
    assert contents_of(server) == []
    files = [{"file_id": each["file_id"]} for each in (view, image)]
    receipt = await ada.say(conversation_id, "", files=files)
    path = f"/chat/{conversation_id}/files/{view['file_id']}"
    part = await bob.call("GET", path, headers={"Range": "bytes=1000000-1000009"})
    assert (part.status_code, part.content) == (206, PDF[1_000_000:1_000_010])
    preview = f"/chat/{conversation_id}/files/{image['file_id']}/preview?size=160"
    assert (await bob.call("GET", preview)).status_code == 200
    s3.stop()
    answer = await ada.call("POST", f"/chat/{conversation_id}/files", content=PDF + b"more")
    assert (answer.status_code, answer.json()["code"]) == (503, "STORE_UNAVAILABLE")
    assert (await bob.call("GET", path)).status_code == 503
    assert (await bob.call("GET", preview)).status_code == 200, "it is kept here"
    await ada.say(conversation_id, "words go on")
    s3.start()
    assert await read(bob, conversation_id, view) == PDF
    await upload(ada, conversation_id, PDF + b"more")
    message = f"/chat/{conversation_id}/messages/{receipt['message_id']}"
    assert (await ada.call("DELETE", message)).is_success
    await until(lambda: len(stored()) == 1)
    assert SECRET not in server.log
    assert server.stop() == 0
    s3.stop()


async def test_a_server_whose_bucket_is_wrong_does_not_start_and_says_why(
    tmp_path: Path, start_server: Callable[..., ServerProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = S3Server(tmp_path / "s3")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with pytest.raises(AssertionError, match="whether bucket and keys are right"):
        start_server(FILES__URL="s3://nowhere", FILES__S3_ENDPOINT=s3.options.endpoint or "")
    s3.stop()
