"""The checker of histories: a good one, recorded from a real server, passes; every anomaly that is planted in it is named."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio

from salon.loadtests.checker.anomaly import KINDS
from salon.loadtests.checker.checker import Report, judge
from salon.loadtests.checker.history import Header, HistoryError, HistoryFile, Recorder, parse, read
from salon.loadtests.checker.recorded import RecordedClient
from salon.web.client import Client, Refused, Socket
from tests import processes
from tests.patience import PATIENCE
from tests.server import ServerProcess

Line = dict[str, Any]
Lines = list[Line]


async def until(socket: Socket, sequence: int) -> None:
    """Read on until this event has come."""
    with trio.fail_after(PATIENCE):
        while (frame := await socket.receive_json()).get("sequence_id") != sequence:
            assert frame["type"] != "error", frame


async def say(socket: Socket, key: str) -> None:
    """Send a message, and wait for its receipt."""
    content = f"said under {key}"
    await socket.send_json({"type": "message", "content": content, "client_message_id": key})
    with trio.fail_after(PATIENCE):
        while (await socket.receive_json()).get("client_message_id") != key:
            pass


async def record(url: str, recorder: Recorder) -> None:
    """Three people talk; one loses a connection, one posts over HTTP and again, one leaves, one is refused."""
    tokens = {"test_user_1": "test_token_1", "test_user_2": "test_token_2"}
    ada, ben = (
        RecordedClient(url, recorder, person, token=token) for person, token in tokens.items()
    )
    cleo = RecordedClient(url, recorder, "test_user_3", token="test_token_3")
    # By their own names: another would be put right by an event when they first come.
    others = [{"user_id": ben.person, "name": "Bob"}, {"user_id": cleo.person, "name": "Cleo"}]
    others.append({"user_id": "test_agent", "name": "Agent"})
    talk = (await ada.create("Talk", others))["conversation_id"]
    async with ada.socket(talk, 0) as at_ada:
        async with ben.socket(talk, 0) as at_ben, cleo.socket(talk) as at_cleo:
            for number in range(3):
                await say(at_ada, f"ada-{number}")
                await say(at_ben, f"ben-{number}")
            await until(at_cleo, 7)
        recorder.note("ben is away")
        await say(at_ada, "ada-3")
        await cleo.post(talk, "over HTTP", "cleo-0")
        await cleo.post(talk, "over HTTP", "cleo-0")
        with pytest.raises(Refused, match="KEY_REUSED"):
            await cleo.post(talk, "something else", "cleo-0")
        async with ben.socket(talk, 7) as at_ben, cleo.socket(talk, 7) as at_cleo:
            await say(at_ben, "ben-3")
            await say(at_ada, "ada-4")
            await until(at_ben, 11)
            await until(at_cleo, 11)
            await cleo.leave(talk)
            await until(at_ada, 12)
            await at_ben.send_json({"type": "sync", "last_sequence_id": 9})
            await until(at_ben, 11)
            await until(at_ben, 12)
            await say(at_ada, "ada-5")
            await say(at_ben, "ben-4")
            await until(at_ada, 14)
            await until(at_ben, 14)
            await answer(url, talk)
            await until(at_ada, 16)
            await until(at_ben, 16)
            await ada.record_log(talk)


async def answer(url: str, talk: str) -> None:
    """The run of an agent, from its start to its message."""
    async with Client(url, token="agent_token") as agent:
        await agent.start_run(talk, "r", f"{talk}-14")
        await agent.extend_run(talk, "r", 0, "Fish ")
        await agent.extend_run(talk, "r", 5, "and chips")
        await agent.end_run(talk, "r", offset=14)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file with the good history."""
    folder = tmp_path_factory.mktemp("check")
    server = ServerProcess(folder)
    path = folder / "history.jsonl"
    try:
        with HistoryFile(path, "the tests") as file:
            trio.run(record, server.url, Recorder(file.write))
        yield path
    finally:
        server.stop()


@pytest.fixture
def good(recorded: Path) -> Lines:
    """Its lines after the header."""
    return [json.loads(line) for line in recorded.read_text().splitlines()[1:]]


def verdict(lines: Lines) -> Report:
    """The checker's, on these lines."""
    text = [Header().model_dump_json(), *map(json.dumps, lines)]
    return judge(parse(line.encode() for line in text))


# --- words for planting ---------------------------------------------------------------------------


def frames(lines: Lines, *kinds: str) -> list[int]:
    """Where frames of these types were received."""
    return [
        at
        for at, line in enumerate(lines)
        if line["record"] == "received" and line["frame"]["type"] in kinds
    ]


