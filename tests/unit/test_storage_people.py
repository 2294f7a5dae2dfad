"""What every store keeps of people: their traces in the log, what is left once they are forgotten, erasures, holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from salon.actors.held import HeldMessage
from salon.actors.messages import Update
from salon.actors.people import TRACED, LegalHold, PersonErasure, Retained, Trace
from salon.actors.store import Appended, Changes, Report, Store
from salon.web.socket.codec import JsonCodec
from tests.unit.history import ADA, BEN, CLEO
from tests.unit.stores import begin
from tests.unit.test_storage_files import add, send

CODEC = JsonCodec(heartbeat=25, max_message_size=10_000)


async def append(store: Store, changes: Changes) -> tuple[int, ...]:
    """Store a turn with the frames that people get; the sequences of its events."""
    frames = {event.sequence: CODEC.encode(event) for event in changes.state_events}
    records = tuple(
        record._replace(body=frames.get(record.sequence, record.body)) for record in changes.records
    )
    assert isinstance(await store.append(replace(changes, records=records)).wait(), Appended)
    return tuple(record.sequence for record in records)


async def test_a_persons_traces_are_what_they_did_and_what_names_them(store: Any) -> None:
    history, other = await begin(store), await begin(store)
    (joined,) = await append(store, history.join(BEN))
    said = await append(store, history.tell("one", "two", sender=BEN))
    await append(store, history.tell("ben", '"ben"', sender=ADA))
    (left,) = await append(store, history.leave(BEN))
    (elsewhere,) = await append(store, other.join(BEN))
    traces = await store.traces(BEN.id, after=0).wait()
    mine = [(history.id, each) for each in (joined, *said, left)] + [(other.id, elsewhere)]
    assert traces.found == tuple(Trace(*each) for each in mine)
    assert traces.through is None
    assert (await store.traces(CLEO.id, after=0).wait()).found == ()


async def test_traces_are_looked_for_step_by_step(store: Any) -> None:
    history = await begin(store)
    for start in range(0, TRACED + 40, 2_000):
        count = min(2_000, TRACED + 40 - start)
        await append(store, history.tell(*(f"m{start + n}" for n in range(count))))
    first = await store.traces(ADA.id, after=0).wait()
    assert first.through == TRACED
    second = await store.traces(ADA.id, after=first.through).wait()
    assert second.through is None
    sequences = [each.sequence for each in (*first.found, *second.found)]
    assert sequences == list(range(2, history.state.head + 1)), "all but its beginning"


async def test_messages_before_a_time_are_found_until_they_are_deleted(store: Any) -> None:
    history = await begin(store)
    old = await append(store, history.tell("a", "b"))
    before = history.state.updated_at + 1
    history.soon(1_000)
    young = await append(store, history.tell("c"))
    expired = await store.expired(before, after=0).wait()
    assert [each.sequence for each in expired.found] == list(old)
    assert expired.through is None
    late = await store.expired(history.state.updated_at + 1, after=0).wait()
    assert [each.sequence for each in late.found] == [*old, *young]


async def test_what_stands_about_a_person_outside_of_conversations_is_forgotten(store: Any) -> None:
    history = await begin(store)
    await store.add_guest(BEN.id, "Ben", b"hash", 1).wait()
    await store.rename(BEN.id, "Benjamin", 2, chosen=True).wait()
    await store.add_account("house:ben", BEN.id, 2).wait()
    await store.add_account("house:ben", ADA.id, 3).wait()
    assert await store.participant_of("house:ben").wait() == BEN.id, "for ever"
    assert await store.has_account(BEN.id).wait()
    unsent = await add(store, history, "unsent", uploader=BEN.id)
    sent = await add(store, history, "sent", uploader=BEN.id)
    sent = sent._replace(sequence=await send(store, history, "k", sent))
    await add(store, history, "another's", uploader=ADA.id)
    report = Report(0, history.id, 2, BEN.id, "it is about me", 3)
    report = await store.save_report(report).wait()
    number = history.state.number
    held = HeldMessage(0, number, history.id, BEN, "post", "a secret", "{}", "k", None, 4)
    await store.hold(held).wait()
    rows = await store.person(BEN.id).wait()
    assert (rows.name, rows.is_guest, rows.reports) == ("Benjamin", True, (report,))
    assert {file.file_id for file in rows.files} == {"unsent", "sent"}
    await store.forget_person(BEN.id).wait()
    rows = await store.person(BEN.id).wait()
    assert (rows.name, rows.is_guest) == (None, False)
    assert [file.file_id for file in rows.files] == ["sent"], "its message deletes it"
    assert rows.reports == (report._replace(reason=""),)
    assert await store.find_guest(b"hash").wait() is None
    assert await store.participant_of("house:ben").wait() is None
    assert not await store.has_account(BEN.id).wait()
    assert (await store.held_messages(sender_id=BEN.id).wait()).messages == ()
    assert await store.gone_contents(10).wait() == (unsent.content,)
    assert await store.file("another's").wait() is not None


async def test_erasures_and_holds_are_kept_as_they_were_last_stored(store: Any) -> None:
    erasure = PersonErasure("e2", BEN.id, ADA.id, 5)
    await store.save_erasure(erasure).wait()
    await store.save_erasure(PersonErasure("e1", CLEO.id, CLEO.id, 7)).wait()
    done = erasure._replace(through=9, messages=3, done_at=8)
    await store.save_erasure(done).wait()
    found = await store.erasures().wait()
    assert found == (done, PersonErasure("e1", CLEO.id, CLEO.id, 7))
    hold = LegalHold("h", "person", BEN.id, "case 12", ADA.id, 6)
    await store.save_hold(hold).wait()
    await store.save_hold(hold._replace(released_at=9)).wait()
    assert await store.holds().wait() == (hold._replace(released_at=9),)


async def test_conversations_with_days_of_their_own_are_known_with_what_is_too_old(
    store: Any,
) -> None:
    history, _ = await begin(store), await begin(store)
    old = await append(store, history.tell("a", "b"))
    before = history.state.updated_at + 1
    history.soon(1_000)
    await append(store, history.tell("c"))
    assert await store.retained().wait() == ()
    await append(store, history.turn(Update(history.id, ADA, retention=30)))
    number = history.state.number
    assert await store.retained().wait() == (Retained(history.id, number, 30),)
    assert await store.expired_in(number, before).wait() == old
    await append(store, history.turn(Update(history.id, ADA, retention=0)))
    assert await store.retained().wait() == ()
