"""What a turn decides, before anything is committed."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pytest

from salon.actors.agent_host import AgentHost, NoAgents
from salon.actors.events import Joined, Left
from salon.actors.limits import Limits
from salon.actors.mailbox import Letter
from salon.actors.messages import (
    Command,
    Create,
    Join,
    Leave,
    MarkRead,
    Post,
    ReadMarked,
    Receipt,
    SetTyping,
)
from salon.actors.model import Entrant, Participant, State
from salon.actors.people import Holds, NoHolds
from salon.actors.refusals import Code, Refusal
from salon.actors.signals import Typing
from salon.actors.sources import Sources
from salon.actors.store import READ_LAG, KeysTaken, Store, event_hash
from salon.actors.subscriber import Codec
from salon.actors.turn import SALT, Turn, known_from
from salon.persistence.memory import MemoryStore
from tests.unit.engine import ADA, BEN, CLEO, EPOCH, PickleCodec, seeded_sources


@dataclass
class Parts:
    """What a turn needs of its surroundings."""

    limits: Limits
    sources: Sources
    codec: Codec
    store: Store
    agent_host: AgentHost = field(default_factory=NoAgents)
    holds: Holds = field(default_factory=NoHolds)


@pytest.fixture
def parts() -> Parts:
    sources = seeded_sources(now=lambda: EPOCH)
    return Parts(Limits(), sources, PickleCodec(), MemoryStore(sources))


def decide(parts: Parts, state: State, *commands: Command, **known: Any) -> Turn:
    return Turn(
        state,
        [Letter(c, None, 0) for c in commands],
        **{"known": {}, **known},
        parts=parts,
    )


@pytest.fixture
def state(parts: Parts) -> State:
    """Ada's conversation with Ben."""
    return decide(parts, State("talk"), Create("talk", ADA, "Title", (Entrant(BEN),))).state


def post(who: Participant, content: str = "hi", key: str | None = None, **more: Any) -> Post:
    return Post("talk", who, content, key, **more)


def outcomes(turn: Turn) -> list[Any]:
    return [outcome for _, outcome in turn.answers]


def test_each_command_is_decided_on_what_those_before_it_leave(parts: Parts, state: State) -> None:
    before = state.draft()
    turn = decide(
        parts, state, Join("talk", CLEO, Entrant(CLEO)), post(CLEO), Leave("talk", CLEO), post(CLEO)
    )
    joined, receipt, left, refusal = outcomes(turn)
    assert isinstance(joined, Joined)
    assert isinstance(receipt, Receipt)
    assert isinstance(left, Left)
    assert isinstance(refusal, Refusal)
    assert [record.sequence for record in turn.records] == [2, 3, 4]
    assert turn.state_events == [joined, left]
    assert state == before, "the published state is not touched"
    assert turn.state.head == 4


def test_a_turn_that_changes_nothing_commits_nothing(parts: Parts, state: State) -> None:
    turn = decide(parts, state, post(CLEO), SetTyping("talk", ADA, True))
    assert turn.changes is None


def test_the_changes_say_all_that_the_store_needs(parts: Parts, state: State) -> None:
    state.number = 7
    turn = decide(parts, state, post(ADA, key="k"), Leave("talk", BEN), MarkRead("talk", ADA, 2))
    changes = turn.changes
    assert changes is not None
    assert (changes.conversation_id, changes.number) == ("talk", 7)
    said, left = changes.records
    assert (said.sequence, said.at, said.messages) == (2, EPOCH, 1)
    assert (said.sender_id, said.key) == ("ada", "k")
    assert (left.sequence, left.messages, left.sender_id, left.key) == (3, 1, None, None)
    assert [type(event) for event in changes.state_events] == [Left]
    assert changes.reads is None, "what somebody has sent they have read"
    assert turn.state.reads == {"ada": 2}


def test_each_event_has_a_salt_of_its_own_and_the_receipt_its_hash(
    parts: Parts, state: State
) -> None:
    turn = decide(parts, state, *[post(ADA, "same") for _ in range(10)])
    salts = [record.salt for record in turn.records]
    assert len(set(salts)) == 10
    assert {len(salt) for salt in salts} == {SALT}
    for receipt, record in zip(outcomes(turn), turn.records, strict=True):
        assert receipt.event_hash == event_hash(record)
        assert receipt.event_hash == sha256(record.salt + record.body).hexdigest()


def test_the_receipt_names_the_message_and_what_became_of_it(parts: Parts, state: State) -> None:
    turn = decide(parts, state, post(ADA, key="k"))
    [receipt] = outcomes(turn)
    assert receipt == Receipt(
        "talk", "talk-2", 2, EPOCH, "k", "memory", event_hash(turn.records[0]), duplicate=False
    )


def test_a_conversations_time_never_goes_back(parts: Parts, state: State) -> None:
    state.updated_at = EPOCH + 5000
    turn = decide(parts, state, post(ADA))
    assert turn.records[0].at == EPOCH + 5000
    assert turn.state.updated_at == EPOCH + 5000


# --- the same key ---------------------------------------------------------------------------------------------------------


def test_the_same_key_in_one_batch_is_one_message(parts: Parts, state: State) -> None:
    turn = decide(parts, state, post(ADA, key="k"), post(ADA, "other"), post(ADA, key="k"))
    first, _, again = outcomes(turn)
    assert [record.sequence for record in turn.records] == [2, 3]
    assert again == first._replace(duplicate=True)


