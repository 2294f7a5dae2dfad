"""What a reply may name: a message of its conversation, however old, after a restart too; and what finding that out costs."""

from __future__ import annotations

from typing import Any

import pytest

from salon.actors import replies
from salon.actors.audience import RECENT_EVENTS
from salon.actors.mailbox import Letter
from salon.actors.messages import Post, Receipt
from salon.actors.model import State
from salon.actors.refusals import Code
from salon.actors.replies import Replies, replied_to
from tests.unit.engine import ADA, BEN, CLEO, Engine, accepted, refused

NO_MESSAGE = {"problem": "reply_to names no message of this conversation"}


@pytest.fixture
async def talk(engine: Engine) -> str:
    """A conversation with a message (2), one who came (3), who spoke (4) and who left (5)."""
    talk = await engine.create(ADA, BEN)
    accepted(await engine.post(talk, ADA, "first"))
    await engine.join(talk, CLEO)
    accepted(await engine.post(talk, CLEO, "second"))
    await engine.leave(talk, CLEO)
    return talk


KINDS = [(1, False), (2, True), (3, False), (4, True), (5, False), (6, False), (99, False)]


async def grow(engine: Engine, talk: str) -> None:
    """Until what was there at first is not at hand any more."""
    for number in range(RECENT_EVENTS + 1):
        accepted(await engine.post(talk, BEN, str(number)))


async def reply(engine: Engine, talk: str, sequence: int) -> Any:
    return await engine.post(talk, ADA, "so it is", "k", f"{talk}-{sequence}")


def judged(outcome: Any, *, right: bool) -> None:
    if right:
        assert isinstance(outcome, Receipt)
    else:
        refusal = refused(outcome, Code.INVALID_FORMAT)
        assert (refusal.facts, refusal.key) == (NO_MESSAGE, "k")


def asked(engine: Engine) -> int:
    return engine.store.calls.count("senders_among")


@pytest.mark.parametrize(("sequence", "right"), KINDS)
async def test_what_is_at_hand_is_told_apart_without_the_store(
    engine: Engine, talk: str, sequence: int, right: bool
) -> None:
    judged(await reply(engine, talk, sequence), right=right)
    assert asked(engine) == 0


@pytest.mark.parametrize(("sequence", "right"), KINDS[:5])
async def test_what_is_old_is_told_apart_by_the_log(
    engine: Engine, talk: str, sequence: int, right: bool
) -> None:
    await grow(engine, talk)
    judged(await reply(engine, talk, sequence), right=right)
    assert asked(engine) == 1


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(("sequence", "right"), KINDS[:5])
async def test_what_was_said_before_a_restart_is_told_apart_as_well(
    engine: Engine, talk: str, sequence: int, right: bool, old: bool
) -> None:
    if old:
        await grow(engine, talk)
    assert engine.directory.passivate(engine.conversation(talk))
    judged(await reply(engine, talk, sequence), right=right)


async def test_an_old_message_that_is_replied_to_again_is_known(engine: Engine, talk: str) -> None:
    await grow(engine, talk)
    for _ in range(3):
        accepted(await engine.post(talk, ADA, "so it is", None, f"{talk}-2"))
    assert asked(engine) == 1
    accepted(await engine.post(talk, ADA, "so it is", None, f"{talk}-4"))
    assert asked(engine) == 2


async def test_the_log_is_asked_once_for_all_replies_of_a_turn(engine: Engine, talk: str) -> None:
    await grow(engine, talk)
    ada = await engine.connect(talk, ADA)
    for sequence in (1, 2, 3, 4, 5, RECENT_EVENTS):
        ada.tell(Post(talk, ADA, "so it is", f"k{sequence}", f"{talk}-{sequence}"))
    await engine.settle()
    assert asked(engine) == 1
    head = engine.log(talk)[-3:]
    assert [getattr(event, "key", None) for event in head] == ["k2", "k4", f"k{RECENT_EVENTS}"]


async def test_where_the_log_cannot_say_the_sender_may_try_again(engine: Engine, talk: str) -> None:
    await grow(engine, talk)
    engine.store.fail("senders_among")
    refusal = refused(await reply(engine, talk, 2), Code.STORE_UNAVAILABLE)
    assert refusal.key == "k"
    accepted(await reply(engine, talk, 2))


async def test_a_message_without_a_reply_asks_nothing_and_waits_for_nothing(
    engine: Engine, talk: str
) -> None:
    await grow(engine, talk)
    engine.store.hold("senders_among")
    accepted(await engine.post(talk, ADA, "alone"))
    assert asked(engine) == 0


async def test_what_is_known_is_bounded(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "KNOWN_MESSAGES", 3)
    talk = await engine.create(ADA)
    for number in range(8):
        accepted(await engine.post(talk, ADA, str(number)))
    state = engine.conversation(talk).state
    assert state is not None
    known = Replies(engine.store, lambda sequence: None)
    for named, questions in (({2, 3}, 1), ({2, 3}, 1), ({4, 5}, 2), ({4, 5}, 2), ({2}, 3)):
        assert await known.senders_among(named, state.number) == dict.fromkeys(named, ADA.id)
        assert asked(engine) == questions
    everything = set(range(2, 10))
    assert set(await known.senders_among(everything, state.number)) == everything
    assert set(await known.senders_among({7, 8, 9}, state.number)) == {7, 8, 9}
    assert asked(engine) == 4


def test_only_what_may_be_in_the_log_is_looked_for() -> None:
    state = State("talk", head=5)
    names = [
        None,
        "talk-2",
        "talk-2",
        "talk-5",
        "talk-6",
        "talk-0",
        "other-3",
        "nothing",
        "talk-04",
    ]
    letters = [Letter(Post("talk", ADA, "x", None, name), None, 0) for name in names]
    assert replied_to(letters, state) == {2, 5}
    assert replied_to(letters[:1], state) == frozenset()