def log(lines: Lines) -> Line:
    return next(line for line in lines if line["record"] == "log")


def everywhere(lines: Lines, sequence: int) -> list[Line]:
    """An event as each reader and the log has it."""
    received = [lines[at]["frame"] for at in frames(lines, "message", "participant_left")]
    return [each for each in [*received, *log(lines)["events"]] if each["sequence_id"] == sequence]


def messages(lines: Lines) -> list[int]:
    """The sequences of the messages."""
    return [event["sequence_id"] for event in log(lines)["events"] if event["type"] == "message"]


def without(lines: Lines, sequence: int) -> Lines:
    """Nobody is sent the event, and the log does not have it."""
    log(lines)["events"] = [e for e in log(lines)["events"] if e["sequence_id"] != sequence]
    gone = [
        at
        for at in frames(lines, "message", "participant_left", "run_started")
        if lines[at]["frame"]["sequence_id"] == sequence
    ]
    return [line for at, line in enumerate(lines) if at not in gone]


def pairs(lines: Lines) -> list[tuple[int, int]]:
    """Where two events follow one another on a socket."""
    found, before = [], {}
    for at in frames(lines, "message"):
        socket = lines[at]["socket"]
        if socket in before and (
            lines[before[socket]]["frame"]["sequence_id"] + 1 == lines[at]["frame"]["sequence_id"]
        ):
            found.append((before[socket], at))
        before[socket] = at
    return found


# --- what is planted ------------------------------------------------------------------------------


def lose_the_last(lines: Lines, chance: Random) -> Lines:
    """The last message of a person, and what came of it."""
    head = log(lines)["head"]
    log(lines)["head"] = head - 3
    for sequence in range(head - 2, head + 1):
        lines = without(lines, sequence)
    return lines


def lose_one(lines: Lines, chance: Random) -> Lines:
    return without(lines, chance.choice(messages(lines)[1:-1]))


def store_twice(lines: Lines, chance: Random) -> Lines:
    page = log(lines)
    copy = deepcopy(chance.choice([e for e in page["events"] if e["type"] == "message"]))
    copy["sequence_id"] = copy["message"]["sequence_id"] = page["head"] = page["head"] + 1
    copy["message"]["timestamp"] = page["events"][-1]["message"]["timestamp"]
    page["events"].append(copy)
    end = lines.index(page)
    for at in range(end - 1, -1, -1):
        if lines[at]["record"] == "connect" and lines[at]["socket"] in ("1", "4"):
            lines.insert(end, {**lines[at], "record": "received", "frame": deepcopy(copy)})
    return lines


def deliver_twice(lines: Lines, chance: Random) -> Lines:
    at = chance.choice(frames(lines, "message"))
    lines.insert(at + 1, deepcopy(lines[at]))
    return lines


def leave_out(lines: Lines, chance: Random) -> Lines:
    first, _ = chance.choice(pairs(lines))
    del lines[first]
    return lines


def say_it_otherwise(lines: Lines, chance: Random) -> Lines:
    lines[chance.choice(frames(lines, "message"))]["frame"]["message"]["content"] = "otherwise"
    return lines


def swap(lines: Lines, chance: Random) -> Lines:
    first, second = chance.choice(pairs(lines))
    lines[first]["frame"], lines[second]["frame"] = lines[second]["frame"], lines[first]["frame"]
    return lines


def forget_the_head(lines: Lines, chance: Random) -> Lines:
    at = [at for at in frames(lines, "connected") if lines[at]["frame"]["head_sequence_id"] > 6]
    lines[chance.choice(at)]["frame"]["head_sequence_id"] = 5
    return lines


def catch_up_to_less(lines: Lines, chance: Random) -> Lines:
    at = [at for at in frames(lines, "caught_up") if lines[at]["frame"]["sequence_id"] > 6]
    lines[chance.choice(at)]["frame"]["sequence_id"] -= 1
    return lines


def catch_up_to_more(lines: Lines, chance: Random) -> Lines:
    lines[frames(lines, "caught_up")[-1]]["frame"]["sequence_id"] += 1
    return lines


def turn_the_clock_back(lines: Lines, chance: Random) -> Lines:
    key = f"ada-{chance.randrange(2, 6)}"
    for event in log(lines)["events"]:
        if event.get("message", {}).get("client_message_id") == key:
            for each in everywhere(lines, event["sequence_id"]):
                each["message"]["timestamp"] = "2000-01-01T00:00:00.000Z"
    for at in frames(lines, "message_ack"):
        if lines[at]["frame"]["client_message_id"] == key:
            lines[at]["frame"]["timestamp"] = "2000-01-01T00:00:00.000Z"
    return lines


