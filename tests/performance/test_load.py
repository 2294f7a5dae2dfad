"""Real load for a few seconds: what must be true is checked, how fast it was is shown."""

from __future__ import annotations

from collections.abc import Callable

import trio

from tests.person import PATIENCE, Person, guests
from tests.server import ServerProcess
from tests.traffic import Crowd, Listener, Speaker, check_promises, deaf, percentiles

LISTENERS = 40
MESSAGES = 500  # of each of two speakers
ROOMS, MEMBERS, EACH = 30, 3, 20
IDLE = 200
ALLOWED = 64 * 1024 * 1024  # bytes that the server may grow by: many times what any of this needs
PER_CONNECTION = 64 * 1024  # bytes likewise for a connection that does nothing

Tell = Callable[[str], None]


async def crowded_room(server: ServerProcess) -> tuple[str, list[Person]]:
    """A conversation of two who will speak and some more; its id."""
    people = await guests(server, *(f"Guest {number}" for number in range(6)))
    return await people[0].create(*people[1:]), people


async def fill(server: ServerProcess, conversation_id: str, people: list[Person]) -> str:
    """Two speak, many listen, nothing is lost; the figures."""
    speakers = [Speaker(who, MESSAGES, window=50) for who in people[:2]]
    crowd = Crowd()
    with trio.fail_after(4 * PATIENCE):
        async with trio.open_nursery() as nursery:
            for number in range(LISTENERS):
                who = people[2 + number % 3]
                await nursery.start(crowd.listen, who, conversation_id, 2 * MESSAGES)
            began, used = trio.current_time(), server.cpu_seconds
            for speaker in speakers:
                nursery.start_soon(speaker.speak, conversation_id)
        took, used = trio.current_time() - began, server.cpu_seconds - used
    log = await people[0].history(conversation_id)
    check_promises(log, *speakers)
    crowd.check(log)
    assert all(len(speaker.receipts) == MESSAGES for speaker in speakers)
    deliveries = 2 * MESSAGES * (LISTENERS + 2)
    latencies = speakers[0].latencies + speakers[1].latencies
    return (
        f"{deliveries / took:,.0f} deliveries/s, {used / deliveries * 1e6:.1f} µs of the server's "
        f"CPU each; receipts {percentiles(latencies)}"
    )


async def test_in_a_crowded_room_everybody_hears_everything_in_order(
    own_server: ServerProcess, tell: Tell
) -> None:
    conversation_id, people = await crowded_room(own_server)
    before = own_server.memory
    figures = await fill(own_server, conversation_id, people)
    grown = own_server.memory - before
    assert grown < ALLOWED
    tell(f"a room of {LISTENERS + 2}, two speak: {figures}; grew by {grown / 1e6:.1f} MB")


async def test_one_who_never_reads_changes_nothing_for_the_others(
    own_server: ServerProcess, tell: Tell
) -> None:
    conversation_id, people = await crowded_room(own_server)
    async with deaf(people[5], conversation_id) as socket:
        before = own_server.memory
        figures = await fill(own_server, conversation_id, people)
        grown = own_server.memory - before
        assert grown < ALLOWED
        late = Listener(people[5])
        with trio.fail_after(PATIENCE):
            await late.take(socket, 2 * MESSAGES + 1)
        assert late.events == await people[0].history(conversation_id)
    tell(f"the same with one who never reads: {figures}; grew by {grown / 1e6:.1f} MB")


async def test_in_many_small_rooms_at_once_nothing_is_lost(
    own_server: ServerProcess, tell: Tell
) -> None:
    people = await guests(own_server, *(f"Guest {number}" for number in range(MEMBERS)))
    rooms = [await people[0].create(*people[1:]) for _ in range(ROOMS)]
    spoken: dict[str, list[Speaker]] = {
        room: [Speaker(who, EACH, window=2) for who in people] for room in rooms
    }
    crowds = {room: Crowd() for room in rooms}
    with trio.fail_after(4 * PATIENCE):
        async with trio.open_nursery() as nursery:
            for room in rooms:
                await nursery.start(crowds[room].listen, people[0], room, MEMBERS * EACH)
            began, used = trio.current_time(), own_server.cpu_seconds
            for room, speakers in spoken.items():
                for speaker in speakers:
                    nursery.start_soon(speaker.speak, room)
        took, used = trio.current_time() - began, own_server.cpu_seconds - used
    for room, speakers in spoken.items():
        log = await people[0].history(room)
        check_promises(log, *speakers)
        crowds[room].check(log)
        assert all(len(speaker.receipts) == EACH for speaker in speakers)
    messages = ROOMS * MEMBERS * EACH
    latencies = [each for all_of in spoken.values() for one in all_of for each in one.latencies]
    tell(
        f"{ROOMS} rooms of {MEMBERS}, all speak: {messages / took:,.0f} messages/s, "
        f"{used / messages * 1e6:.0f} µs of the server's CPU each, handshakes with it; "
        f"receipts {percentiles(latencies)}"
    )


async def test_connections_that_do_nothing_cost_little(
    own_server: ServerProcess, tell: Tell
) -> None:
    ada, bob = await guests(own_server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    crowd = Crowd()
    with trio.fail_after(4 * PATIENCE):
        async with trio.open_nursery() as nursery:
            for _ in range(20):  # what the first ones cost is not theirs
                await nursery.start(crowd.listen, bob, conversation_id, 1)
            before, used = own_server.memory, own_server.cpu_seconds
            for _ in range(IDLE):
                await nursery.start(crowd.listen, bob, conversation_id, 1)
            each = (own_server.memory - before) / IDLE
            handshake = (own_server.cpu_seconds - used) / IDLE
            await ada.say(conversation_id, "wake up")  # and all of them hear it
    crowd.check(await ada.history(conversation_id))
    assert each < PER_CONNECTION
    tell(
        f"{IDLE} idle connections: {each / 1024:.1f} KiB of memory and {handshake * 1000:.1f} ms "
        "of CPU for the handshake each"
    )
