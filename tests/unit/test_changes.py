"""Changes of messages in any order, on every store: what was delivered, any page and the store's own answers agree."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import trio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from salon.actors.agent_host import NoAgents
from salon.actors.change_messages import (
    AddReaction,
    Changed,
    DeleteMessage,
    EditMessage,
    PinMessage,
    RemoveReaction,
    UnpinMessage,
)
from salon.actors.change_rules import change
from salon.actors.events import Deleted, Edited, Posted
from salon.actors.limits import Limits
from salon.actors.mailbox import Letter
from salon.actors.message import Message
from salon.actors.messages import Create, Join, Leave, MarkRead, Post, ReadMarked, Receipt
from salon.actors.model import Entrant, Member, Participant, State
from salon.actors.people import NoHolds
from salon.actors.refusals import Code, Refusal
from salon.actors.replies import keys_in, named_by, targets_in
from salon.actors.run_messages import EndRun, ExtendRun, StartRun
from salon.actors.store import Appended, Record, Store, Target, event_hash
from salon.actors.turn import Turn, known_from
from salon.web.socket.codec import JsonCodec
from tests.unit.engine import ADA, BEN, CLEO, EPOCH, seeded_sources
from tests.unit.fold import Frame, fold
from tests.unit.stores import AnyStore, open_store

# `make prove` asks for ten thousand.
HISTORIES = int(os.environ.get("SALON_TEST_HISTORIES", "150"))
CODEC = JsonCodec(heartbeat=25, max_message_size=10_000)
MESSAGES = 8  # that commands of a history name
PEOPLE = (ADA, BEN, CLEO)
# Each text of a history is told from all others, so that one that should be gone is found wherever it is.
MARK = "secret"

places = st.integers(0, MESSAGES - 1)
people = st.sampled_from(PEOPLE)
keys = st.none() | st.sampled_from(["k1", "k2", "k3"])
emoji = st.sampled_from(["👍", ":tada:"])
actions = st.one_of(
    st.tuples(st.just("post"), people, st.none() | places, st.booleans(), keys),
    st.tuples(st.just("edit"), people, places, st.none() | st.integers(1, 3), keys),
    st.tuples(st.just("delete"), people, places, keys),
    st.tuples(st.just("react"), people, places, emoji, keys),
    st.tuples(st.just("unreact"), people, places, emoji, keys),
    st.tuples(st.just("pin"), people, places, keys),
    st.tuples(st.just("unpin"), people, places, keys),
    st.tuples(st.just("read"), people, st.integers(0, 30), st.booleans(), st.none() | places),
    st.tuples(st.just("leave"), people),
    st.tuples(st.just("join"), people),
)
histories = st.lists(st.lists(actions, min_size=1, max_size=5), min_size=1, max_size=8)


class Waiting:
    """A store's targets, awaited as trio does it; a turn awaits them as its runtime does."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def targets(self, number: int, sequences: Sequence[int]) -> Mapping[int, Target]:
        return await self._store.targets(number, sequences).wait()


class Talk:
    """A conversation whose turns are committed to a store, as its actor does it."""

    def __init__(self, store: Store, conversation_id: str) -> None:
        self.store = store
        self.state = State(conversation_id)
        self.delivered: list[bytes] = []  # the bodies of events as they were sent first
        self.hashes: dict[int, str] = {}
        self.texts: dict[int, list[str]] = {}  # all that a message has ever said, by sequence
        self.sequences: list[int] = []  # of messages
        self._clock = iter(range(EPOCH, EPOCH + 1_000_000))
        self.sources = seeded_sources(now=lambda: next(self._clock))
        self.limits, self.codec, self.agent_host = Limits(), CODEC, NoAgents()
        self.holds = NoHolds()
        self._numbers = iter(range(1_000_000))

    async def turn(
        self, *commands: Any, at_hand: Callable[[int], Record | None] = lambda _: None
    ) -> Turn:
        """Decide and commit; `at_hand` has events that the conversation remembers."""
        letters = [Letter(command, None, 0) for command in commands]
        store: Any = Waiting(self.store)
        targets = await targets_in(named_by(letters), self.state, store, at_hand)
        senders = await self.store.senders_among(self.state.number, self.sequences).wait()
        known: dict[Any, Any] = {}
        while True:
            turn = Turn(
                self.state,
                letters,
                known=dict(known),
                targets=targets,
                replied_to=senders,
                parts=self,
            )
            if turn.unsettled and not known.keys() >= set(keys_in(letters)):
                named = keys_in(letters)
                used = await self.store.keys_among(self.state.number, named).wait()
                if used.keys() - known.keys():
                    known |= known_from(used, CODEC)
                    continue
            changes = turn.changes
            if changes is None:
                if turn.state.runs is not self.state.runs:
                    self.state = turn.state
                return turn
            outcome = await self.store.append(changes).wait()
            if isinstance(outcome, Appended):
                turn.state.number = outcome.number
                self.state = turn.state
                self.delivered += [record.body for record in turn.records]
                self.hashes |= {record.sequence: event_hash(record) for record in turn.records}
                self.sequences += [each.sequence for each in turn.records if each.is_message]
                return turn
            known |= known_from(outcome.records, CODEC)

    def command(self, action: tuple[Any, ...]) -> Any:
        """The command of an action; its text belongs to it alone."""
        what, who, *rest = action
        talk = self.state.id
        text = f"{MARK} {next(self._numbers)}."
        match what, rest:
            case "post", [place, in_channel, key]:
                thread = None if place is None else self._name(place)
                return Post(talk, who, text, key, thread_id=thread, in_channel=in_channel)
            case "edit", [place, revision, key]:
                return EditMessage(talk, who, self._name(place), text, None, revision, (), key)
            case "delete", [place, key]:
                return DeleteMessage(talk, who, self._name(place), key=key)
            case "react", [place, kind, key]:
                return AddReaction(talk, who, self._name(place), kind, key)
            case "unreact", [place, kind, key]:
                return RemoveReaction(talk, who, self._name(place), kind, key)
            case "pin", [place, key]:
                return PinMessage(talk, who, self._name(place), key)
            case "unpin", [place, key]:
                return UnpinMessage(talk, who, self._name(place), key)
            case "read", [sequence, force, place]:
                thread = None if place is None else self._name(place)
                return MarkRead(talk, who, sequence, thread, force)
            case "leave", []:
                return Leave(talk, who)
        return Join(talk, who, Entrant(who))

    def _name(self, place: int) -> str:
        sequence = self.sequences[place] if place < len(self.sequences) else place + 2
        return f"{self.state.id}-{sequence}"

    async def log(self) -> list[Record]:
        """All events as they are stored now."""
        page = await self.store.read(self.state.number, limit=10_000).wait()
        return list(page.records)


