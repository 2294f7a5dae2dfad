"""How long a message takes: shown, not judged; that each arrives, once and in order, is checked."""

from __future__ import annotations

from collections.abc import Callable

import trio

from tests.person import PATIENCE, Person, guests
from tests.server import ServerProcess
from tests.traffic import Crowd, Speaker, check_promises, percentiles

MESSAGES = 200
LISTENERS = 5

Tell = Callable[[str], None]


async def one_by_one(people: list[Person], conversation_id: str) -> tuple[str, Speaker, Crowd]:
    """Each message alone, the next once its receipt is there; the figures."""
    speaker, crowd = Speaker(people[0], MESSAGES, window=1), Crowd()
    async with trio.open_nursery() as nursery:
        for number in range(LISTENERS):
            who = people[1 + number % (len(people) - 1)]
            await nursery.start(crowd.listen, who, conversation_id, MESSAGES)
        nursery.start_soon(speaker.speak, conversation_id)
    sent = list(speaker.sent_at.values())
    heard = [came - at for times in crowd.came_at for at, came in zip(sent, times, strict=True)]
    figures = f"receipt {percentiles(speaker.latencies)}; copy {percentiles(heard)}"
    return figures, speaker, crowd


async def check(
    who: Person, conversation_id: str, speaker: Speaker, crowd: Crowd | None = None
) -> None:
    log = await who.history(conversation_id)
    check_promises(log, speaker)
    assert len(speaker.receipts) == len(speaker.messages)
    if crowd is not None:
        crowd.check(log)


async def test_in_a_quiet_conversation(server: ServerProcess, tell: Tell) -> None:
    people = await guests(server, "Ada", "Bob", "Cleo")
    conversation_id = await people[0].create(*people[1:])
    with trio.fail_after(4 * PATIENCE):
        figures, speaker, crowd = await one_by_one(people, conversation_id)
    await check(people[0], conversation_id, speaker, crowd)
    tell(f"each message alone, {LISTENERS} listen: {figures}")


async def test_while_others_make_noise_elsewhere(server: ServerProcess, tell: Tell) -> None:
    people = await guests(server, "Ada", "Bob", "Cleo")
    quiet, noisy = [await people[0].create(*people[1:]) for _ in range(2)]
    noise = Speaker(people[2], 100_000, window=50)
    with trio.fail_after(4 * PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(noise.speak, noisy)
            figures, speaker, crowd = await one_by_one(people, quiet)
            nursery.cancel_scope.cancel()
    await check(people[0], quiet, speaker, crowd)
    assert noise.receipts
    check_promises(await people[0].history(noisy), noise)
    tell(
        f"the same while one floods another conversation ({len(noise.receipts):,} messages "
        f"meanwhile): {figures}"
    )


async def test_over_http(server: ServerProcess, tell: Tell) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    client = ada.client()
    seconds, receipts = [], []
    for number in range(50):
        began = trio.current_time()
        receipts.append(await client.post(conversation_id, f"{number}"))
        seconds.append(trio.current_time() - began)
    assert [receipt.sequence_id for receipt in receipts] == list(range(2, 52))
    log = await bob.history(conversation_id)
    assert [event["message"]["content"] for event in log[1:]] == [f"{n}" for n in range(50)]
    tell(f"over HTTP, a connection for each message: receipt {percentiles(seconds)}")
