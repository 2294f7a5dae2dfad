"""The checker of what operators want: webhooks are told all in order, ended tokens open nothing, the erased leave nothing."""

from __future__ import annotations

from typing import Any

import pytest

from salon.loadtests.checker.checker import Report, judge
from salon.loadtests.checker.history import Line, Recorder
from tests.unit.test_check_rights import ADA, BEN, CLEO, created, log, said

Event = dict[str, Any]
PHONE, LAPTOP = "phone", "laptop"  # tokens
EVENTS = log(created(join="open"), said(BEN), said(CLEO), said(BEN))


class History:
    """What is recorded of one conversation; the clock goes on by a second with each record."""

    def __init__(self) -> None:
        self.records: list[Any] = []
        self.recorder = Recorder(self.records.append, lambda: float(len(self.records)))
        self.recorder.subscriber("shop", ["message"], None)

    def tell(self, *sequences: int, taken: bool = True, since: float | None = None) -> History:
        """Tell the shop of these events."""
        for sequence in sequences:
            at = self.recorder.clock() if since is None else since
            self.recorder.delivery("c", "shop", at, EVENTS[sequence - 1], taken=taken)
        return self

    def connect(self, token: str | None = None, after: int | None = None) -> Line:
        """Have Ada ask for a socket."""
        return self.recorder.connect("c", ADA, after, token)

    def judged(self, events: list[Event] | None = None) -> Report:
        """The verdict once the log was read."""
        there = EVENTS if events is None else events
        self.recorder.log("c", 0, len(there), there)
        return judge(enumerate(self.records, 2))


def let_in(line: Line) -> Line:
    """Answer a socket, and send it the whole log."""
    numbers = {"head_sequence_id": 4, "first_sequence_id": 1, "resume": "fresh", "epoch": "e"}
    line.took({"type": "connected", **numbers})
    return line


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ((2, 3, 4), set()),
        ((2, 3, 2, 3, 4, 4), set()),
        ((2, 4, 3), {"reordered"}),
        ((2, 3), {"untold"}),
        ((1, 2, 3, 4), {"unwanted"}),
        ((), {"untold"}),
    ],
)
def test_a_subscriber_is_told_all_that_it_wants_in_order(
    told: tuple[int, ...], found: set[str]
) -> None:
    assert set(History().tell(*told).judged().counts) == found


def test_what_a_subscriber_refuses_comes_again_before_all_else() -> None:
    again = History().tell(2).tell(3, taken=False).tell(3, 4)
    assert again.judged().good
    given_up = History().tell(2).tell(3, taken=False).tell(4)
    assert given_up.judged().counts == {"reordered": 1}


def test_a_subscriber_is_not_told_a_text_that_was_known_to_be_deleted_when_it_was_read() -> None:
    deleted = {"type": "message_deleted", "message_id": "c-2", "by": BEN, "sequence_id": 5}
    for since, found in (0.0, {}), (None, {"erased": 1}):
        history = History()
        let_in(history.connect(after=4)).took(deleted)
        report = judge(enumerate(history.tell(2, since=since).records, 2))
        assert {kind: n for kind, n in report.counts.items() if kind == "erased"} == found


def test_a_token_that_has_ended_opens_nothing_and_is_answered_nothing() -> None:
    history = History().tell(2, 3, 4)
    before = history.recorder.over_http("c", ADA, PHONE)
    history.recorder.ending(ADA, PHONE, "asked")
    history.recorder.ending(ADA, PHONE, "told")
    before.page(before._recorder.clock() - 3, [])
    assert history.judged().good, "it was asked for before"
    let_in(history.connect(PHONE))
    history.recorder.over_http("c", ADA, PHONE).page(history.recorder.clock(), [])
    let_in(history.connect(LAPTOP))
    counts = judge(enumerate(history.records, 2)).counts
    assert counts["access"] == 2


def test_who_is_shut_out_gets_nothing_that_comes_a_second_later_until_it_is_lifted() -> None:
    history = History().tell(2, 3, 4)
    socket = let_in(history.connect(PHONE))
    history.recorder.ending(ADA, None, "told")
    history.recorder.committed("c", 3)
    socket.took(EVENTS[0])
    assert "access" not in judge(enumerate(history.records, 2)).counts, "a second is not over"
    history.recorder.note("time goes on")
    history.recorder.committed("c", 4)
    for event in EVENTS[1:]:
        socket.took(event)
    counts = judge(enumerate(history.records, 2)).counts
    assert counts["access"] == 1
    history.recorder.ending(ADA, None, "lifted")
    let_in(history.connect(PHONE))
    assert judge(enumerate(history.records, 2)).counts == counts


def test_a_socket_whose_token_is_renewed_ends_with_the_new_one() -> None:
    for renewed in False, True:
        history = History().tell(2, 3, 4)
        socket = let_in(history.connect(PHONE))
        socket.token = lambda: LAPTOP
        if renewed:
            socket.sent('{"type": "auth", "token": "secret"}')
            socket.took({"type": "auth_ack"})
        history.recorder.ending(ADA, PHONE, "asked")
        socket.closed(4500, "identity expired")
        assert history.judged().counts.get("access", 0) == renewed
        assert "secret" not in "".join(map(str, history.records))


def test_nothing_of_an_erased_person_is_read_once_it_is_told() -> None:
    history = History().tell(2, 3, 4)
    early = history.recorder.clock()
    history.recorder.erased(CLEO, [])
    history.recorder.over_http("c", BEN).page(early - 1, [EVENTS[2]])
    assert "erased" not in judge(enumerate(history.records, 2)).counts, "it was read before"
    history.recorder.over_http("c", BEN).page(history.recorder.clock(), [EVENTS[2]])
    replayed = let_in(history.connect())
    for event in EVENTS:
        replayed.took(event)
    history.tell(3)
    assert judge(enumerate(history.records, 2)).counts["erased"] == 3


def test_the_log_has_neither_words_nor_names_of_an_erased_person() -> None:
    gone = {**EVENTS[2]["message"], "content": "", "deleted": True}
    people = [{"id": CLEO, "name": "[erased]", "role": "owner"}]
    clean = {**EVENTS[0], "participants": people}, {**EVENTS[2], "message": gone}
    named = {**clean[0], "title": "A room of Cleo Brown"}
    for first, third, found in (
        (clean[0], clean[1], 0),
        (named, clean[1], 1),
        (clean[0], EVENTS[2], 1),
    ):
        history = History().tell(2, 3, 4)
        history.recorder.erased(CLEO, ["Cleo Brown"])
        report = history.judged([first, EVENTS[1], third, EVENTS[3]])
        assert report.counts.get("erased", 0) == found