def show_what_is_not_there(lines: Lines, chance: Random) -> Lines:
    at = frames(lines, "message")[-1]
    more = deepcopy(lines[at])
    more["frame"]["sequence_id"] = log(lines)["head"] + 1
    more["frame"]["message"].update(sender_id="somebody", client_message_id="x")
    lines.insert(at + 1, more)
    return lines


def commit_late(lines: Lines, chance: Random) -> Lines:
    at = chance.choice(frames(lines, "message", "message_ack"))
    frame = lines[at]["frame"]
    early = {**lines[at], "record": "committed", "sequence": frame["sequence_id"] - 1}
    late = {**early, "sequence": log(lines)["head"]}
    return [*lines[:at], early, lines[at], late, *lines[at + 1 :]]


def contradict(lines: Lines, chance: Random) -> Lines:
    field = chance.choice(["sequence_id", "message_id", "timestamp"])
    receipt = lines[chance.choice(frames(lines, "message_ack"))]["frame"]
    receipt[field] = receipt[field] - 1 if field == "sequence_id" else "another"
    return lines


def answer_differently_again(lines: Lines, chance: Random) -> Lines:
    twice = [a for a in frames(lines, "message_ack") if lines[a]["socket"] is None]
    lines[twice[-1]]["frame"]["event_hash"] = "another"
    return lines


def confirm_what_was_not_sent(lines: Lines, chance: Random) -> Lines:
    at = chance.choice(frames(lines, "message_ack"))
    lines.insert(at + 1, deepcopy(lines[at]))
    lines[at + 1]["frame"]["client_message_id"] = "never sent"
    return lines


def refuse(lines: Lines, chance: Random) -> Lines:
    at = chance.choice([a for a in frames(lines, "message_ack") if lines[a]["socket"]])
    key = lines[at]["frame"]["client_message_id"]
    lines[at]["frame"] = {"type": "error", "code": "QUEUE_FULL", "client_message_id": key}
    return lines


def put_words_in_a_mouth(lines: Lines, chance: Random) -> Lines:
    for each in everywhere(lines, chance.choice(messages(lines))):
        each["message"]["content"] = "what was never said"
    return lines


def keep_the_end_back(lines: Lines, chance: Random) -> Lines:
    del lines[frames(lines, "message")[-1]]
    return lines


def stay_silent(lines: Lines, chance: Random) -> Lines:
    acks = [a for a in frames(lines, "message_ack") if lines[a]["socket"] in ("1", "4")]
    del lines[chance.choice(acks)]
    return lines


def tell_an_outsider(lines: Lines, chance: Random) -> Lines:
    at = max(at for at in frames(lines, "message") if lines[at]["socket"] == "5")
    later = [event for event in log(lines)["events"] if event["sequence_id"] > 11]
    told = [{**lines[at], "frame": deepcopy(event)} for event in later]
    end = max(frames(lines, "message")) + 1
    return [*lines[:end], *told, *lines[end:]]


def lose_a_delta(lines: Lines, chance: Random) -> Lines:
    del lines[chance.choice(frames(lines, "delta"))]
    return lines


def go_on_after_the_end(lines: Lines, chance: Random) -> Lines:
    late = frames(lines, "message")[-1] + 1
    return [*lines[:late], deepcopy(lines[frames(lines, "delta")[-1]]), *lines[late:]]


def end_another_run(lines: Lines, chance: Random) -> Lines:
    for each in everywhere(lines, 16):
        each["message"]["run_id"] = "another"
    return lines


def answer_an_agent(lines: Lines, chance: Random) -> Lines:
    for each in everywhere(lines, 14):
        each["message"]["sender_type"] = "agent"
    return lines


def begin_another_log(lines: Lines, chance: Random) -> Lines:
    lines[frames(lines, "connected")[-1]]["frame"]["epoch"] = "another"
    return lines