async def play(store: Store, history: list[list[Any]], conversation_id: str) -> Talk:
    talk = Talk(store, conversation_id)
    create = Create(conversation_id, ADA, "Title", (Entrant(BEN), Entrant(CLEO)))
    await talk.turn(create)
    for actions_of_a_turn in history:
        commands = [talk.command(action) for action in actions_of_a_turn]
        turn = await talk.turn(*commands)
        check_answers(talk, turn)
    return talk


def check_answers(talk: Talk, turn: Turn) -> None:
    for letter, outcome in turn.answers:
        if isinstance(outcome, Receipt | Changed) and outcome.sequence:
            assert outcome.event_hash == talk.hashes[outcome.sequence]
        if isinstance(outcome, Receipt) and not outcome.duplicate:
            talk.texts[outcome.sequence] = [letter.message.content]
        if isinstance(outcome, Changed) and isinstance(letter.message, EditMessage):
            sequence = int(outcome.message_id.rpartition("-")[2])
            talk.texts[sequence].append(letter.message.content)
        assert isinstance(outcome, Receipt | Changed | Refusal | ReadMarked) or hasattr(
            outcome, "kind"
        )


async def check(talk: Talk) -> None:
    """All ways of reading agree; what was deleted is gone from every one of them."""
    log = await talk.log()
    assert [record.sequence for record in log] == list(range(1, talk.state.head + 1))
    assert {record.sequence: event_hash(record) for record in log} == talk.hashes
    live = fold(talk.delivered)
    assert fold(record.body for record in log) == live
    assert kinds_of(fold(record.body for record in log)) == kinds_of(live)
    for start in range(0, len(log), 5):
        part = fold(record.body for record in log[start:])
        assert part == {id: each for id, each in live.items() if each["sequence_id"] > start}
        # Who has the beginning as it was, and gets the rest as it is now.
        resumed = fold((record.body for record in log[start:]), fold(talk.delivered[:start]))
        assert resumed == live
    await check_store(talk, live)
    texts = b"".join(record.body for record in log).decode()
    for sequence, said in talk.texts.items():
        assert all(text not in texts for text in said[:-1]), "of former revisions nothing is left"
        if live[f"{talk.state.id}-{sequence}"].get("deleted"):
            assert all(text not in texts for text in said)
            assert log[sequence - 1].salt == b""


def kinds_of(messages: dict[str, Frame]) -> list[list[str]]:
    """The kinds of reaction of each message, in their order, which the equality of objects leaves out."""
    return [list(each.get("reactions", {})) for each in messages.values()]


async def check_store(talk: Talk, live: dict[str, Frame]) -> None:
    store, number = talk.store, talk.state.number
    loaded = await store.load(talk.state.id).wait()
    assert loaded == talk.state
    pinned = {id for id, each in live.items() if each.get("pinned")}
    assert set(talk.state.pinned) == pinned
    targets = await store.targets(number, talk.sequences).wait()
    for sequence, target in targets.items():
        message = CODEC.decode_message(target.record)._replace(reactions=target.reactions)
        frame = json.loads(CODEC.encode_message(message))["message"]
        assert frame == live[f"{talk.state.id}-{sequence}"]
    main = [m for m in live.values() if "thread_id" not in m or m.get("also_in_channel")]
    for position in range(talk.state.head + 1):
        unread = [m for m in main if m["sequence_id"] > position and not m.get("deleted")]
        assert await store.messages_after(number, position).wait() == len(unread)
    for root in live.values():
        replies = [m for m in live.values() if m.get("thread_id") == root["message_id"]]
        standing = [m for m in replies if not m.get("deleted")]
        assert root.get("thread", {"replies": 0})["replies"] == len(standing)
        page = await store.thread(number, root["sequence_id"]).wait()
        assert [each.sequence for each in page.records] == [m["sequence_id"] for m in replies]
    for who in PEOPLE:
        listing = await store.listing(who.id, limit=100, offset=0).wait()
        mine = [each for each in listing.summaries if each.conversation_id == talk.state.id]
        assert len(mine) == (who.id in talk.state.members)
        for summary in mine:
            read = talk.state.reads.get(who.id, 0)
            unread = [m for m in main if m["sequence_id"] > read and not m.get("deleted")]
            assert summary.unread_count == len(unread)
            newest = None if summary.last_message is None else summary.last_message.sequence
            assert newest == max((m["sequence_id"] for m in main), default=None)


