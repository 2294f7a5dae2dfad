"""What every store does, whichever it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salon.actors.events import RunStarted
from salon.actors.held import HeldMessage
from salon.actors.member_messages import (
    AcceptInvite,
    ApproveJoin,
    Ban,
    CreateInvite,
    DenyJoin,
    Mute,
    OpenDirect,
    Remove,
    RequestJoin,
    RevokeInvite,
    SetRole,
    Unban,
    Unmute,
)
from salon.actors.messages import Command, Create, Join, Leave, MarkRead, Post, Update
from salon.actors.model import Entrant, Participant, State
from salon.actors.rights import ACTIONS
from salon.actors.run_messages import CancelRun, EndRun, StartRun, UpdateAgent
from salon.actors.store import (
    MOST_MENTIONS,
    Appended,
    Changes,
    KeysTaken,
    Page,
    Record,
    Report,
    ReportPage,
    RunText,
    Store,
    StoredRun,
    StoreError,
)
from tests.unit.history import ADA, BEN, CLEO, DAN, History
from tests.unit.stores import AnyStore

BOT = Participant("bot", "Bot", "agent")

# A store is shared by the examples of a test: each makes its own conversations.
shared = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def put(store: Store, history: History, changes: Changes) -> None:
    """Append what must be stored."""
    outcome = await store.append(changes).wait()
    assert isinstance(outcome, Appended)
    assert history.state.number in (0, outcome.number)
    history.state.number = outcome.number


async def begin(store: Store, *entrants: Participant, owner: Participant = ADA) -> History:
    history = History(*entrants, owner=owner)
    await put(store, history, history.begin())
    return history


async def read_all(store: Store, number: int) -> tuple[Record, ...]:
    records: list[Record] = []
    more = True
    while more:
        page = await store.read(number, after=len(records)).wait()
        records += page.records
        more = page.has_more
    return tuple(records)


def test_a_store_fulfils_the_protocol(opened: AnyStore) -> None:
    store: Store = opened
    assert store.durability in ("committed", "memory")
    assert store.epoch


# --- append, load -------------------------------------------------------------------------------------------------------


async def test_what_was_appended_is_loaded(store: Store) -> None:
    history = await begin(store, BEN)
    await put(store, history, history.say("k", None))
    await put(store, history, history.join(CLEO))
    await put(store, history, history.mark(2, BEN))
    assert await store.load(history.id).wait() == history.state


async def test_a_loaded_state_does_not_change_with_what_comes_after(store: Store) -> None:
    history = await begin(store)
    before = await store.load(history.id).wait()
    await put(store, history, history.join(BEN))
    assert before is not None
    assert (before.head, set(before.members)) == (1, {ADA.id})


async def test_all_that_a_conversation_was_created_with_is_kept(store: Store) -> None:
    history = History()
    entrants = (Entrant(BEN, "observer"), Entrant(Participant("bot", "Bot", "agent"), "owner"))
    create = Create(
        history.id,
        ADA,
        "Ünïcode ✓ \x00 'quoted'",
        entrants,
        mode="generate",
        sites=("a", 'b "c"'),
        enable_ai=True,
        join="invite",
        members_invite=False,
        share_reads=True,
        metadata='{"a": [1, "\\u0000"]}',
        permissions={"pin": "observer", "post": "moderator"},
        history="since_join",
        slow_mode=7,
        retention=30,
    )
    await put(store, history, history.turn(create))
    loaded = await store.load(history.id).wait()
    assert loaded == history.state
    assert loaded is not None
    assert list(loaded.members) == [ADA.id, BEN.id, "bot"]


async def test_what_nobody_wrote_is_not_there(store: Store) -> None:
    history = await begin(store)
    assert await store.load("nobody wrote it").wait() is None
    assert await store.read(history.state.number + 1).wait() == Page((), False)
    assert await store.messages_after(history.state.number + 1, 0).wait() == 0
    listing = await store.listing("nobody", limit=10, offset=0).wait()
    assert (listing.summaries, listing.total) == ((), 0)


async def test_a_conversation_is_created_once(store: Store) -> None:
    history = await begin(store)
    again = History(BEN, id=history.id)
    with pytest.raises(StoreError):
        await store.append(again.begin()).wait()
    assert await store.load(history.id).wait() == history.state


async def test_a_sequence_is_given_once(store: Store) -> None:
    history = await begin(store)
    rival = history.fork()
    await put(store, history, history.say("first"))
    with pytest.raises(StoreError):
        await store.append(rival.say("second", "third")).wait()
    assert await store.load(history.id).wait() == history.state
    assert await read_all(store, history.state.number) == tuple(history.records)


async def test_the_first_may_leave_in_the_turn_that_creates(store: Store) -> None:
    history = History()
    create = Create(history.id, ADA, "Short", (Entrant(BEN, "observer"), Entrant(CLEO)))
    turn = history.turn(
        create,
        Leave(history.id, ADA),
        MarkRead(history.id, BEN, 2),
        Join(history.id, ADA, Entrant(ADA)),
        Leave(history.id, BEN),
    )
    await put(store, history, turn)
    loaded = await store.load(history.id).wait()
    assert loaded == history.state
    assert loaded is not None
    assert {id: member.role for id, member in loaded.members.items()} == {
        CLEO.id: "owner",
        ADA.id: "member",
    }


async def test_an_observer_inherits_only_where_nobody_else_can(store: Store) -> None:
    history = History()
    entrants = (Entrant(BEN, "observer"), Entrant(CLEO), Entrant(DAN))
    await put(store, history, history.turn(Create(history.id, ADA, "Heirs", entrants)))
    for leaver, heir in ((ADA, CLEO), (CLEO, DAN), (DAN, BEN)):
        await put(store, history, history.leave(leaver))
        loaded = await store.load(history.id).wait()
        assert loaded == history.state
        assert loaded is not None
        owners = [id for id, member in loaded.members.items() if member.role == "owner"]
        assert owners == [heir.id]


async def test_the_last_one_out_ends_it(store: Store) -> None:
    history = await begin(store, BEN)
    await put(store, history, history.mark(1, BEN))
    await put(store, history, history.leave(ADA, BEN))
    loaded = await store.load(history.id).wait()
    assert loaded == history.state
    assert loaded is not None
    assert (loaded.ended_at, loaded.members, loaded.reads) == (history.records[-1].at, {}, {})
    assert len(await read_all(store, history.state.number)) == 3


async def test_a_read_position_never_goes_back(store: Store) -> None:
    history = await begin(store, BEN)
    await put(store, history, history.say(None, None, None))
    for sequence, stands_at in ((2, 2), (4, 4), (3, 4), (1, 4)):
        changes = Changes(history.id, history.state.number, (), reads={BEN.id: sequence})
        assert isinstance(await store.append(changes).wait(), Appended)
        loaded = await store.load(history.id).wait()
        assert loaded is not None
        assert loaded.reads[BEN.id] == stands_at


PEOPLE = (ADA, BEN, CLEO, DAN)


def commands(history: History) -> st.SearchStrategy[Command]:
    """What anybody may ask of it, allowed or not."""
    who = st.sampled_from(PEOPLE)
    entrants = st.builds(Entrant, who, st.sampled_from(["owner", "member", "observer"]))
    keys = st.none() | st.uuids().map(str)
    return st.one_of(
        st.builds(partial(Post, history.id), who, st.just("said"), keys),
        st.builds(partial(Join, history.id), who, entrants),
        st.builds(partial(Leave, history.id), who),
        st.builds(partial(MarkRead, history.id), who, st.integers(0, 20)),
        *about_members(history),
    )


def about_members(history: History) -> Iterator[st.SearchStrategy[Command]]:
    """What anybody may do to others, or to come in."""
    who = st.sampled_from(PEOPLE)
    ids = who.map(lambda each: each.id)
    roles = st.sampled_from(["owner", "moderator", "member", "observer"])
    until = st.none() | st.integers(0, 5).map(History.soon)
    reason = st.none() | st.just("so")
    made = count()
    new = st.builds(lambda: f"{history.id} {next(made)}")
    known = st.integers(0, 3).map(lambda number: f"{history.id} {number}")
    for command in (Remove, Unban, Unmute, DenyJoin):
        yield st.builds(partial(command, history.id), who, ids, reason)
    for sanction in (Ban, Mute):
        yield st.builds(partial(sanction, history.id), who, ids, until, reason)
    for by_invite in (RevokeInvite, AcceptInvite):
        yield st.builds(partial(by_invite, history.id), who, known)
    yield st.builds(partial(ApproveJoin, history.id), who, ids)
    yield st.builds(partial(SetRole, history.id), who, ids, roles, reason)
    yield st.builds(partial(RequestJoin, history.id), who, reason)
    lives, uses = st.none() | st.integers(1, 5), st.none() | st.integers(1, 2)
    yield st.builds(partial(CreateInvite, history.id), who, new, roles, lives, uses)
    yield st.builds(
        partial(Update, history.id),
        who,
        permissions=st.none() | st.dictionaries(st.sampled_from(ACTIONS), st.none() | roles),
        history=st.sampled_from([None, "all", "since_join"]),
        slow_mode=st.sampled_from([None, 0, 3]),
        retention=st.sampled_from([None, 0, 30]),
    )


@shared
@given(st.data())
def test_loading_gives_what_the_rules_make_of_the_events(
    opened: AnyStore, data: st.DataObject
) -> None:
    async def play() -> None:
        history = await begin(opened, *data.draw(st.lists(st.sampled_from(PEOPLE), max_size=3)))
        for turn in data.draw(st.lists(st.lists(commands(history), max_size=6), max_size=8)):
            await put(opened, history, history.turn(*turn))
        history.state.reads = {id: at for id, at in history.state.reads.items() if at}
        loaded = await opened.load(history.id).wait()
        assert loaded == history.state
        assert list(history.state.members.items()) == list(loaded.members.items())
        assert await read_all(opened, history.state.number) == tuple(history.records)
        await check_listings(opened, history)

    trio.run(play)


async def check_listings(store: Store, history: History) -> None:
    state = history.state
    for person in PEOPLE:
        listing = await store.listing(person.id, limit=1, offset=0).wait()
        first = listing.summaries[0] if listing.summaries else None
        is_listed = first is not None and first.conversation_id == state.id
        assert is_listed == (person.id in state.members)
        if first is not None and is_listed:
            own = [each.sequence for each in history.records if each.sender_id == person.id]
            position = state.reads.get(person.id, 0)
            assert position >= max(own, default=0), "what somebody has sent they have read"
            others = [
                each
                for each in history.records
                if each.sender_id not in (None, person.id) and each.sequence > position
            ]
            assert first.unread_count == len(others)


# --- members and their rights -------------------------------------------------------------------------------------------


async def test_who_is_brought_in_while_they_ask_waits_no_more(store: Store) -> None:
    history = History(BEN)
    create = Create(history.id, ADA, "Closed", (Entrant(BEN),), join="invite")
    await put(store, history, history.turn(create))
    asked = RequestJoin(history.id, CLEO, "Please.")
    await put(store, history, history.turn(asked, Join(history.id, ADA, Entrant(CLEO))))
    loaded = await store.load(history.id).wait()
    assert loaded == history.state
    assert loaded is not None
    assert loaded.requests == {}


async def test_bans_mutes_roles_and_requests_are_kept_until_they_end(store: Store) -> None:
    history = History(BEN)
    create = Create(history.id, ADA, "Closed", (Entrant(BEN),), join="invite")
    await put(store, history, history.turn(create))
    turn = history.turn(
        SetRole(history.id, ADA, BEN.id, "moderator"),
        Mute(history.id, ADA, BEN.id, History.soon(1_000), "Loud."),
        RequestJoin(history.id, CLEO, "Please."),
        RequestJoin(history.id, DAN),
        DenyJoin(history.id, ADA, DAN.id),
        Ban(history.id, ADA, "eve", reason="Spam."),
    )
    await put(store, history, turn)
    loaded = await store.load(history.id).wait()
    assert loaded == history.state
    assert loaded is not None
    assert loaded.members[BEN.id].role == "moderator"
    assert (loaded.mutes[BEN.id].reason, loaded.bans["eve"].by) == ("Loud.", ADA.id)
    assert loaded.requests[DAN.id].denied_at is not None
    turn = history.turn(
        ApproveJoin(history.id, ADA, CLEO.id),
        Unmute(history.id, ADA, BEN.id),
        Unban(history.id, ADA, "eve"),
        Ban(history.id, ADA, BEN.id),
    )
    await put(store, history, turn)
    loaded = await store.load(history.id).wait()
    assert loaded == history.state
    assert loaded is not None
    assert (set(loaded.members), set(loaded.bans), loaded.mutes) == (
        {ADA.id, CLEO.id},
        {BEN.id},
        {},
    )


async def test_an_invite_is_counted_with_who_comes_in_by_it(store: Store) -> None:
    history = await begin(store)
    id = f"{history.id} invite"
    await put(store, history, history.turn(CreateInvite(history.id, ADA, id, max_uses=2)))
    joins = (AcceptInvite(history.id, who, id) for who in (BEN, CLEO, DAN))
    await put(store, history, history.turn(*joins))
    loaded = await store.load(history.id).wait()
    assert loaded == history.state
    assert loaded is not None
    assert (set(loaded.members), loaded.invites[id].uses) == ({ADA.id, BEN.id, CLEO.id}, 2)
    assert loaded.members[BEN.id].introduced


async def test_an_invite_leads_to_its_conversation_also_when_it_is_over(store: Store) -> None:
    history = await begin(store)
    first, second = f"{history.id} 1", f"{history.id} 2"
    await put(store, history, history.turn(CreateInvite(history.id, ADA, first, expires_in=1)))
    await put(store, history, history.turn(CreateInvite(history.id, ADA, second)))
    await put(store, history, history.turn(RevokeInvite(history.id, ADA, second)))
    assert await store.load(history.id).wait() == history.state
    assert history.state.invites == {}
    for id in (first, second):
        assert await store.conversation_of(id).wait() == history.id
    assert await store.conversation_of("never made").wait() is None


async def test_a_direct_conversation_stays_one(store: Store) -> None:
    history = History()
    command = OpenDirect(history.id, ADA, "Ada, Ben", Entrant(BEN))
    await put(store, history, history.turn(command))
    loaded = await store.load(history.id).wait()
    assert loaded == history.state
    assert loaded is not None
    assert (loaded.direct, loaded.members[BEN.id].role) == (True, "owner")


async def test_who_was_removed_has_it_in_their_list_no_more(store: Store) -> None:
    history = await begin(store, BEN, CLEO)
    await put(store, history, history.turn(Remove(history.id, ADA, BEN.id)))
    await put(store, history, history.turn(Ban(history.id, ADA, CLEO.id)))
    for person, total in ((ADA, 1), (BEN, 0), (CLEO, 0)):
        listing = await store.listing(person.id, limit=100, offset=0).wait()
        found = [each.conversation_id for each in listing.summaries]
        assert found.count(history.id) == total


async def test_a_report_is_kept_once_a_member_and_message_until_it_is_closed(store: Store) -> None:
    reports = [
        Report(0, "talk", 2, "ben", "Spam.", 5),
        Report(0, "talk", 2, "cleo", "Rude.", 6),
        Report(0, "talk", 3, "ben", "Spam.", 7),
    ]
    stored = [await store.save_report(report).wait() for report in reports]
    assert [each._replace(position=0) for each in stored] == reports
    assert [each.position for each in stored] == [1, 2, 3]
    again = reports[0]._replace(reason="Still.", at=9)
    assert await store.save_report(again).wait() == stored[0]
    first = await store.reports(limit=2).wait()
    assert first == ReportPage((stored[2], stored[1]), 2)
    assert await store.reports(limit=2, before=first.before).wait() == ReportPage(
        (stored[0],), None
    )
    closed = await store.close_report(2, by="root", outcome="Nothing.", at=8).wait()
    assert closed == stored[1]._replace(closed_at=8, closed_by="root", outcome="Nothing.")
    assert await store.close_report(2, by="other", outcome="Else.", at=9).wait() == closed
    assert await store.report(2).wait() == closed
    assert await store.reports().wait() == ReportPage((stored[2], stored[0]), None)
    assert await store.reports(is_open=False).wait() == ReportPage((closed,), None)
    assert await store.report(4).wait() is None
    assert await store.close_report(4, by="root", outcome="x", at=9).wait() is None


# --- keys ---------------------------------------------------------------------------------------------------------------


def waiting(history: History, key: str | None = None, sender: Participant = ADA) -> HeldMessage:
    place = 0, history.state.number, history.id
    return HeldMessage(*place, sender, "message", "secret", "{}", key, "A link.", 5)


async def test_a_held_message_waits_once_a_key_until_it_is_decided(store: Store) -> None:
    history, other = await begin(store, BEN), await begin(store)
    first = await store.hold(waiting(history, "k1")).wait()
    assert first is not None
    assert first == waiting(history, "k1")._replace(position=first.position)
    assert await store.hold(waiting(history, "k1")).wait() == first
    kept = [
        await store.hold(held).wait()
        for held in (
            waiting(history, "k1", BEN),
            waiting(other, "k1"),
            waiting(history),
            waiting(history),
        )
    ]
    positions = [first.position, *(each.position for each in kept if each is not None)]
    assert positions == sorted(set(positions))
    assert len(positions) == 5
    assert await store.held_count(ADA.id).wait() == 4
    page = await store.held_messages(limit=2).wait()
    assert [each.position for each in page.messages] == positions[:2:-1]
    rest = await store.held_messages(before=page.before, limit=9).wait()
    assert [each.position for each in rest.messages] == positions[2::-1]
    number = history.state.number
    own = await store.held_messages(number=number, sender_id=BEN.id).wait()
    assert [each.position for each in own.messages] == [positions[1]]
    claimed = await store.claim_held(first.position, "c1").wait()
    assert claimed == first._replace(outcome="approved", closed_by="c1")
    denial = {"by": "root", "outcome": "denied", "why": "Not here.", "at": 9}
    assert await store.close_held(first.position, **denial).wait() == claimed
    assert await store.release_held(first.position, "c0").wait() == claimed  # not its own
    assert await store.release_held(first.position, "c1").wait() == first
    closed = await store.close_held(
        first.position, by="root", outcome="denied", why="Not here.", at=9
    ).wait()
    assert closed == first._replace(
        content="", details="", closed_at=9, closed_by="root", outcome="denied", why="Not here."
    )
    again = await store.close_held(
        first.position, by="x", outcome="approved", why=None, at=10
    ).wait()
    assert again == closed == await store.held(first.position).wait()
    assert await store.claim_held(first.position, "c2").wait() == closed
    assert await store.hold(waiting(history, "k1")).wait() == closed
    assert (await store.held_messages(is_open=False).wait()).messages == (closed,)
    assert await store.held(99).wait() is None


async def test_nothing_of_a_deleted_conversation_is_read_while_it_is_being_erased(
    store: Store,
) -> None:
    history = await begin(store)
    await put(store, history, history.say("a", "b"))
    number, root = history.state.number, history.records[1].sequence
    said = history.say("c")
    reply = said.records[0]._replace(target=root, relation="reply")
    await put(store, history, replace(said, records=(reply,)))
    assert (await store.thread(number, root).wait()).records == (reply,)
    assert list(await store.targets(number, (root,)).wait()) == [root]
    erased = Changes(history.id, number, (), erased=history.state.updated_at)
    await store.append(erased).wait()
    for page in store.read(number), store.read(number, before=9), store.thread(number, root):
        assert (await page.wait()).records == ()
    assert await store.targets(number, (root,)).wait() == {}


async def test_held_messages_go_with_their_conversation(store: Store) -> None:
    history = await begin(store)
    await store.hold(waiting(history)).wait()
    erased = Changes(history.id, history.state.number, (), erased=history.state.updated_at)
    await store.append(erased).wait()
    assert (await store.held_messages().wait()).messages == ()
    assert await store.hold(waiting(history, "k2")).wait() is None


async def test_all_keys_that_are_taken_are_named_and_nothing_is_stored(store: Store) -> None:
    history = await begin(store, BEN)
    await put(store, history, history.say("a", "b"))
    await put(store, history, history.say("c", sender=BEN))
    rival = history.fork()
    rival.say("d")
    turn = rival.turn(
        Post(rival.id, ADA, "again", "b"),
        Post(rival.id, BEN, "a is mine too", "a"),
        Post(rival.id, BEN, "again", "c"),
    )
    outcome = await store.append(turn).wait()
    taken = {(ADA.id, "b"): history.records[2], (BEN.id, "c"): history.records[3]}
    assert outcome == KeysTaken(taken)
    assert await store.load(history.id).wait() == history.state
    await put(store, history, history.say("a", sender=BEN))
    assert await read_all(store, history.state.number) == tuple(history.records)


async def test_a_key_that_is_only_asked_for_is_named_if_it_was_used(store: Store) -> None:
    history, other = await begin(store, BEN), await begin(store)
    await put(store, history, history.say("a", "b"))
    await put(store, other, other.say("c"))
    names = ((ADA.id, "b"), (ADA.id, "c"), (BEN.id, "a"))
    used = await store.keys_among(history.state.number, names).wait()
    assert used == {(ADA.id, "b"): history.records[2]}
    assert await store.keys_among(history.state.number, names[1:]).wait() == {}


async def test_a_key_belongs_to_its_conversation(store: Store) -> None:
    for history in (await begin(store), await begin(store)):
        await put(store, history, history.say("k"))


async def test_a_key_never_expires(store: Store) -> None:
    history = await begin(store)
    await put(store, history, history.say("k"))
    for turn in range(30):
        await put(store, history, history.say(*(f"{turn}-{n}" for n in range(100))))
    rival = history.fork()
    outcome = await store.append(rival.say("new", "k", "0-0")).wait()
    assert outcome == KeysTaken(
        {(ADA.id, "k"): history.records[1], (ADA.id, "0-0"): history.records[2]}
    )


@shared
@given(
    body=st.binary(max_size=500),
    salt=st.binary(max_size=32),
    sender=st.text(st.characters(codec="utf-8"), min_size=1),
    key=st.none() | st.text(st.characters(codec="utf-8"), min_size=1),
    at=st.integers(-(2**62), 2**62),
)
def test_records_come_back_as_they_were(opened: AnyStore, **parts: Any) -> None:
    async def play() -> None:
        history = await begin(opened)
        record = Record(
            2, parts["at"], parts["body"], parts["salt"], 1, parts["sender"], parts["key"]
        )
        changes = Changes(history.id, history.state.number, (record,))
        assert isinstance(await opened.append(changes).wait(), Appended)
        page = await opened.read(history.state.number, after=1).wait()
        assert page == Page((record,), False)
        assert {type(value) for value in page.records[0][:7]} <= {int, bytes, str, type(None)}
        if record.key is not None:
            later = record._replace(sequence=3, messages=2)
            again = Changes(history.id, history.state.number, (later,))
            taken = KeysTaken({(parts["sender"], record.key): record})
            assert await opened.append(again).wait() == taken

    trio.run(play)


# --- pages, counts, listings --------------------------------------------------------------------------------------------


@shared
@given(
    after=st.integers(0, 14),
    before=st.none() | st.integers(0, 14),
    limit=st.integers(1, 13),
)
def test_a_page_is_the_part_that_was_asked_for(
    opened: AnyStore, after: int, before: int | None, limit: int
) -> None:
    async def play() -> None:
        history = await begin(opened)
        await put(opened, history, history.say(*[None] * 11))
        page = await opened.read(
            history.state.number, after=after, before=before, limit=limit
        ).wait()
        end = 99 if before is None else before
        between = [each for each in history.records if after < each.sequence < end]
        backward = before is not None and not after
        part = between[-limit:] if backward else between[:limit]
        assert page == Page(tuple(part), len(between) > limit)

    trio.run(play)


async def test_unread_are_the_messages_after_a_position(store: Store) -> None:
    history = await begin(store)
    await put(store, history, history.say(None, None))  # 2, 3
    await put(store, history, history.join(BEN))  # 4
    await put(store, history, history.say(None))  # 5
    for position, unread in enumerate((3, 3, 2, 1, 1, 0, 0, 0)):
        assert await store.messages_after(history.state.number, position).wait() == unread


async def test_mentions_of_somebody_after_a_position_are_counted(store: Store) -> None:
    history = await begin(store)
    await put(store, history, history.join(BEN, CLEO))  # 2, 3
    await put(store, history, history.tell("@Ben", "@Cleo @Ben", "nobody"))  # 4, 5, 6
    await put(store, history, history.tell("@Ben"))  # 7
    number = history.state.number
    for position, mentions in enumerate((3, 3, 3, 3, 2, 1, 1, 0, 0)):
        assert await store.mentions_after(number, BEN.id, position).wait() == mentions
    assert await store.mentions_after(number, CLEO.id, 0).wait() == 1
    assert await store.mentions_after(number, DAN.id, 0).wait() == 0
    assert await store.mentions_after(number + 1, BEN.id, 0).wait() == 0
    summary = (await store.listing(BEN.id, limit=1, offset=0).wait()).summaries[0]
    assert (summary.unread_count, summary.mention_count) == (4, 3)
    await put(store, history, history.mark(5, BEN))
    summary = (await store.listing(BEN.id, limit=1, offset=0).wait()).summaries[0]
    assert (summary.unread_count, summary.mention_count) == (2, 1)


async def test_a_run_is_open_with_what_it_has_said_until_it_ends(store: Store) -> None:
    history = await begin(store, BOT)
    number = history.state.number
    await put(
        store, history, history.turn(StartRun(history.id, BOT, "r"), StartRun(history.id, BOT, "s"))
    )
    opened = (await store.load(history.id).wait()) or State("")
    assert [(run.id, run.participant_id, run.text) for run in opened.runs.values()] == [
        ("r", BOT.id, ""),
        ("s", BOT.id, ""),
    ]
    assert opened.runs == history.state.runs
    pieces = (RunText("r", 0, "Fish 😀"), RunText("r", 6, " and chips"), RunText("s", 0, "x"))
    for piece in pieces:
        await put(store, history, Changes(history.id, number, (), texts=(piece,)))
    again = (await store.load(history.id).wait()) or State("")
    assert {run.id: run.text for run in again.runs.values()} == {"r": "Fish 😀 and chips", "s": "x"}
    assert await store.with_open_runs().wait() == (history.id,)

    history.state.runs = again.runs
    await put(store, history, history.turn(EndRun(history.id, BOT, "r", usage='{"a":1}')))
    found = await store.runs_among(number, ("r", "s", "t")).wait()
    assert found.keys() == {"r", "s"}
    assert found["s"] == StoredRun(BOT.id, None)
    assert found["r"].end is not None
    assert found["r"].end.sequence == history.state.head
    await put(store, history, history.turn(CancelRun(history.id, ADA, "s")))
    ended = (await store.load(history.id).wait()) or State("")
    assert ended.runs == {}
    assert await store.with_open_runs().wait() == ()
    assert await store.runs_among(99, ("r",)).wait() == {}


async def test_a_run_that_says_nothing_has_failed_and_is_known_with_what_it_answered(
    store: Store,
) -> None:
    history = await begin(store, BOT)
    number = history.state.number
    await put(store, history, history.tell("well?"))
    start = RunStarted(history.id, 3, 5, "r", BOT.id, f"{history.id}-2", ADA.id)
    await put(store, history, history.take(start))
    assert await store.runs_among(number, ("r",)).wait() == {
        "r": StoredRun(BOT.id, None, start.reply_to, ADA.id)
    }
    await put(store, history, history.turn(EndRun(history.id, BOT, "r")))
    (found,) = (await store.runs_among(number, ("r",)).wait()).values()
    assert found == StoredRun(BOT.id, history.records[-1], start.reply_to, ADA.id)
    assert await store.messages_after(number, 0).wait() == 1, "a failure is no message"


async def test_what_an_agent_answers_is_kept(store: Store) -> None:
    history = await begin(store, BOT)
    await put(
        store, history, history.turn(UpdateAgent(history.id, ADA, BOT.id, "always", 3, "restart"))
    )
    loaded = (await store.load(history.id).wait()) or State("")
    agent = loaded.members[BOT.id]
    assert (agent.trigger, agent.agents_may_call, agent.steering) == ("always", 3, "restart")
    assert loaded.members == history.state.members


async def test_a_key_is_known_again_whatever_else_its_message_has(store: Store) -> None:
    history = await begin(store)
    await put(store, history, history.join(BEN))
    post = Post(history.id, ADA, "@Ben", "k", mentions=(BEN.id,))
    later = history.fork()
    await put(store, history, history.turn(post))  # 3
    await put(store, history, history.tell("between"))  # 4
    later.state = history.state.draft()
    again = later.turn(post)
    taken = KeysTaken({(ADA.id, "k"): history.records[2]._replace(mentions=())})
    outcome = await store.append(again).wait()
    assert isinstance(outcome, KeysTaken)
    assert outcome.records[ADA.id, "k"]._replace(mentions=()) == taken.records[ADA.id, "k"]
    assert await store.mentions_after(history.state.number, BEN.id, 0).wait() == 1


async def test_no_more_mentions_are_counted_than_matter(store: Store) -> None:
    history = await begin(store)
    await put(store, history, history.join(BEN))
    await put(store, history, history.tell(*["@Ben"] * (MOST_MENTIONS + 1)))
    assert await store.mentions_after(history.state.number, BEN.id, 0).wait() == MOST_MENTIONS


async def test_events_are_told_apart_from_messages_by_what_they_are(store: Store) -> None:
    history = await begin(store)  # 1
    other = await begin(store)
    await put(store, history, history.say(None, "k"))  # 2, 3
    await put(store, history, history.join(BEN))  # 4
    await put(store, history, history.say(None, sender=BEN))  # 5
    await put(store, history, history.leave(BEN))  # 6
    number = history.state.number
    sequences = (0, 1, 2, 3, 4, 5, 6, 7, 2**53 - 1)
    senders = {2: ADA.id, 3: ADA.id, 5: BEN.id}
    assert await store.senders_among(number, sequences).wait() == senders
    assert await store.senders_among(number, (4, 5, 5)).wait() == {5: BEN.id}
    assert await store.senders_among(number, ()).wait() == {}
    assert await store.senders_among(other.state.number, sequences).wait() == {}
    assert await store.senders_among(99, sequences).wait() == {}


async def test_a_listing_begins_with_the_newest_activity(store: Store) -> None:
    first, second, third = [await begin(store, BEN) for _ in range(3)]
    await begin(store, owner=CLEO)
    await put(store, first, first.say(None))
    await put(store, second, second.mark(1))  # is no activity
    listing = await store.listing(BEN.id, limit=10, offset=0).wait()
    ids = [each.conversation_id for each in listing.summaries]
    assert ids == [first.id, third.id, second.id]
    assert listing.total == 3
    page = await store.listing(BEN.id, limit=1, offset=1).wait()
    assert ([each.conversation_id for each in page.summaries], page.total) == ([third.id], 3)
    beyond = await store.listing(BEN.id, limit=5, offset=3).wait()
    assert (beyond.summaries, beyond.total) == ((), 3)


async def test_pages_of_a_listing_show_nothing_twice_whatever_is_said_between_them(
    store: Store,
) -> None:
    histories = [await begin(store, BEN) for _ in range(5)]
    await put(store, histories[0], histories[0].say(None))  # to the front
    first = await store.listing(BEN.id, limit=2).wait()
    await put(store, histories[2], histories[2].say(None))  # to the front, before its page has come
    await put(store, histories[4], histories[4].say(None))
    second = await store.listing(BEN.id, limit=2, before=first.before).wait()
    assert (first.total, second.total, second.before) == (5, 5, None)
    seen = [each.conversation_id for page in (first, second) for each in page.summaries]
    assert seen == [histories[n].id for n in (0, 4, 3, 1)]
    newest = await store.listing(BEN.id, limit=2).wait()
    ids = [each.conversation_id for each in newest.summaries]
    assert ids == [histories[4].id, histories[2].id]


@pytest.mark.parametrize("readable", ["all", "since_join"])
async def test_a_summary_shows_a_late_joiner_nothing_from_before_where_they_may_not_read_it(
    store: Store, readable: Any
) -> None:
    history = History()
    create = Create(history.id, ADA, "Title", history=readable)
    await put(store, history, history.turn(create))
    await put(store, history, history.say(None))
    await put(store, history, history.join(BEN))
    (summary,) = (await store.listing(BEN.id, limit=1).wait()).summaries
    assert (summary.last_message is None) == (readable == "since_join")
    (own,) = (await store.listing(ADA.id, limit=1).wait()).summaries
    assert own.last_message == history.records[1]
    await put(store, history, history.say(None))
    (summary,) = (await store.listing(BEN.id, limit=1).wait()).summaries
    assert (summary.last_message, summary.unread_count) == (history.records[3], 1)


async def test_a_summary_shows_the_newest_message_whatever_followed_it(store: Store) -> None:
    history = await begin(store, BEN)
    await put(store, history, history.say("a", "b"))
    await put(store, history, history.mark(2, BEN))
    for _ in range(20):
        await put(store, history, history.join(CLEO, DAN))
        await put(store, history, history.leave(CLEO, DAN))
    (summary,) = (await store.listing(BEN.id, limit=1, offset=0).wait()).summaries
    newest = history.records[2]
    assert summary.last_message == newest
    assert summary.last_message_at == newest.at
    assert (summary.participant_count, summary.unread_count) == (2, 1)
    assert (summary.title, summary.created_at) == ("The plan", history.state.created_at)


async def test_a_summary_without_messages_has_none(store: Store) -> None:
    await begin(store)
    (summary,) = (await store.listing(ADA.id, limit=1, offset=0).wait()).summaries
    assert (summary.last_message, summary.last_message_at, summary.unread_count) == (None, None, 0)


async def test_who_has_left_sees_it_in_no_listing(store: Store) -> None:
    history = await begin(store, BEN)
    await put(store, history, history.leave(BEN))
    assert (await store.listing(BEN.id, limit=1, offset=0).wait()).total == 0
    await put(store, history, history.join(BEN))
    assert (await store.listing(BEN.id, limit=1, offset=0).wait()).total == 1


# --- many at once -------------------------------------------------------------------------------------------------------


async def test_many_conversations_at_once_keep_their_order(store: Store) -> None:
    async def talk() -> None:
        history = await begin(store, BEN)
        histories.append(history)
        for turn in range(20):
            keys = [f"{turn}-{n}" for n in range(turn % 5)]
            await put(store, history, history.say(*keys, None))

    async def look() -> None:
        while True:
            for history in list(histories):
                page = await store.read(history.state.number, after=0).wait()
                sequences = [each.sequence for each in page.records]
                assert sequences == list(range(1, len(sequences) + 1))
                loaded = await store.load(history.id).wait()
                assert loaded is not None
                assert loaded.head >= len(sequences)
            await trio.lowlevel.checkpoint()

    histories: list[History] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(look)
        async with trio.open_nursery() as talking:
            for _ in range(50):
                talking.start_soon(talk)
        nursery.cancel_scope.cancel()
    for history in histories:
        assert await store.load(history.id).wait() == history.state
        assert await read_all(store, history.state.number) == tuple(history.records)
    statistics = store.statistics()
    assert statistics.records == sum(len(history.records) for history in histories)
    assert statistics.waiting == 0


async def test_what_was_appended_is_seen_by_the_next_question(store: Store) -> None:
    history = await begin(store)
    for turn in range(100):
        await put(store, history, history.say(str(turn)))
        assert await store.messages_after(history.state.number, turn + 1).wait() == 1


async def test_a_conflict_harms_nobody_else(store: Store) -> None:
    histories = [await begin(store) for _ in range(60)]
    for history in histories:
        await put(store, history, history.say("k"))
    kinds: dict[int, Callable[[History], Changes]] = {
        0: lambda history: history.say("new"),
        1: lambda history: history.fork().say("new", "k"),  # the key is taken
        2: lambda history: history.fork().begin(),  # refused by the rules: nothing to store
    }
    waiting = []
    for place, history in enumerate(histories):
        if place % 4 == 3:  # the sequence is taken
            rival = history.fork()
            rival.state.head -= 1
            waiting.append((history, store.append(rival.say("other"))))
        else:
            waiting.append((history, store.append(kinds[place % 4](history))))
    for place, (history, future) in enumerate(waiting):
        if place % 4 == 3:
            with pytest.raises(StoreError):
                await future.wait()
        elif place % 4 == 1:
            assert await future.wait() == KeysTaken({(ADA.id, "k"): history.records[1]})
        else:
            assert await future.wait() == Appended(history.state.number)
        assert await store.load(history.id).wait() == history.state
        assert await read_all(store, history.state.number) == tuple(history.records)


# --- guests, tokens -----------------------------------------------------------------------------------------------------


async def test_a_guest_is_found_by_the_hash_of_the_code(store: AnyStore) -> None:
    await store.add_guest("g1", "Ada", b"hash 1", 5).wait()
    await store.add_guest("g2", "Ben", b"hash 2", 6).wait()
    assert await store.find_guest(b"hash 2").wait() == ("g2", "Ben")
    assert await store.find_guest(b"hash 3").wait() is None


async def test_the_newest_name_of_somebody_is_known_and_whether_they_chose_it(
    store: AnyStore,
) -> None:
    await store.add_guest("g1", "Ada", b"hash 1", 5).wait()
    assert await store.name_of("g1").wait() is None
    await store.rename("g1", "Countess", 10, chosen=False).wait()
    await store.rename("g1", "Lovelace", 20, chosen=True).wait()
    await store.rename("somebody", "Ben", 15, chosen=False).wait()
    assert await store.name_of("g1").wait() == ("Lovelace", True)
    assert await store.name_of("somebody").wait() == ("Ben", False)
    assert await store.find_guest(b"hash 1").wait() == ("g1", "Lovelace")
    assert await store.names_since(15).wait() == (("somebody", "Ben"), ("g1", "Lovelace"))
    assert await store.names_since(16).wait() == (("g1", "Lovelace"),)


async def test_a_conversation_knows_which_of_its_members_have_another_name_by_now(
    store: AnyStore,
) -> None:
    history = await begin(store)
    member = next(iter(history.state.members.values())).participant
    await store.rename(member.id, "Renamed", 10, chosen=True).wait()
    state = await store.load(history.id).wait()
    assert state is not None
    assert state.renamed == {member.id: "Renamed"}
    await store.append(history.introduce(member._replace(name="Renamed"))).wait()
    state = await store.load(history.id).wait()
    assert state is not None
    assert state.renamed == {}
    assert state.members[member.id].participant.name == "Renamed"
    assert state.members[member.id].introduced


@pytest.mark.parametrize("guest", [("g1", b"hash 2"), ("g2", b"hash 1")])
async def test_a_guest_and_a_hash_are_unique(store: AnyStore, guest: tuple[str, bytes]) -> None:
    await store.add_guest("g1", "Ada", b"hash 1", 5).wait()
    with pytest.raises(StoreError):
        await store.add_guest(guest[0], "Ben", guest[1], 6).wait()
    assert await store.find_guest(b"hash 1").wait() == ("g1", "Ada")
    await begin(store)  # what was refused stands in nobody's way


async def test_a_revoked_token_is_remembered_until_it_expires(store: AnyStore) -> None:
    for token, expires_at in (("late", 30), ("soon", 10), ("later", 40), ("late", 30)):
        await store.revoke_token(token, expires_at).wait()
    assert await store.revoked_tokens(9).wait() == ("soon", "late", "later")
    assert await store.revoked_tokens(10).wait() == ("late", "later")
    assert await store.revoked_tokens(0).wait() == ("late", "later")