PLANTED: list[tuple[Callable[[Lines, Random], Lines], set[str]]] = [
    (lose_the_last, {"lost"}),
    (lose_one, {"lost", "gap"}),
    (store_twice, {"duplicate"}),
    (deliver_twice, {"duplicate"}),
    (leave_out, {"gap"}),
    (say_it_otherwise, {"disagree"}),
    (swap, {"reordered"}),
    (forget_the_head, {"non-monotonic"}),
    (catch_up_to_less, {"non-monotonic"}),
    (catch_up_to_more, {"gap"}),
    (turn_the_clock_back, {"non-monotonic"}),
    (show_what_is_not_there, {"uncommitted"}),
    (lose_a_delta, {"delta"}),
    (go_on_after_the_end, {"delta"}),
    (end_another_run, {"run"}),
    (answer_an_agent, {"hops"}),
    (commit_late, {"uncommitted"}),
    (contradict, {"receipt"}),
    (answer_differently_again, {"receipt"}),
    (confirm_what_was_not_sent, {"receipt"}),
    (refuse, {"refused"}),
    (put_words_in_a_mouth, {"invented"}),
    (keep_the_end_back, {"unseen"}),
    (stay_silent, {"unanswered"}),
    (tell_an_outsider, {"outsider"}),
    (begin_another_log, {"epoch"}),
]


def test_a_good_history_passes(good: Lines) -> None:
    report = verdict(good)
    assert report.anomalies == ()
    assert report.good
    assert (report.conversations, report.people) == (1, 3)
    assert report.sent == report.acknowledged == 12
    assert report.delivered == sum(
        len(frames(good, kind))
        for kind in ("message", "participant_left", "conversation_created", "run_started")
    )


def test_every_kind_of_anomaly_is_planted_below() -> None:
    """Those of changed messages are in test_check_changes.py, others in test_check_rights.py and test_check_operators.py."""
    of_changes = {"change", "fold", "erased", "rights", "hidden", "access", "unwanted", "untold"}
    assert set().union(*(kinds for _, kinds in PLANTED)) == set(KINDS) - of_changes


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("plant", "kinds"), PLANTED, ids=[each.__name__ for each, _ in PLANTED])
def test_what_is_planted_is_named(
    good: Lines, plant: Callable[[Lines, Random], Lines], kinds: set[str], seed: int
) -> None:
    planted = plant(deepcopy(good), Random(seed))
    report = verdict(planted)
    assert set(report.counts) == kinds, [str(each) for each in report.anomalies]
    for anomaly in report.anomalies:
        assert anomaly.lines, "evidence is named"
        assert all(2 <= line <= len(planted) + 1 for line in anomaly.lines)


def test_the_evidence_is_where_it_was_planted(good: Lines) -> None:
    at = frames(good, "message")[5]
    line, there = at + 2, good[at]  # after the header, counted from 1
    otherwise = {**there["frame"]["message"], "sender_id": "x", "content": ""}
    good[at] = {**there, "frame": {**there["frame"], "message": otherwise}}
    anomaly = next(each for each in verdict(good).anomalies if each.socket == there["socket"])
    assert anomaly.kind == "disagree"
    assert anomaly.lines[-1] == line
    assert (anomaly.person, anomaly.sequence) == (there["person"], there["frame"]["sequence_id"])


def test_a_gap_that_the_client_had_to_repair_by_asking_is_a_gap(good: Lines) -> None:
    first, second = pairs(good)[2]
    sequence = good[first]["frame"]["sequence_id"]
    ask = {**good[first], "record": "sync", "after": sequence - 1}
    moved = [good[first], good[second]]
    planted = [*good[:first], *good[first + 1 : second + 1], ask, *moved, *good[second + 1 :]]
    assert set(verdict(planted).counts) == {"gap"}


def test_deltas_that_were_under_way_when_a_reader_asked_again_are_no_anomaly(good: Lines) -> None:
    first, *_, last = [at for at in frames(good, "delta") if good[at]["socket"] == "1"]
    assert good[first]["frame"]["offset"] < good[last]["frame"]["offset"]
    ask = {**good[first], "record": "sync", "after": log(good)["head"] - 1}
    del ask["frame"]
    assert verdict([*good[:last], ask, *good[last:]]).anomalies == ()


def test_what_was_asked_for_twice_may_come_twice_and_not_three_times(good: Lines) -> None:
    sync = next(at for at, line in enumerate(good) if line["record"] == "sync")
    events = frames(good, "message", "participant_left")
    mine = [at for at in events if at > sync and good[at]["socket"] == good[sync]["socket"]]
    first = next(at for at in mine if good[at]["frame"]["sequence_id"] == 10)
    again = mine[mine.index(first) : mine.index(first) + 3]
    answer = [deepcopy(good[at]) for at in again]
    assert [line["frame"]["sequence_id"] for line in answer] == [10, 11, 12]
    twice = [*good[: again[-1] + 1], good[sync], *answer, *good[again[-1] + 1 :]]
    assert verdict(twice).anomalies == ()
    thrice = [*good[: again[-1] + 1], good[sync], *answer, *answer, *good[again[-1] + 1 :]]
    assert set(verdict(thrice).counts) == {"duplicate"}


