"""Changes of messages that are tried again, and many in one turn: each takes effect once, and the conversation goes on."""

from __future__ import annotations

import pytest
import trio

from salon.actors.change_messages import (
    AddReaction,
    Changed,
    DeleteMessage,
    EditMessage,
    PinMessage,
    RemoveReaction,
)
from salon.actors.message import PARTICIPANTS_SHOWN
from salon.actors.messages import Create, Join, Leave, MarkRead, Post
from salon.actors.model import Entrant, Participant
from salon.actors.refusals import Code, Refusal
from salon.actors.run_messages import EndRun, ExtendRun, StartRun
from tests.unit.engine import ADA, BEN, CLEO, Engine, Reader
from tests.unit.fold import fold
from tests.unit.stores import AnyStore
from tests.unit.test_changes import CODEC, Talk

BOT = Participant("bot", "Bot", "agent")


@pytest.fixture
async def talk(engine: Engine) -> str:
    """Ada's conversation with Ben and a bot; its second event is a message of Ada's."""
    conversation_id = await engine.create(ADA, BEN, BOT)
    await engine.post(conversation_id, ADA, "hello")
    return conversation_id


async def in_one_turn(engine: Engine, reader: Reader, *commands: object) -> None:
    """Have the conversation find all the commands waiting at once."""
    engine.store.hold("append")
    reader.post("under way")
    await engine.settle()
    for command in commands:
        reader.tell(command)
    await engine.settle()
    engine.store.let_go()
    await engine.settle()


async def test_a_retry_gets_its_receipt_whatever_happened_since(engine: Engine, talk: str) -> None:
    message = f"{talk}-2"
    edit = EditMessage(talk, ADA, message, "hello Ben", revision=1, key="edit")
    pin, delete = (
        PinMessage(talk, ADA, message, "pin"),
        DeleteMessage(talk, ADA, message, key="gone"),
    )
    first = [await engine.do(edit), await engine.do(pin)]
    assert (await engine.do(edit)).sequence == first[0].sequence, "though the revision is another"
    first.append(await engine.do(delete))
    for restarted in (False, True):
        if restarted:
            engine.restart()
        again = [await engine.do(command) for command in (edit, pin, delete)]
        assert all(outcome.duplicate for outcome in again)
        for before, now in zip(first, again, strict=True):
            assert (now.sequence, now.event_hash) == (before.sequence, before.event_hash)
    assert len(engine.log(talk)) == 5


async def test_a_key_that_another_change_has_used_is_refused_though_nothing_is_to_do(
    engine: Engine, talk: str
) -> None:
    await engine.do(AddReaction(talk, ADA, f"{talk}-2", "👍", "k"))
    await engine.do(PinMessage(talk, ADA, f"{talk}-2"))
    again = await engine.do(PinMessage(talk, ADA, f"{talk}-2", "k"))
    assert isinstance(again, Refusal)
    assert again.code is Code.KEY_REUSED


async def test_who_has_left_gets_no_receipt_which_would_show_the_message(
    engine: Engine, talk: str
) -> None:
    react = AddReaction(talk, BEN, f"{talk}-2", "👍", "k")
    await engine.do(react)
    await engine.leave(talk, BEN)
    again = await engine.do(react)
    assert isinstance(again, Refusal)
    assert again.code is Code.NOT_PARTICIPANT


async def test_who_came_back_gets_no_receipt_that_shows_what_they_may_not_read(
    engine: Engine,
) -> None:
    talk = await engine.create(ADA, BEN, history="since_join")
    await engine.post(talk, ADA, "hello")
    react = AddReaction(talk, BEN, f"{talk}-2", "👍", "k")
    await engine.do(react)
    await engine.leave(talk, BEN)
    await engine.do(EditMessage(talk, ADA, f"{talk}-2", "of people who have left"))
    await engine.join(talk, BEN)
    again = await engine.do(react)
    assert isinstance(again, Refusal)
    assert again.code is Code.NOT_FOUND


async def test_many_retries_in_one_turn_are_all_known(engine: Engine, talk: str) -> None:
    ada = await engine.connect(talk, ADA)
    adds = [AddReaction(talk, ADA, f"{talk}-2", "👍", f"k{n}") for n in range(6)]
    for add in adds:
        await engine.do(add)
        await engine.do(RemoveReaction(talk, ADA, f"{talk}-2", "👍"))
    head = len(engine.log(talk))
    await in_one_turn(engine, ada, *adds)
    assert [outcome.duplicate for outcome in ada.of(Changed)] == [True] * 6
    assert ada.closed is None
    assert len(engine.log(talk)) == head + 1, "the message that was under way"


async def test_keys_of_messages_and_changes_in_one_turn_are_all_known(
    engine: Engine, talk: str
) -> None:
    ada = await engine.connect(talk, ADA)
    for n in range(6):
        await engine.post(talk, ADA, "said", f"k{n}")
    head = len(engine.log(talk))
    adds = [AddReaction(talk, ADA, f"{talk}-2", "👍", f"k{n}") for n in range(6)]
    await in_one_turn(engine, ada, *adds)
    assert [each.code for each in ada.of(Refusal)] == [Code.KEY_REUSED] * 6
    assert ada.closed is None
    assert len(engine.log(talk)) == head + 1


