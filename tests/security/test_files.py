"""Uploads that nobody makes by accident, and files that are made to do harm where they are opened."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable

import pytest
import trio

from tests.patience import PATIENCE
from tests.person import Person, guest
from tests.pictures import picture
from tests.raw import Answer, open_line, request
from tests.server import ServerProcess
from tests.traffic import until

HTML = b"<!DOCTYPE html><html><script>parent.postMessage('run', '*')</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture
async def ada(server: ServerProcess) -> Person:
    return await guest(server, "Ada")


@pytest.fixture
async def conversation_id(ada: Person) -> str:
    return await ada.create()


@pytest.fixture(autouse=True)
async def nothing_is_left_on_the_way(server: ServerProcess) -> AsyncIterator[None]:
    """Whatever was done: no half file stays, and the next upload is taken."""
    yield
    incoming = server.path.with_name("salon.db.files") / "incoming"
    await until(lambda: not list(incoming.iterdir()))
    ada = await guest(server, "Ada")
    conversation_id = await ada.create()
    answer = await ada.call("POST", f"/chat/{conversation_id}/files", content=b"as before")
    assert answer.status_code == 201, answer.text
    assert "Traceback" not in server.log


def head(conversation_id: str, token: str, **headers: object) -> bytes:
    """The head of an upload, with these headers."""
    lines = [
        f"POST /chat/{conversation_id}/files?name=a.txt HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {token}",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def refused(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.json()["code"]) == (status, code), answer


# --- how bodies come ------------------------------------------------------------------------------------------------------


async def test_a_body_that_is_announced_as_too_large_is_refused_before_it_comes(
    server: ServerProcess, ada: Person, conversation_id: str
) -> None:
    async with open_line(server.url) as line:
        await line.send(head(conversation_id, ada.token, Content_Length=25_000_001))
        refused(await line.answer(), 413, "FILE_TOO_LARGE")


async def test_a_body_without_a_length_is_counted_as_it_comes(
    server: ServerProcess, ada: Person, conversation_id: str
) -> None:
    async with open_line(server.url) as line:
        await line.send(head(conversation_id, ada.token, Transfer_Encoding="chunked"))
        piece = b"x" * 65_536
        for _ in range(25_000_000 // len(piece) + 1):
            await line.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        refused(await line.answer(), 413, "FILE_TOO_LARGE")


async def test_a_body_in_pieces_of_one_byte_is_a_file(
    server: ServerProcess, ada: Person, conversation_id: str
) -> None:
    async with open_line(server.url) as line:
        await line.send(head(conversation_id, ada.token, Transfer_Encoding="chunked"))
        await line.send(b"".join(b"1\r\n%c\r\n" % each for each in b"slowly") + b"0\r\n\r\n")
        answer = await line.answer()
    assert (answer.status, answer.json()["size"]) == (201, 6)


async def test_a_body_that_ends_before_its_announced_end_is_no_file(
    server: ServerProcess, ada: Person, conversation_id: str
) -> None:
    async with open_line(server.url) as line:
        await line.send(head(conversation_id, ada.token, Content_Length=1000) + b"x" * 500)
        assert isinstance(line.stream, trio.SocketStream)
        await line.stream.send_eof()
        assert b"201" not in await line.end()
    with trio.fail_after(PATIENCE):  # the line ends before what was taken is dropped
        while "salon_uploads 0.0" not in (await ada.call("GET", "/metrics")).text:  # noqa: ASYNC110
            await trio.sleep(0.02)


async def test_what_comes_after_the_announced_end_is_no_part_of_the_file(
    server: ServerProcess, ada: Person, conversation_id: str
) -> None:
    async with open_line(server.url) as line:
        next_request = request("GET", "/auth/me", b"", ada.token)
        await line.send(
            head(conversation_id, ada.token, Content_Length=5) + b"hello" + next_request
        )
        answer = await line.answer()
        assert (answer.status, answer.json()["size"]) == (201, 5)
        assert (await line.answer()).json()["name"] == "Ada"


async def test_who_stops_in_the_middle_is_not_waited_for(
    start_server: Callable[..., ServerProcess],
) -> None:
    server = start_server(LIMITS__HANDSHAKE_TIMEOUT="0.5")
    ada = await guest(server, "Ada")
    conversation_id = await ada.create()
    async with open_line(server.url) as line:
        await line.send(head(conversation_id, ada.token, Content_Length=1000) + b"x" * 500)
        refused(await line.answer(), 408, "REQUEST_TIMEOUT")
    incoming = server.path.with_name("salon.db.files") / "incoming"
    await until(lambda: not list(incoming.iterdir()))


async def test_a_connection_that_is_cut_leaves_nothing(
    server: ServerProcess, ada: Person, conversation_id: str
) -> None:
    incoming = server.path.with_name("salon.db.files") / "incoming"
    async with open_line(server.url) as line:
        await line.send(head(conversation_id, ada.token, Content_Length=900_000) + b"x" * 800_000)
        await until(lambda: bool(list(incoming.iterdir())))
    await until(lambda: not list(incoming.iterdir()))


async def test_ten_files_of_one_person_come_at_once_and_the_eleventh_is_told_to_wait(
    server: ServerProcess, ada: Person, conversation_id: str
) -> None:
    statuses: list[int] = []
    go, begun = trio.Event(), trio.Semaphore(0)

    async def slowly(n: int) -> None:
        async with open_line(server.url) as line:
            await line.send(head(conversation_id, ada.token, Content_Length=10) + b"file ")
            begun.release()
            await go.wait()
            await line.send(b"%5d" % n)
            statuses.append((await line.answer()).status)

    incoming = server.path.with_name("salon.db.files") / "incoming"
    async with trio.open_nursery() as nursery:
        for n in range(10):
            nursery.start_soon(slowly, n)
        for _ in range(10):
            await begun.acquire()
        await until(lambda: len(list(incoming.iterdir())) == 10)
        answer = await ada.call("POST", f"/chat/{conversation_id}/files", content=b"eleventh")
        assert (answer.status_code, answer.json()["code"]) == (429, "TOO_MANY_UPLOADS")
        assert int(answer.headers["Retry-After"]) > 0
        go.set()
    assert statuses == [201] * 10


async def test_a_refused_body_leaves_a_connection_that_goes_on(
    server: ServerProcess, ada: Person, conversation_id: str
) -> None:
    async with open_line(server.url) as line:
        elf = b"\x7fELF" + bytes(500_000)
        await line.send(head(conversation_id, ada.token, Content_Length=len(elf)) + elf)
        refused(await line.answer(), 415, "FILE_KIND_NOT_ALLOWED")
        await line.send(request("GET", "/auth/me", b"", ada.token))
        assert (await line.answer()).json()["name"] == "Ada"


async def test_who_sends_all_before_reading_gets_the_refusal_of_a_long_file(
    server: ServerProcess, ada: Person, conversation_id: str
) -> None:
    elf = b"\x7fELF" + bytes(20_000_000)
    async with open_line(server.url) as line:
        await line.send(head(conversation_id, ada.token, Content_Length=len(elf)) + elf)
        answer = await line.answer()
        refused(answer, 415, "FILE_KIND_NOT_ALLOWED")
        assert answer.headers["connection"] == "close"
        assert await line.end() == b""


async def test_a_compressed_body_is_not_taken(
    server: ServerProcess, ada: Person, conversation_id: str
) -> None:
    async with open_line(server.url) as line:
        coded = {"Content_Encoding": "gzip", "Content_Length": 4}
        await line.send(head(conversation_id, ada.token, **coded) + b"\x1f\x8b\x08\0")
        refused(await line.answer(), 415, "UNSUPPORTED_ENCODING")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b--\r\n",
        b"no form at all",
        b"--b\r\n\r\nno headers\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\nx\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nnever ends',
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n\r\n--b--\r\n',
        b"--b\r\n" + b"X: " + b"y" * 2_000_000,
        b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\nx\r\n' * 200,
    ],
    ids=[
        "empty",
        "no part",
        "no form",
        "no headers",
        "no file",
        "no end",
        "empty file",
        "long",
        "many",
    ],
)
async def test_a_broken_form_is_refused_in_plain_words(
    ada: Person, conversation_id: str, body: bytes
) -> None:
    answer = await ada.call(
        "POST",
        f"/chat/{conversation_id}/files",
        content=body,
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "MALFORMED_REQUEST"), answer.text
    assert "werkzeug" not in answer.text


async def test_a_form_without_a_boundary_is_refused(ada: Person, conversation_id: str) -> None:
    answer = await ada.call(
        "POST",
        f"/chat/{conversation_id}/files",
        content=b"x",
        headers={"Content-Type": "multipart/form-data"},
    )
    assert answer.json()["problem"] == "its Content-Type has no boundary"


async def test_a_page_of_another_origin_uploads_nothing_with_a_session(
    server: ServerProcess, ada: Person, conversation_id: str
) -> None:
    async with open_line(server.url) as line:
        cookie = f"salon_session={ada.token}"
        await line.send(
            request(
                "POST",
                f"/chat/{conversation_id}/files",
                b"x",
                None,
                Cookie=cookie,
                Origin="https://evil.example",
            )
        )
        answer = await line.answer()
    assert answer.status in (401, 403)


# --- what files are called and what they are ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("a\r\nSet-Cookie: x=y\r\n.txt", "a Set-Cookie_ x=y .txt"),
        ("a\0b.txt", "ab.txt"),
        ("photo\u202egnp.exe", "photognp.exe"),
        ('"; filename="other.html', "_; filename=_other.html"),
        ("", "file"),
    ],
)
async def test_a_name_says_nothing_but_a_name(
    ada: Person, conversation_id: str, name: str, kept: str
) -> None:
    answer = await ada.call(
        "POST", f"/chat/{conversation_id}/files", content=b"text", params={"name": name}
    )
    view = answer.json()
    assert view["name"] == kept
    read = await ada.call("GET", f"/chat/{conversation_id}/files/{view['file_id']}")
    assert set(read.headers) >= {"content-disposition", "content-security-policy"}
    assert "set-cookie" not in read.headers
    assert read.headers["content-disposition"].startswith("attachment; filename=")


@pytest.mark.parametrize("data", [HTML, SVG, b"\xef\xbb\xbf \n" + SVG], ids=["HTML", "SVG", "BOM"])
async def test_a_page_is_not_taken_whatever_it_is_called(
    ada: Person, conversation_id: str, data: bytes
) -> None:
    for name in ("cat.png", "cat.txt", "page.html"):
        answer = await ada.call(
            "POST",
            f"/chat/{conversation_id}/files",
            content=data,
            params={"name": name},
            headers={"Content-Type": "image/png"},
        )
        assert answer.json()["code"] == "FILE_KIND_NOT_ALLOWED"
        assert answer.json()["media_type"] in {"text/html", "image/svg+xml"}


async def test_where_an_operator_takes_pages_they_are_saved_and_never_opened(
    start_server: Callable[..., ServerProcess],
) -> None:
    server = start_server(FILES__KINDS=json.dumps(["*/*"]))
    ada = await guest(server, "Ada")
    conversation_id = await ada.create()
    for data in (HTML, SVG, b"<?xml version='1.0'?><a/>", b"\x7fELF" + bytes(60), b"%PDF-1.7 \xff"):
        sent = await ada.call(
            "POST", f"/chat/{conversation_id}/files", content=data, params={"name": "a.html"}
        )
        path = f"/chat/{conversation_id}/files/{sent.json()['file_id']}"
        for query in ("", "?download=true"):
            answer = await ada.call("GET", path + query)
            assert answer.content == data
            headers = answer.headers
            assert headers["content-type"] in {"application/octet-stream", "application/pdf"}
            assert headers["content-disposition"].startswith("attachment;")
            assert headers["x-content-type-options"] == "nosniff"
            assert "sandbox" in headers["content-security-policy"]
            assert "default-src 'none'" in headers["content-security-policy"]


async def test_a_picture_with_a_page_behind_it_is_shown_as_a_picture_alone(
    ada: Person, conversation_id: str
) -> None:
    both = picture("GIF") + HTML
    sent = await ada.call(
        "POST", f"/chat/{conversation_id}/files", content=both, params={"name": "a.html"}
    )
    path = f"/chat/{conversation_id}/files/{sent.json()['file_id']}"
    answer = await ada.call("GET", path)
    assert answer.headers["content-type"] == "image/gif"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert (
        (await ada.call("GET", path + "?download=1"))
        .headers["content-disposition"]
        .startswith("attachment")
    )


@pytest.mark.parametrize(
    "files",
    [
        "f",
        {},
        ["f"],
        [{}],
        [{"file_id": 5}],
        [{"file_id": ""}],
        [{"file_id": "x" * 129}],
        [{"file_id": "f", "alt": "x" * 1001}],
        [{"file_id": f"{n}"} for n in range(101)],
    ],
    ids=str,
)
async def test_what_names_no_files_is_refused(
    ada: Person, conversation_id: str, files: object
) -> None:
    body = {"content": "x", "files": files}
    answer = await ada.call("POST", f"/chat/{conversation_id}/messages", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "MALFORMED_REQUEST")


async def test_a_blank_message_without_files_is_still_blank(
    ada: Person, conversation_id: str
) -> None:
    body = {"content": " ", "files": []}
    answer = await ada.call("POST", f"/chat/{conversation_id}/messages", body)
    assert answer.json()["problem"] == "content: is blank"


@pytest.mark.parametrize("name", ["..", "%2e%2e%2fsalon.db", "a%00b", "x" * 5000])
async def test_an_id_is_looked_up_and_is_no_path(
    ada: Person, conversation_id: str, name: str
) -> None:
    for more in ("", "/preview"):
        answer = await ada.call("GET", f"/chat/{conversation_id}/files/{name}{more}")
        assert answer.status_code in (400, 404, 405)
        assert b"SQLite" not in answer.content
