"""The client's side of a run: whatever is lost, refused or forgotten on the way, the server has all that was said in the end."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salon.web.client import Frame, Refused
from salon.web.client.run_outbox import DELTA_EVERY, PIECE, RunOutbox
from tests.examples import examples


class OneRun:
    """What a server knows of one run, and how it answers."""

    def __init__(self) -> None:
        self.text: str | None = None
        self.ended: str | None = None
        self.busy = 0
        self.frames: list[Frame] = []

    def take(self, frame: Frame) -> Frame | None:
        """The answer to a frame; a delta that is taken has none."""
        self.frames.append(frame)
        kind = frame["type"]
        if self.busy:
            self.busy -= 1
            return refused("QUEUE_FULL", temporary=True, retry_after=0.5)
        if self.ended is not None:
            return (
                refused("RUN_ENDED")
                if kind == "delta"
                else position(self.ended, len(self.text or ""))
            )
        if kind == "run_start":
            self.text = self.text or ""
            return position("open", len(self.text))
        if self.text is None:
            return refused("RUN_NOT_FOUND")
        if kind == "delta":
            known = self.text[frame["offset"] :]
            if frame["offset"] > len(self.text) or not frame["text"].startswith(known):
                if not known.startswith(frame["text"]):
                    return refused("OFFSET_MISMATCH", expected_offset=len(self.text))
                return None
            self.text = self.text[: frame["offset"]] + frame["text"]
            return None
        if kind == "run_end":
            if frame["offset"] != len(self.text):
                return refused("OFFSET_MISMATCH", expected_offset=len(self.text))
            self.ended = frame["status"]
            return position(self.ended, len(self.text))
        return position("open", len(self.text))


def position(status: str, offset: int) -> Frame:
    return {"type": "run_ack", "run_id": "r", "status": status, "offset": offset}


def refused(code: str, **more: Any) -> Frame:
    return {"type": "error", "run_id": "r", "code": code, "error": "no", **more}


def hear(outbox: RunOutbox, answer: Frame | None, now: float) -> None:
    if answer is None:
        return
    if answer["type"] == "run_ack":
        outbox.acknowledge(answer)
    else:
        error = Refused(answer)
        outbox.refuse(error, now, error.retry_after or 0.1)


DEEDS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.text(min_size=1, max_size=5)),
        st.tuples(st.sampled_from(["turn", "drop", "lose answers", "busy"]), st.just("")),
        st.tuples(st.just("kill"), st.integers(0, 12).map(str)),
    ),
    max_size=40,
)


@settings(max_examples=examples(300))
@given(DEEDS)
def test_whatever_happens_on_the_way_all_that_was_said_is_there_in_the_end(
    deeds: list[tuple[str, str]],
) -> None:
    outbox, server, now, said = RunOutbox("r", None), OneRun(), 0.0, ""
    for deed, detail in deeds:
        now += DELTA_EVERY / 2
        match deed:
            case "say":
                said += detail
                outbox.say(detail)
            case "turn":
                for answer in [server.take(frame) for frame in outbox.frames(now)]:
                    hear(outbox, answer, now)
            case "drop":
                outbox.frames(now)  # written, and lost with the connection
                outbox.rewind()
            case "lose answers":
                for frame in outbox.frames(now):
                    server.take(frame)
                outbox.rewind()
            case "busy":
                server.busy += 1
            case "kill":
                if server.text is not None:
                    server.text = server.text[: max(0, len(server.text) - int(detail))]
                outbox.rewind()
    outbox.end(status="complete")
    for _ in range(50):
        now += 1.0
        for answer in [server.take(frame) for frame in outbox.frames(now)]:
            hear(outbox, answer, now)
        if outbox.over.is_set():
            break
    assert outbox.error is None
    assert outbox.result is not None
    assert (server.ended, server.text) == ("complete", said)


def test_words_said_close_together_are_one_delta() -> None:
    outbox, server = RunOutbox("r", "m"), OneRun()
    hear(outbox, server.take(outbox.frames(0.0)[0]), 0.0)
    assert server.frames[0] == {"type": "run_start", "run_id": "r", "reply_to": "m"}
    outbox.say("a")
    assert [frame["text"] for frame in outbox.frames(1.0)] == ["a"]
    outbox.say("b")
    outbox.say("c")
    assert outbox.frames(1.01) == []
    assert outbox.delay(1.01) == pytest.approx(0.04)
    assert [(frame["offset"], frame["text"]) for frame in outbox.frames(1.05)] == [(1, "bc")]
    assert outbox.delay(1.05) == math.inf


def test_a_long_text_goes_out_in_pieces_that_fit_a_frame() -> None:
    outbox = RunOutbox("r", None)
    outbox.frames(0.0)
    hear(outbox, position("open", 0), 0.0)
    outbox.say("😀" * (PIECE + 3))
    assert [len(frame["text"]) for frame in outbox.frames(1.0)] == [PIECE, 3]


def test_a_program_that_starts_anew_goes_on_behind_what_another_has_said() -> None:
    outbox, server = RunOutbox("r", None), OneRun()
    server.text = "said before, "
    outbox.say("and now")
    for now in (0.0, 1.0):
        for frame in outbox.frames(now):
            hear(outbox, server.take(frame), now)
    assert server.text == "said before, and now"


@pytest.mark.parametrize("code", ["FORBIDDEN", "NOT_PARTICIPANT", "KEY_REUSED"])
def test_a_run_that_is_not_this_agents_fails_at_once(code: str) -> None:
    outbox = RunOutbox("r", None)
    outbox.frames(0.0)
    hear(outbox, refused(code), 0.0)
    assert isinstance(outbox.error, Refused)
    assert outbox.over.is_set()
    assert outbox.frames(9.0) == []


@pytest.mark.parametrize("code", ["MESSAGE_TOO_LARGE", "INVALID_FORMAT"])
def test_a_run_that_takes_no_more_is_ended_with_what_is_there_and_the_agent_is_told(
    code: str,
) -> None:
    outbox = RunOutbox("r", None)
    outbox.frames(0.0)
    hear(outbox, position("open", 0), 0.0)
    outbox.say("too much")
    outbox.frames(1.0)
    hear(outbox, refused(code), 1.0)
    outbox.say("and more")
    assert outbox.frames(2.0) == [{"type": "run_end", "run_id": "r", "status": "interrupted"}]
    hear(outbox, position("interrupted", 0), 2.0)
    assert isinstance(outbox.error, Refused)
    assert outbox.over.is_set()


def test_another_process_that_speaks_in_the_run_ends_it_here() -> None:
    outbox = RunOutbox("r", None)
    outbox.frames(0.0)
    hear(outbox, position("open", 0), 0.0)
    outbox.say("mine")
    outbox.frames(1.0)
    hear(outbox, refused("OFFSET_MISMATCH", expected_offset=9), 1.0)
    assert isinstance(outbox.error, Refused)
    assert outbox.delay(1.0) == math.inf


def test_what_a_run_does_is_sent_after_what_it_has_said() -> None:
    outbox = RunOutbox("r", None)
    outbox.frames(0.0)
    hear(outbox, position("open", 0), 0.0)
    outbox.say("Let me look")
    outbox.frames(1.0)
    outbox.say(" that up")
    outbox.show("tool", "looks")
    assert [frame["type"] for frame in outbox.frames(1.0)] == ["delta", "run_status"]


def test_half_a_character_is_said_as_one_that_stands_for_it() -> None:
    outbox = RunOutbox("r", None)
    outbox.say("a\ud800b")
    assert outbox.text == "a\ufffdb"