P, E, D = ("post", ADA, None, False, None), ("edit", ADA, 0, None, None), ("delete", ADA, 0, None)


@settings(
    deadline=None,
    max_examples=HISTORIES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(histories)
@example([[P, E, D]])  # all in one turn
@example([[P], [E, E], [E], [D]])
@example([[P], [("post", BEN, 0, False, None)], [("delete", BEN, 1, None)], [D]])
@example([[P], [("edit", ADA, 0, None, "k1")], [D], [("edit", ADA, 0, None, "k1")]])
@example([[P, ("read", ADA, 0, True, None)]])
@example([[P, ("read", ADA, 1, True, None)], [("read", ADA, 30, False, None)], [P]])
@example(
    [
        [P],
        [("react", ADA, 0, "👍", None)],
        [("react", BEN, 0, ":tada:", None), ("react", BEN, 0, "👍", None)],
        [("unreact", ADA, 0, "👍", None)],
        [("react", CLEO, 0, ":tada:", None)],
    ]
)
def test_any_history_is_the_same_live_in_any_page_and_in_the_store(
    opened: AnyStore, history: list[list[Any]]
) -> None:
    async def main() -> None:
        talk = await play(opened, history, f"talk{next(_names)}")
        await check(talk)

    trio.run(main)


def test_an_agent_answers_in_the_thread_in_which_it_is_asked(opened: AnyStore) -> None:
    bot = Participant("bot", "Bot", "agent")

    async def main() -> None:
        talk = Talk(opened, "talk")
        await talk.turn(Create("talk", ADA, "Title", (Entrant(bot),)))
        await talk.turn(Post("talk", ADA, "root"))
        await talk.turn(Post("talk", ADA, "in it", thread_id="talk-2"))
        turn = await talk.turn(StartRun("talk", bot, "r", "talk-3"))
        assert json.loads(turn.records[0].body)["thread_id"] == "talk-2"
        talk.state = await opened.load("talk").wait()  # type: ignore[assignment]
        await talk.turn(ExtendRun("talk", bot, "r", 0, "so be it"))
        await talk.turn(EndRun("talk", bot, "r"))
        live = fold(talk.delivered)
        assert [m["content"] for m in live.values() if m.get("thread_id") == "talk-2"] == [
            "in it",
            "so be it",
        ]
        assert live["talk-2"]["thread"]["replies"] == 2
        assert fold(record.body for record in await talk.log()) == live
        assert talk.state.messages == 1

    trio.run(main)


def test_a_message_may_be_edited_for_so_long() -> None:
    state = State("talk", head=2)
    state.members = {ADA.id: Member(ADA, "owner", 0)}
    message = Message(Posted("talk", 2, EPOCH, ADA, "one"))
    limits = Limits(edit_window=1)
    edit = EditMessage("talk", ADA, "talk-2", "two")
    for late, kind in ((1000, Edited), (1001, Refusal)):
        assert isinstance(change(state, message, edit, EPOCH + late, limits), kind)
    outcome = change(state, message, edit, EPOCH + 1001, limits)
    assert isinstance(outcome, Refusal)
    assert (outcome.code, outcome.facts) == (Code.EDIT_WINDOW_CLOSED, {"limit": 1})
    delete = DeleteMessage("talk", ADA, "talk-2")
    assert isinstance(change(state, message, delete, EPOCH + 1001, limits), Deleted)


def test_places_in_the_file_ascend_with_the_sequence(tmp_path: Path) -> None:
    async def main() -> None:
        store = open_store(tmp_path / "salon.db")
        talk = Talk(store, "talk")
        await talk.turn(Create("talk", ADA, "Title"))
        await talk.turn(Post("talk", ADA, "root"))
        reply = Post("talk", ADA, "reply", thread_id="talk-2")
        await talk.turn(
            Post("talk", ADA, "one"),
            reply,
            Post("talk", ADA, "two"),
            Join("talk", BEN, Entrant(BEN)),
        )
        store.close()

    trio.run(main)
    with closing(sqlite3.connect(tmp_path / "salon.db")) as connection:
        rows = connection.execute("SELECT sequence FROM events ORDER BY position").fetchall()
    assert rows == [(n,) for n in range(1, 7)]


_names = iter(range(10**9))
