"""What every place of contents does, be it a folder or a bucket of a real S3-compatible server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from salon.actors.store import StoreError
from salon.persistence.bucket import Bucket
from salon.persistence.contents import open_files
from salon.persistence.folder import PIECE, Folder
from salon.persistence.place import place_of
from tests.s3 import SECRET, S3Server

BIG = 3 * PIECE + 17
Contents = Folder | Bucket


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3"))
    yield server
    server.stop()


@pytest.fixture(params=["folder", "bucket", "bucket with a prefix"])
def contents(request: pytest.FixtureRequest, tmp_path: Path) -> Contents:
    """A place that is empty, each kind in its turn."""
    if request.param == "folder":
        return Folder(tmp_path / "contents")
    s3: S3Server = request.getfixturevalue("s3")
    bucket = s3.bucket()
    url = f"s3://{bucket}/a/b" if "prefix" in request.param else f"s3://{bucket}"
    return Bucket(url, s3.options)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], tuple[str, Path]]:
    """Puts bytes into a file of their own; their name, and the file."""
    incoming = tmp_path / "incoming"
    incoming.mkdir()

    def make(data: bytes) -> tuple[str, Path]:
        path = incoming / str(len(list(incoming.iterdir())))
        path.write_bytes(data)
        return sha256(data).hexdigest(), path

    return make


Write = Callable[[bytes], tuple[str, Path]]


def whole(contents: Contents, name: str, size: int) -> bytes:
    return b"".join(contents.read(name, 0, size))


def test_what_was_put_is_read_whole_and_its_file_is_used_up(
    contents: Contents, write: Write
) -> None:
    data = os.urandom(BIG)
    name, path = write(data)
    contents.put(name, path)
    assert whole(contents, name, BIG) == data
    assert not path.exists()


@pytest.mark.parametrize(("start", "end"), [(0, 1), (1, 1000), (PIECE - 1, PIECE + 1), (5, BIG)])
def test_a_part_is_those_bytes_and_no_others(
    contents: Contents, write: Write, start: int, end: int
) -> None:
    data = os.urandom(BIG)
    name, path = write(data)
    contents.put(name, path)
    assert b"".join(contents.read(name, start, end)) == data[start:end]


def test_the_same_bytes_twice_are_there_once(contents: Contents, write: Write) -> None:
    first, second = write(b"the same"), write(b"the same")
    for name, path in (first, second):
        contents.put(name, path)
        assert not path.exists()
    assert list(contents.names()) == [first[0]]
    assert whole(contents, first[0], 8) == b"the same"


def test_what_was_deleted_is_gone_and_a_second_time_is_no_mistake(
    contents: Contents, write: Write
) -> None:
    kept, dropped = write(b"kept"), write(b"dropped")
    for name, path in (kept, dropped):
        contents.put(name, path)
    contents.delete(dropped[0])
    contents.delete(dropped[0])
    assert list(contents.names()) == [kept[0]]
    with pytest.raises(StoreError):
        whole(contents, dropped[0], 7)


def test_a_new_place_has_nothing(contents: Contents) -> None:
    assert list(contents.names()) == []


def test_a_larger_content_goes_in_parts(contents: Contents, write: Write) -> None:
    data = os.urandom(1 << 20) * 12  # more than two parts of an S3 upload
    name, path = write(data)
    contents.put(name, path)
    assert whole(contents, name, len(data)) == data


def test_a_content_that_was_cut_short_is_no_content(tmp_path: Path, write: Write) -> None:
    folder = Folder(tmp_path / "contents")
    name, path = write(b"x" * 100)
    folder.put(name, path)
    os.truncate(tmp_path / "contents" / name[:2] / name[2:], 50)
    with pytest.raises(StoreError, match="shorter than it was"):
        whole(folder, name, 100)


def test_nobody_else_may_read_the_folder(tmp_path: Path, write: Write) -> None:
    folder = Folder(tmp_path / "contents")
    name, path = write(b"secret")
    folder.put(name, path)
    assert (tmp_path / "contents").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "contents" / name[:2]).stat().st_mode & 0o777 == 0o700


def test_what_was_on_its_way_when_a_server_was_killed_is_not_kept(tmp_path: Path) -> None:
    half = open_files(tmp_path).receive()
    half.write(b"half a file")
    half.close()
    assert half.path.read_bytes() == b"half a file"
    open_files(tmp_path)
    assert not half.path.exists()


def test_a_room_in_memory_leaves_nothing_behind() -> None:
    room = open_files(None)
    incoming = room.receive()
    incoming.close()
    room.close()
    assert not incoming.path.parent.parent.exists()


def test_previews_are_kept_by_side_and_dropped_together(tmp_path: Path) -> None:
    room = open_files(tmp_path)
    one, other = "a" * 64, "ab" + "c" * 62
    for content, side in ((one, 160), (one, 640), (other, 160)):
        assert room.preview(content, side) is None
        room.keep_preview(content, side, f"{content}{side}".encode())
    assert room.preview(one, 640) == f"{one}640".encode()
    room.drop_previews(one)
    assert (room.preview(one, 160), room.preview(one, 640)) == (None, None)
    assert open_files(tmp_path).preview(other, 160) == f"{other}160".encode()


@pytest.mark.parametrize(
    ("bucket", "options"),
    [
        ("nobody-made-it", {}),
        (None, {"secret_key": "not the secret"}),
        (None, {"endpoint": "http://127.0.0.1:9"}),
    ],
    ids=["an unknown bucket", "a wrong key", "nobody there"],
)
def test_a_bucket_that_cannot_be_used_is_refused_at_the_start_in_words(
    s3: S3Server, bucket: str | None, options: dict[str, str]
) -> None:
    with pytest.raises(StoreError) as caught:
        Bucket(f"s3://{bucket or s3.bucket()}", s3.options._replace(**options))
    assert "see whether it runs, and whether bucket and keys are right" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_store_that_goes_away_fails_each_call_and_serves_again_once_it_is_back(
    tmp_path: Path, write: Write
) -> None:
    server = S3Server(tmp_path / "own")
    contents = Bucket(f"s3://{server.bucket()}", server.options)
    name, path = write(b"kept")
    contents.put(name, path)
    server.stop()
    again, other = write(b"later")
    with pytest.raises(StoreError):
        contents.put(again, other)
    assert other.exists(), "it can be put again"
    server.start()
    contents.put(again, other)
    assert whole(contents, name, 4) + whole(contents, again, 5) == b"keptlater"
    server.stop()


def test_an_unknown_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="ftp://there: unknown place for files"):
        open_files(tmp_path, "ftp://there")


def test_without_the_extra_it_is_said_what_to_install(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['obstore'] = None\n"
        "from salon.persistence.contents import open_files\n"
        "from pathlib import Path\n"
        f"open_files(Path({str(tmp_path)!r}), 's3://bucket')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert "pip install 'salon[s3]'" in done.stderr


def test_servers_can_tell_whether_they_keep_files_at_the_same_place(tmp_path: Path) -> None:
    for name in ("a", "b"):
        Folder(tmp_path / name)
    a, b = (f"file://{tmp_path}/{name}" for name in ("a", "b"))
    with ThreadPoolExecutor(8) as pool:
        told = set(pool.map(place_of, [a] * 8))
    assert len(told) == 1
    assert place_of(b) not in told
    assert not list(Folder(tmp_path / "a").names())
    assert place_of("s3://bucket/salon") == "s3://bucket/salon"
