"""The checker and changes of messages: a good history with edits, deletions, reactions and threads, and what is planted in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import trio

from salon.loadtests.checker.anomaly import KINDS
from salon.loadtests.checker.fold import CHANGES, Fold
from salon.loadtests.checker.history import HistoryFile, Recorder
from salon.loadtests.checker.recorded import RecordedClient
from salon.web.client import Refused, Socket
from tests.patience import PATIENCE
from tests.server import ServerProcess
from tests.unit.test_check import Line, Lines, frames, log, say, until, verdict

SECRET = "not meant for here"


async def ask(socket: Socket, frame: dict[str, Any]) -> None:
    """Ask for a change in a frame, and wait for its answer."""
    await socket.send_json(frame)
    with trio.fail_after(PATIENCE):
        while (await socket.receive_json())["type"] != "change_ack":
            pass


async def record(url: str, recorder: Recorder) -> None:
    """Two people talk and change what they have said; one is away meanwhile, and comes back twice."""
    ada = RecordedClient(url, recorder, "test_user_1", token="test_token_1")
    ben = RecordedClient(url, recorder, "test_user_2", token="test_token_2")
    others = [{"user_id": ben.person, "name": "Bob"}]
    talk = (await ada.create("Talk", others))["conversation_id"]
    first, second = f"{talk}-2", f"{talk}-4"

    def edit(message_id: str, content: str, key: str, **more: Any) -> dict[str, Any]:
        names = {"type": "message_edited", "message_id": message_id, "client_message_id": key}
        return {**names, "content": content, **more}

    async with ada.socket(talk, 0) as at_ada:
        async with ben.socket(talk, 0) as at_ben:
            await say(at_ada, "ada-0")
            await say(at_ben, "ben-0")
            await say(at_ada, "ada-1")
            for _ in range(2):
                await ada.change(talk, edit(first, "better said", "e1", revision=1))
            with pytest.raises(Refused, match="REVISION_CONFLICT"):
                await ada.change(talk, edit(first, "worse said", "e2", revision=1))
            react = {"type": "reaction_added", "message_id": first, "emoji": "👍"}
            await ask(at_ben, {**react, "client_message_id": "r1"})
            reply = {"content": "in the thread", "client_message_id": "t1", "thread_id": first}
            await ben.post_fields(talk, reply)
            pin = {"type": "message_pinned", "message_id": first, "client_message_id": "p1"}
            await ada.change(talk, pin)
            await until(at_ben, 8)
        await ada.change(talk, edit(second, SECRET, "e3"))
        async with ben.socket(talk, 8) as at_ben:
            await until(at_ben, 9)
            delete = {"type": "message_deleted", "message_id": second}
            await ada.change(talk, {**delete, "client_message_id": "d1"})
            await until(at_ben, 10)
        await ben.record_page(talk, 0)
        async with ben.socket(talk, 2) as at_ben:
            await until(at_ben, 10)
            await until(at_ada, 10)
            await ada.record_log(talk)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lines]:
    """The lines of the good history, after the header."""
    folder = tmp_path_factory.mktemp("check")
    server = ServerProcess(folder)
    path: Path = folder / "history.jsonl"
    try:
        with HistoryFile(path, "the tests") as file:
            trio.run(record, server.url, Recorder(file.write))
        yield [json.loads(line) for line in path.read_text().splitlines()[1:]]
    finally:
        server.stop()


@pytest.fixture
def good(recorded: Lines) -> Lines:
    return deepcopy(recorded)


def in_log(lines: Lines, sequence: int) -> Line:
    """An event as the log has it."""
    return next(each for each in log(lines)["events"] if each["sequence_id"] == sequence)


def everywhere(lines: Lines, sequence: int) -> list[Line]:
    """An event as each reader, the page and the log have it."""
    received = [line["frame"] for line in lines if line["record"] == "received"]
    read = [each for line in lines if line["record"] == "page" for each in line["events"]]
    events = [each for each in received if each["type"] in {*CHANGES, "message"}]
    return [
        each
        for each in [*events, *read, *log(lines)["events"]]
        if each.get("sequence_id") == sequence
    ]


def show_the_first_content(lines: Lines) -> None:
    in_log(lines, 2)["message"]["content"] = "said under ada-0"


def count_a_reaction_twice(lines: Lines) -> None:
    in_log(lines, 2)["message"]["reactions"]["👍"]["count"] = 2


def count_no_reply(lines: Lines) -> None:
    in_log(lines, 2)["message"]["thread"]["replies"] = 0


def skip_a_revision(lines: Lines) -> None:
    for event in everywhere(lines, 5):
        event["revision"] = 3
    for event in everywhere(lines, 2):
        if "revision" in event["message"]:
            event["message"]["revision"] = 3


def let_somebody_edit(lines: Lines) -> None:
    for event in everywhere(lines, 9):
        event["by"] = "test_user_3"
        del event["client_message_id"]


def apply_it_to_what_has_it(lines: Lines) -> None:
    """A reader that comes later is not told what the message includes, and reacts once more."""
    later = [at for at in frames(lines, "message") if lines[at]["socket"] == "2"]
    message = lines[later[0]]["frame"]["message"]
    assert message["sequence_id"] == 2
    message["reactions"] = {"👍": {"count": 1, "participants": ["test_user_2"]}}
    message["as_of"] = 5.5


def resume_with_the_text(lines: Lines) -> None:
    last = [at for at in frames(lines, "message_edited") if lines[at]["socket"] == "4"]
    lines[last[-1]]["frame"]["content"] = SECRET


def read_a_page_with_the_text(lines: Lines) -> None:
    page = next(line for line in lines if line["record"] == "page")
    next(each for each in page["events"] if each["sequence_id"] == 9)["content"] = SECRET


def keep_a_former_revision(lines: Lines) -> None:
    in_log(lines, 9)["content"] = SECRET


def store_no_change(lines: Lines) -> None:
    for event in everywhere(lines, 6):
        del event["client_message_id"]


def store_what_was_refused(lines: Lines) -> None:
    at = next(
        at for at in frames(lines, "change_ack") if lines[at]["frame"]["client_message_id"] == "p1"
    )
    refusal = {"type": "error", "code": "FORBIDDEN", "client_message_id": "p1"}
    lines[at]["frame"] = refusal


def answer_differently_again(lines: Lines) -> None:
    acks = [a for a in frames(lines, "change_ack") if lines[a]["frame"]["revision"] == 2]
    lines[acks[1]]["frame"]["event_hash"] = "another"


def edit_otherwise_than_asked(lines: Lines) -> None:
    for event in everywhere(lines, 5):
        event["content"] = "what nobody has written"
    for event in everywhere(lines, 2):
        if "revision" in event["message"]:
            event["message"]["content"] = "what nobody has written"


PLANTED: list[tuple[Callable[[Lines], None], set[str]]] = [
    (show_the_first_content, {"fold"}),
    (count_a_reaction_twice, {"fold"}),
    (count_no_reply, {"fold"}),
    (skip_a_revision, {"change"}),
    (let_somebody_edit, {"change", "lost", "rights"}),
    (apply_it_to_what_has_it, {"fold"}),
    (resume_with_the_text, {"erased"}),
    (read_a_page_with_the_text, {"erased"}),
    (keep_a_former_revision, {"erased"}),
    (store_no_change, {"lost"}),
    (store_what_was_refused, {"refused"}),
    (answer_differently_again, {"receipt"}),
    (edit_otherwise_than_asked, {"invented"}),
]
OF_CHANGES = {"change", "fold", "erased"}


def test_a_good_history_with_changes_passes(good: Lines) -> None:
    report = verdict(good)
    assert report.anomalies == ()
    assert report.good
    assert report.sent == report.acknowledged == 4
    assert report.changes == 5


def test_every_kind_of_anomaly_in_changes_is_planted_below() -> None:
    planted = set[str]().union(*(kinds for _, kinds in PLANTED))
    assert OF_CHANGES <= planted <= set(KINDS)


@pytest.mark.parametrize(("plant", "kinds"), PLANTED, ids=[each.__name__ for each, _ in PLANTED])
def test_what_is_planted_in_changes_is_named(
    good: Lines, plant: Callable[[Lines], None], kinds: set[str]
) -> None:
    plant(good)
    report = verdict(good)
    assert set(report.counts) == kinds, [str(each) for each in report.anomalies]
    for anomaly in report.anomalies:
        assert all(2 <= line <= len(good) + 1 for line in anomaly.lines)


def test_what_was_sent_before_a_deletion_may_have_the_text(good: Lines) -> None:
    told = [at for at in frames(good, "message_edited") if good[at]["socket"] == "3"]
    assert good[told[0]]["frame"]["content"] == SECRET
    assert verdict(good).good


def test_a_page_of_the_log_is_what_its_events_make(good: Lines) -> None:
    events = log(good)["events"]
    there = {each["message"]["message_id"]: each["message"] for each in events if "message" in each}
    assert Fold(events).messages == there