def test_the_same_key_of_another_sender_is_another_message(parts: Parts, state: State) -> None:
    turn = decide(parts, state, post(ADA, key="k"), post(BEN, key="k"))
    assert [receipt.sequence for receipt in outcomes(turn)] == [2, 3]


@pytest.mark.parametrize(
    "other",
    [
        post(ADA, "other", "k"),
        post(ADA, key="k", reply_to="talk-2"),
        post(ADA, key="k", metadata="{}"),
    ],
)
def test_the_same_key_for_something_else_is_refused(
    parts: Parts, state: State, other: Post
) -> None:
    refusal = outcomes(decide(parts, state, post(ADA, key="k"), other))[1]
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.key) == (Code.KEY_REUSED, "k")


def test_a_key_whose_first_use_was_refused_is_free(parts: Parts, state: State) -> None:
    turn = decide(parts, state, post(ADA, "x" * 10_001, "k"), post(ADA, "short", "k"))
    refusal, receipt = outcomes(turn)
    assert refusal.code is Code.MESSAGE_TOO_LARGE
    assert not receipt.duplicate


def test_a_key_that_the_log_knows_gets_the_receipt_of_then(parts: Parts, state: State) -> None:
    first = decide(parts, state, post(ADA, key="k"))
    taken = KeysTaken({("ada", "k"): first.records[0]})
    known = known_from(taken.records, parts.codec)
    turn = decide(parts, first.state, post(ADA, key="k"), post(ADA, "new", "k2"), known=known)
    again, receipt = outcomes(turn)
    assert again == outcomes(first)[0]._replace(duplicate=True)
    assert receipt.sequence == 3
    assert [record.sequence for record in turn.records] == [3]


# --- replies --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "right"),
    [(1, False), (2, True), (3, False), (4, True), (5, False), (6, True), (8, False), (9, False)],
)
def test_a_reply_names_a_message_of_the_log_or_of_its_own_turn(
    parts: Parts, state: State, named: int, right: bool
) -> None:
    join, leave = Join("talk", CLEO, Entrant(CLEO)), Leave("talk", CLEO)
    stored = decide(parts, state, post(ADA), join).state  # 2, 3
    reply = post(ADA, reply_to=f"talk-{named}")
    # 4, 5, 6; what would be 8 or 9 is not there
    turn = decide(parts, stored, post(ADA), leave, post(BEN), reply, replied_to={2: ADA.id})
    outcome = outcomes(turn)[-1]
    if right:
        assert outcome.sequence == 7
    else:
        assert (outcome.code, len(turn.records)) == (Code.INVALID_FORMAT, 3)


# --- reading and typing ---------------------------------------------------------------------------------------------------


def test_only_the_furthest_read_position_of_each_is_kept_and_told(
    parts: Parts, state: State
) -> None:
    marks = [MarkRead("talk", BEN, n) for n in (2, 4, 3)]
    turn = decide(parts, state, post(ADA), post(ADA), post(ADA), *marks)
    assert outcomes(turn)[3:] == [ReadMarked(2), ReadMarked(4), ReadMarked(4)]
    assert turn.reads == {"ben": 4}
    letter, mark = turn.marks["ben"]
    assert (letter.message, mark) == (marks[1], ReadMarked(4))


def test_sending_moves_the_sender_s_read_position_which_is_stored_now_and_then(
    parts: Parts, state: State
) -> None:
    stored = []
    for number in range(2, 200):
        turn = decide(parts, state, post(ADA))
        state = turn.state
        assert state.reads["ada"] == number == turn.marks["ada"][1].sequence
        stored += turn.reads.values()
    assert stored == [READ_LAG + 1, 2 * READ_LAG + 2, 3 * READ_LAG + 3][: len(stored)]
    assert len(stored) == 3


def test_a_read_position_that_does_not_move_is_neither_stored_nor_told(
    parts: Parts, state: State
) -> None:
    marked = decide(parts, state, MarkRead("talk", ADA, 1)).state
    turn = decide(parts, marked, MarkRead("talk", ADA, 1))
    assert outcomes(turn) == [ReadMarked(1)]
    assert turn.changes is None
    assert turn.marks == {}


def test_nothing_is_kept_of_who_leaves_in_the_same_turn(parts: Parts, state: State) -> None:
    turn = decide(
        parts, state, MarkRead("talk", BEN, 1), SetTyping("talk", BEN, True), Leave("talk", BEN)
    )
    assert turn.changes is not None
    assert turn.changes.reads is None
    assert turn.state.reads == {}
    assert turn.marks == {}
    assert turn.typing == {}


@pytest.mark.parametrize(
    ("commands", "shown"),
    [
        ([SetTyping("talk", ADA, True)], True),
        ([SetTyping("talk", ADA, True), SetTyping("talk", ADA, False)], False),
        ([SetTyping("talk", ADA, True), post(ADA)], None),
        ([SetTyping("talk", ADA, True), post(BEN)], True),
        ([post(ADA), SetTyping("talk", ADA, True)], True),
    ],
)
def test_who_has_said_it_types_no_more(
    parts: Parts, state: State, commands: list[Command], shown: bool | None
) -> None:
    typing = decide(parts, state, *commands).typing
    assert typing == ({} if shown is None else {"ada": Typing("ada", shown)})