async def test_an_event_that_is_no_message_is_named_by_a_run_and_a_change_in_one_turn(
    engine: Engine, talk: str
) -> None:
    ben = await engine.connect(talk, BEN)
    event = f"{talk}-1"
    await in_one_turn(
        engine,
        ben,
        StartRun(talk, BEN, "r", event),
        EditMessage(talk, BEN, event, "x"),
        Post(talk, BEN, "x", thread_id=event),
    )
    assert len(ben.of(Refusal)) == 3
    assert ben.closed is None


def test_a_root_keeps_its_reactions_when_a_run_begins_and_ends_in_its_thread_in_one_turn(
    opened: AnyStore,
) -> None:
    async def main() -> None:
        talk = Talk(opened, "talk")
        await talk.turn(Create("talk", ADA, "Title", (Entrant(BOT),)))
        await talk.turn(Post("talk", ADA, "root"))
        await talk.turn(Post("talk", ADA, "in it", thread_id="talk-2"))
        await talk.turn(AddReaction("talk", ADA, "talk-2", "👍"))
        log = {record.sequence: record for record in await talk.log()}
        answer = [StartRun("talk", BOT, "b", "talk-3"), ExtendRun("talk", BOT, "b", 0, "so")]
        await talk.turn(
            StartRun("talk", BOT, "a", "talk-2"), *answer, EndRun("talk", BOT, "b"), at_hand=log.get
        )
        root = CODEC.decode_message((await talk.log())[1])
        assert root.replies == 2
        assert root.reacted("👍") == ("ada",)

    trio.run(main)


def test_a_thread_is_read_up_to_the_furthest_mark_of_a_turn(opened: AnyStore) -> None:
    async def main() -> None:
        talk = Talk(opened, "talk")
        await talk.turn(Create("talk", ADA, "Title", (Entrant(BEN),)))
        for thread in (None, "talk-2", "talk-2"):
            await talk.turn(Post("talk", ADA, "said", thread_id=thread))
        marks = [MarkRead("talk", BEN, sequence, "talk-2") for sequence in (4, 3)]
        await talk.turn(*marks)
        assert await opened.thread_read(talk.state.number, 2, "ben").wait() == 4

    trio.run(main)


def test_who_joins_in_the_turn_in_which_another_leaves_may_mark_as_unread(opened: AnyStore) -> None:
    async def main() -> None:
        talk = Talk(opened, "talk")
        await talk.turn(Create("talk", ADA, "Title", (Entrant(BEN),)))
        await talk.turn(Post("talk", ADA, "said"))
        await talk.turn(
            Leave("talk", BEN),
            Join("talk", CLEO, Entrant(CLEO)),
            MarkRead("talk", CLEO, 1, force=True),
        )
        assert talk.state.reads["cleo"] == 1
        assert await opened.load("talk").wait() == talk.state

    trio.run(main)


def test_who_is_shown_as_having_reacted_is_the_same_in_a_page_and_live(opened: AnyStore) -> None:
    people = [Participant(f"p{n}", f"P{n}") for n in range(PARTICIPANTS_SHOWN + 3)]

    async def main() -> None:
        talk = Talk(opened, "talk")
        await talk.turn(Create("talk", ADA, "Title", tuple(map(Entrant, people))))
        await talk.turn(Post("talk", ADA, "said"))
        await talk.turn(*(AddReaction("talk", who, "talk-2", "👍") for who in people))
        for who in (people[0], people[-1], people[5], people[6], people[7]):
            await talk.turn(RemoveReaction("talk", who, "talk-2", "👍"))
            await talk.turn(AddReaction("talk", ADA, "talk-2", "👍"))
            live = fold(talk.delivered)["talk-2"]["reactions"]
            assert live == fold(record.body for record in await talk.log())["talk-2"]["reactions"]

    trio.run(main)


def test_replies_from_before_they_joined_are_not_unread(opened: AnyStore) -> None:
    async def main() -> None:
        talk = Talk(opened, "talk")
        await talk.turn(Create("talk", ADA, "Title", (Entrant(BEN),)))
        for thread in (None, "talk-2", "talk-2"):
            await talk.turn(Post("talk", ADA, "said", thread_id=thread))
        await talk.turn(Join("talk", CLEO, Entrant(CLEO)))
        await talk.turn(Post("talk", ADA, "new", thread_id="talk-2"))
        number = talk.state.number
        assert await opened.thread_unread(number, 2, "cleo").wait() == 1
        assert await opened.thread_unread(number, 2, "ben").wait() == 3
        await talk.turn(Leave("talk", CLEO))
        await talk.turn(Post("talk", ADA, "newer", thread_id="talk-2"))
        await talk.turn(Join("talk", CLEO, Entrant(CLEO)))
        assert await opened.thread_unread(number, 2, "cleo").wait() == 0

    trio.run(main)


async def test_a_message_is_written_once_however_often_it_is_changed_in_a_turn(
    engine: Engine, talk: str
) -> None:
    ada = await engine.connect(talk, ADA)
    written: list[object] = []
    codec = engine.directory.codec
    encode_message = codec.encode_message
    codec.encode_message = lambda message: written.append(message) or encode_message(message)  # type: ignore[method-assign,func-returns-value]
    changes = [(AddReaction, RemoveReaction)[n % 2](talk, ADA, f"{talk}-2", "👍") for n in range(9)]
    await in_one_turn(engine, ada, *changes)
    assert len(ada.of(Changed)) == 9
    assert len(written) == 1
