"""The Python client for programs without a loop: threads, time limits, interruptions, forks, and the end of the program."""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from salon.web.client import (
    Client,
    Closed,
    Conversation,
    Refused,
    Run,
    SyncClient,
    SyncConversation,
    SyncRun,
    Unreachable,
)
from tests.patience import PATIENCE
from tests.server import ServerProcess

LEFT_OUT = {"socket"}  # a raw socket is for those who have a loop
INSIDE = {"wake"}  # for the client's own runs


def public(kind: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(kind) if not name.startswith("_")}


@pytest.fixture
def ada(server: ServerProcess) -> Iterator[SyncClient]:
    with SyncClient(server.url) as client:
        client.guest("Ada")
        yield client


@pytest.fixture
def room(ada: SyncClient) -> str:
    return str(ada.create("Lunch")["conversation_id"])


def contents(conversation: SyncConversation, count: int) -> list[str]:
    said: list[str] = []
    for event in conversation:
        if event["type"] == "message":
            said.append(event["message"]["content"])
        if len(said) == count:
            break
    return said


def threads_of_clients() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name == "salon-client"}


def run_program(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A program of somebody's own; what it leaves open at its end is an error."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_it_has_every_method_of_the_client() -> None:
    assert public(Client) - LEFT_OUT <= public(SyncClient) | {"random", "answer_timeout"}
    assert public(Conversation) - INSIDE <= public(SyncConversation) | {"signals"}
    assert public(Run) <= public(SyncRun)
    assert SyncClient("http://127.0.0.1:1").post.__doc__ == Client.post.__doc__


def test_a_conversation_is_sent_to_read_and_changed(
    ada: SyncClient, room: str, tmp_path: Path
) -> None:
    with ada.conversation(room, 0, timeout=PATIENCE) as conversation:
        assert next(conversation)["type"] == "conversation_created"
        receipt = conversation.send("Fihs?")
        edited = conversation.edit(receipt.message_id, "Fish?")
        while conversation.receive(PATIENCE)["sequence_id"] != edited.sequence_id:
            pass
        message = conversation.message(receipt.message_id)
        assert message is not None
        assert message["content"] == "Fish?"
        conversation.read(receipt.sequence_id)
        conversation.typing()
        assert conversation.ping() > 0
        assert conversation.statistics().unacknowledged == 0
        assert conversation.last_sequence_id == edited.sequence_id
    with pytest.raises(Refused, match="NOT_FOUND"):
        ada.details("no such room")
    pieces = [b"%PDF-1.7\n", os.urandom(100_000), b"end"]
    file_id = ada.upload(room, iter(pieces), "menu.pdf")["file_id"]
    with ada.download(room, file_id) as file:
        assert b"".join(file.pieces) == b"".join(pieces)
    ada.post(room, "", files=[file_id])
    (tmp_path / "menu.pdf").write_bytes(b"".join(pieces))
    assert ada.upload(room, tmp_path / "menu.pdf")["name"] == "menu.pdf"


def test_many_threads_send_while_one_reads(ada: SyncClient, room: str) -> None:
    said = [f"message {number}" for number in range(60)]
    with (
        ada.conversation(room) as conversation,
        ThreadPoolExecutor(8) as threads,
    ):
        heard = threads.submit(contents, conversation, 60)
        receipts = list(threads.map(conversation.send, said[:40]))
        receipts += threads.map(lambda content: ada.post(room, content), said[40:])
        assert sorted(heard.result(PATIENCE)) == sorted(said)
    assert len({receipt.sequence_id for receipt in receipts}) == 60


def test_a_call_that_takes_too_long_raises_and_the_next_one_works(
    ada: SyncClient, room: str
) -> None:
    with ada.conversation(room, 0, timeout=PATIENCE) as conversation:
        assert next(conversation)["sequence_id"] == 1
        with pytest.raises(TimeoutError):
            conversation.receive(0.01)
        conversation.timeout = 0.01
        with pytest.raises(TimeoutError):
            next(conversation)
        conversation.timeout = None
        conversation.send("still here")
        assert contents(conversation, 1) == ["still here"]
        ada.leave(room)
        assert [event["type"] for event in conversation][-1:] != ["message"]
        with pytest.raises(EOFError):
            conversation.receive(PATIENCE)


def test_closing_ends_what_waits_in_other_threads_and_the_thread_of_the_client(
    server: ServerProcess,
) -> None:
    before = threads_of_clients()
    client = SyncClient(server.url)
    assert threads_of_clients() == before, "it starts with the first call"
    client.guest("Ada")
    room = client.create("Lunch")["conversation_id"]
    with client.conversation(room, 0) as conversation, ThreadPoolExecutor(1) as threads:
        next(conversation)
        waiting = threads.submit(next, conversation)
        client.close()
        client.close()
        with pytest.raises((Closed, RuntimeError), match="the client is closed"):
            waiting.result(PATIENCE)
        with pytest.raises(RuntimeError, match="the client is closed"):
            conversation.send("too late")
    assert (threads_of_clients(), client.token) == (before, None)
    with pytest.raises(RuntimeError, match="the client is closed"):
        client.me()


def test_a_server_that_is_away_is_said_to_be(server: ServerProcess) -> None:
    with SyncClient("http://127.0.0.1:1") as client, pytest.raises(Unreachable, match="111"):
        client.me()


LEFT_OPEN = """
    import sys, threading
    from salon.web.client import SyncClient

    client = SyncClient(sys.argv[1])
    client.guest("Ada")
    room = client.create("Lunch")["conversation_id"]
    block = client.conversation(room, 0)
    conversation = block.__enter__()
    print(next(conversation)["type"], flush=True)
    threading.Thread(target=lambda: next(conversation, None), daemon=True).start()
    client.post(room, "Hello")
"""


def test_a_program_that_closes_nothing_ends_all_the_same(server: ServerProcess) -> None:
    done = run_program(LEFT_OPEN, server.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "conversation_created\n"


FORKED = """
    import os, sys
    from salon.web.client import SyncClient

    client = SyncClient(sys.argv[1], token="test_token_1")
    room = client.create("Lunch")["conversation_id"]
    child = os.fork()
    client.post(room, f"from {'the parent' if child else 'the child'}")
    if not child:
        client.close()
        os._exit(0)
    os.waitpid(child, 0)
    said = [event["message"]["content"] for event in client.history(room, after=1)["events"]]
    print(sorted(said))
"""


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="there Python warns of a fork with threads")
def test_a_client_that_was_made_before_a_fork_works_in_both_processes(
    server: ServerProcess,
) -> None:
    done = run_program(FORKED, server.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "['from the child', 'from the parent']\n"


FORKED_AMID_RENEWAL = """
    import os, sys, threading
    from salon.web.client import SyncClient

    parent, proceed, asked = os.getpid(), threading.Event(), threading.Event()

    def renew():
        if os.getpid() == parent:
            asked.set()
            proceed.wait()
        return "test_token_1"

    client = SyncClient(sys.argv[1], renew=renew)
    names = []
    thread = threading.Thread(target=lambda: names.append(client.me()["name"]))
    thread.start()
    asked.wait()
    child = os.fork()
    if not child:
        print(client.me()["name"], flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    proceed.set()
    thread.join()
    print(*names)
"""


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="there Python warns of a fork with threads")
def test_a_fork_while_a_token_is_asked_for_leaves_nobody_waiting(server: ServerProcess) -> None:
    done = run_program(FORKED_AMID_RENEWAL, server.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Ada\nAda\n"


INTERRUPTED = """
    import sys
    from salon.web.client import SyncClient

    with SyncClient(sys.argv[1]) as client:
        client.guest("Ada")
        room = client.create("Lunch")["conversation_id"]
        with client.conversation(room, 0) as conversation:
            next(conversation)
            try:
                print("waits", flush=True)
                next(conversation)
            except KeyboardInterrupt:
                print(client.post(room, "Bye").sequence_id, flush=True)
                print(next(conversation)["message"]["content"], flush=True)
"""


def test_ctrl_c_ends_the_call_that_waits_and_loses_no_event(server: ServerProcess) -> None:
    program = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(INTERRUPTED), server.url],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert program.stdout is not None
        assert program.stdout.readline() == "waits\n"
        program.send_signal(signal.SIGINT)
        said, _ = program.communicate(timeout=PATIENCE)
    finally:
        program.kill()
        program.communicate()
    assert (said, program.returncode) == ("2\nBye\n", 0)


def test_a_client_that_nobody_holds_any_more_ends_its_thread(server: ServerProcess) -> None:
    before = threads_of_clients()
    SyncClient(server.url).guest("Ada")
    for each in threads_of_clients() - before:
        each.join(PATIENCE)
        assert not each.is_alive()