def test_a_store_that_failed_may_have_stored_it(good: Lines) -> None:
    refuse(good, Random(1))
    for at in frames(good, "error"):
        if good[at]["frame"]["code"] == "QUEUE_FULL":
            good[at]["frame"]["code"] = "STORE_UNAVAILABLE"
    assert verdict(good).anomalies == ()


def test_a_request_that_was_given_up_may_have_stored_what_the_next_one_is_refused(
    good: Lines,
) -> None:
    acks = [at for at in frames(good, "message_ack") if good[at]["socket"] is None]
    key = good[acks[0]]["frame"]["client_message_id"]
    refused = {"type": "error", "code": "NOT_PARTICIPANT", "client_message_id": key}
    good[acks[1]] = {**good[acks[1]], "frame": refused}
    del good[acks[0]]
    assert verdict(good).anomalies == ()


def test_without_the_log_nothing_is_called_good(good: Lines) -> None:
    report = verdict([line for line in good if line["record"] != "log"])
    assert report.anomalies == ()
    assert len(report.unread) == 1
    assert not report.good


def salon_check(path: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return processes.run(["check", path, *flags], timeout=60)


def test_the_page_for_users_has_every_anomaly() -> None:
    page = (Path(__file__).parents[2] / "docs" / "checking.md").read_text()
    for kind, meaning in KINDS.items():
        assert f"| `{kind}` | {meaning} |" in page


class TestTheCommand:
    def test_exits_0_on_a_good_history(self, recorded: Path) -> None:
        result = salon_check(recorded, "--json")
        assert result.returncode == 0, result.stderr
        assert json.loads(result.stdout)["good"] is True

    def test_exits_1_and_names_the_line_on_a_bad_one(self, good: Lines, tmp_path: Path) -> None:
        path = tmp_path / "bad.jsonl"
        lines = map(json.dumps, deliver_twice(good, Random(2)))
        path.write_text("\n".join([Header().model_dump_json(), *lines]))
        result = salon_check(path, "--json")
        assert result.returncode == 1
        report = json.loads(result.stdout)
        assert report["counts"] == {"duplicate": 1}
        assert f"line {report['anomalies'][0]['lines'][0]}" in result.stderr
        assert "duplicate: " in salon_check(path).stdout

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "history.jsonl: line 1: the file is empty"),
            ("{}", "nothing is recorded"),
            ("no JSON", "line 1: Invalid JSON"),
            ('{"record":"history","version":9}', "line 1: version 9"),
            ('{"record":"history"}\n{"record":"shout"}', "line 2: Input tag 'shout'"),
            ('{"record":"history"}\n{"record":"note","at":1}', "line 2: text: Field required"),
            (
                '{"record":"history"}\n{"record":"note","at":1,"text":""}\n{"record":"no',
                "line 3: Invalid JSON",
            ),
            (
                '{"record":"history"}\n{"record":"connect","at":1,"conversation":"c","person":"p","socket":"1"}\n'
                '{"record":"received","at":1,"conversation":"c","person":"p","socket":"1","frame":{"type":"connected"}}',
                "line 3: a frame that is not as the contract has it",
            ),
        ],
    )
    def test_exits_2_on_what_is_no_history_and_says_where(
        self, text: str, said: str, tmp_path: Path
    ) -> None:
        path = tmp_path / "history.jsonl"
        path.write_text(text)
        result = salon_check(path)
        assert result.returncode == 2
        assert said in result.stdout

    def test_exits_2_where_there_is_no_file(self, tmp_path: Path) -> None:
        result = salon_check(tmp_path / "none.jsonl")
        assert result.returncode == 2
        assert "No such file" in result.stdout

    def test_judges_what_the_load_tool_writes(self, tmp_path: Path) -> None:
        path = tmp_path / "load.jsonl"
        words = ["load", "day", "--rooms", "3", "--serve", "--seconds", "1"]
        words += ["--set", "warm_up=0.2", "--set", "leaving=5", "--set", "churn=10"]
        loaded = processes.run([*words, "--history", path], timeout=100)
        assert loaded.returncode == 0, loaded.stdout + loaded.stderr
        result = salon_check(path, "--json")
        assert result.returncode == 0, result.stderr
        report = json.loads(result.stdout)
        assert report["delivered"] > report["acknowledged"] > 0


def test_a_history_that_was_cut_off_is_read_up_to_there(recorded: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl"
    path.write_bytes(recorded.read_bytes()[:-20])
    lines = read(path)
    with pytest.raises(HistoryError, match="line "):
        list(lines)
