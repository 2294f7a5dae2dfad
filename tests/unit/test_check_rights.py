"""The checker of rights: a log in which everybody kept to their rights passes, and whatever breaks one is named."""

from __future__ import annotations

from typing import Any

import pytest

from salon.loadtests.checker.checker import Report, judge
from salon.loadtests.checker.history import Recorder
from salon.loadtests.checker.rights_log import faults

Event = dict[str, Any]
ADA, BEN, CLEO, DAN = "ada", "ben", "cleo", "dan"


def at(second: float) -> str:
    """A time in the log."""
    return f"2026-01-31T12:{int(second) // 60:02d}:{second % 60:06.3f}Z"


def who(person: str) -> Event:
    return {"id": person, "name": person.title(), "type": "human"}


def created(**more: Any) -> Event:
    people = [{**who(ADA), "role": "owner"}, {**who(BEN), "role": "moderator"}]
    people.append({**who(CLEO), "role": "member"})
    common = {"type": "conversation_created", "participants": people, "join": "invite"}
    return {**common, "members_invite": True, **more}


def said(sender: str) -> Event:
    return {
        "type": "message",
        "message": {"sender_id": sender, "sender_type": "human", "content": "hi"},
    }


def on(kind: str, person: str, by: str, **more: Any) -> Event:
    return {"type": f"participant_{kind}", "participant": who(person), "by": by, **more}


def role(person: str, to: str, by: str) -> Event:
    return {
        "type": "participant_role_changed",
        "participant_id": person,
        "role": to,
        "by": by,
    }


def joined(person: str, **more: Any) -> Event:
    return {"type": "participant_joined", "participant": who(person), "role": "member", **more}


def invited(by: str, **more: Any) -> Event:
    return {"type": "invite_created", "invite_id": "i", "role": "member", "by": by, **more}


def log(*events: Event, step: float = 1) -> list[Event]:
    """A log, one event each second."""
    whole = []
    for sequence, event in enumerate(events, 1):
        time = {"sequence_id": sequence, "timestamp": at(sequence * step)}
        if event["type"] == "message":
            message = {**event["message"], **time, "message_id": f"c-{sequence}"}
            whole.append({**event, "sequence_id": sequence, "message": message})
        else:
            whole.append({**event, **time})
    return whole


GOOD: list[list[Event]] = [
    [created(), said(CLEO), on("muted", CLEO, BEN, until=at(4)), said(CLEO)],
    [created(), on("banned", CLEO, BEN, until=at(4)), said(BEN), joined(CLEO, invited_by=BEN)],
    [created(), invited(CLEO, max_uses=1), joined(DAN, invited_by=CLEO, invite_id="i")],
    [created(), role(CLEO, "moderator", ADA), on("banned", DAN, CLEO)],
    [created(), {"type": "join_requested", "participant": who(DAN)}, joined(DAN, invited_by=BEN)],
    [created(), on("left", ADA, ""), on("muted", CLEO, BEN)],
    [created(slow_mode=1), said(CLEO), said(CLEO)],
    [created(slow_mode=9), said(BEN), said(BEN)],
]
BAD: list[tuple[str, list[Event]]] = [
    ("may not post", [created(), said(DAN)]),
    ("may not post", [created(), on("removed", CLEO, BEN), said(CLEO)]),
    ("who is muted", [created(), on("muted", CLEO, BEN), said(CLEO)]),
    ("less than 9 s", [created(slow_mode=9), said(CLEO), said(CLEO)]),
    ("by cleo, who may not", [created(), on("removed", BEN, CLEO)]),
    ("by ben, who may not", [created(), role(CLEO, "moderator", ADA), on("muted", CLEO, BEN)]),
    ("by ben, who may not", [created(), on("banned", ADA, BEN)]),
    ("last owner", [created(), role(ADA, "member", ADA)]),
    ("nobody has let in", [created(), joined(DAN)]),
    ("who is banned", [created(), on("banned", DAN, BEN), joined(DAN, invited_by=ADA)]),
    ("may not let in", [created(), joined(DAN, invited_by=CLEO) | {"role": "moderator"}]),
    (
        "over after 1 uses",
        [
            created(),
            invited(CLEO, max_uses=1),
            joined(DAN, invited_by=CLEO, invite_id="i"),
            joined("eve", invited_by=CLEO, invite_id="i"),
        ],
    ),
    (
        "is over",
        [
            created(),
            invited(CLEO, expires_at=at(3)),
            joined(DAN, invited_by=CLEO, invite_id="i"),
        ],
    ),
    ("of two people", [created(direct=True), joined(DAN, invited_by=ADA)]),
    ("by ben, who may not", [created(), {"type": "conversation_updated", "title": "T", "by": BEN}]),
]


@pytest.mark.parametrize("events", GOOD)
def test_who_keeps_to_their_rights_is_not_named(events: list[Event]) -> None:
    assert list(faults(log(*events), steady=True)) == []


@pytest.mark.parametrize(("words", "events"), BAD)
def test_who_does_what_they_may_not_is_named(words: str, events: list[Event]) -> None:
    found = list(faults(log(*events), steady=True))
    assert [each.kind for each in found] == ["rights"]
    assert words in found[0].text
    assert found[0].sequence == len(events)


def test_where_the_log_s_time_stands_still_slow_mode_is_not_judged() -> None:
    events = log(created(slow_mode=9), said(CLEO), said(CLEO), step=0)
    assert list(faults(events)) == []
    assert len(list(faults(events, steady=True))) == 1


def history(*, first: int) -> Report:
    """Dan came in with the second event, and reads a page and a socket from the sequence `first` on."""
    events = log(created(history="since_join", join="open"), joined(DAN), said(CLEO))
    records: list[Any] = []
    recorder = Recorder(records.append, lambda: float(len(records)))
    line = recorder.connect("c", DAN, None)
    line.took(
        {
            "type": "connected",
            "epoch": "e",
            "head_sequence_id": 3,
            "first_sequence_id": first,
            "resume": "fresh",
        }
    )
    for event in events[first - 1 :]:
        line.took(event)
    recorder.over_http("c", DAN).page(recorder.clock(), events[first - 1 :])
    recorder.log("c", 0, 3, events)
    return judge(enumerate(records, 2))


def test_what_was_before_one_came_is_not_read_where_it_is_not_for_them() -> None:
    assert history(first=2).anomalies == ()
    assert history(first=1).counts == {"hidden": 2}


def test_nobody_is_let_in_and_reads_after_a_deletion_was_answered() -> None:
    records: list[Any] = []
    recorder = Recorder(records.append, lambda: float(len(records)))
    before = recorder.over_http("c", CLEO)
    since = recorder.clock()
    recorder.over_http("c", ADA).deleted()
    before.page(since - 1, [])
    assert judge(enumerate(records, 2)).good, "it was asked for before"
    late = recorder.connect("c", BEN, None)
    late.took(
        {
            "type": "connected",
            "epoch": "e",
            "head_sequence_id": 3,
            "first_sequence_id": 1,
            "resume": "fresh",
        }
    )
    before.page(recorder.clock(), log(created()))
    assert judge(enumerate(records, 2)).counts == {"erased": 2}
