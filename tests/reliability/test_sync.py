"""Nothing is promised before the disk has it: shown from the system calls of a real server, and by power cuts.

A process that is killed leaves to the system what it has written; a power cut takes that too. Here the server is traced,
and its trace says what was synced when, and so what a disk would hold at any moment.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import pytest
import trio

from salon.actors.store import StoreError
from salon.persistence import resolve
from tests.person import PATIENCE, guests
from tests.server import ServerProcess
from tests.syscalls import (
    SYNCS,
    Call,
    Disk,
    first_sends,
    mark,
    parse,
    refusal,
    sent_unsynced,
    strace,
)
from tests.traffic import Listener, Speaker, until
from tests.unit.history import sources
from tests.unit.stores import log_of

SPOKEN = 400  # messages of each of two; enough for the log to be copied into the file meanwhile
MESSAGES = 2 * SPOKEN + 20  # with those over HTTP
COPIED = (
    50_000  # bytes that the file has once the log has been copied into it; the log begins anew then
)
CUTS = 60


@pytest.fixture(autouse=True)
def _traceable(tell: Callable[[str], None]) -> None:
    if why := refusal():
        tell(
            f"NOT SHOWN, nothing can be traced here: that every sync precedes what it promises ({why})"
        )
        pytest.skip(f"nothing can be traced here: {why}")


async def traffic(server: ServerProcess) -> str:
    """Much said over sockets and HTTP, alone and in batches; where."""
    ada, bob, cleo = await guests(server, "Ada", "Bob", "Cleo")
    conversation_id = await ada.create(bob, cleo)
    speakers = [Speaker(ada, SPOKEN, window=1), Speaker(bob, SPOKEN, window=30)]
    for place, speaker in enumerate(speakers):
        said = [mark(place * SPOKEN + n) for n in range(SPOKEN)]
        speaker.messages = dict(zip(said, said, strict=True))
    with trio.fail_after(8 * PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Listener(cleo).listen, conversation_id, 1 + MESSAGES)
            await speakers[0].speak(conversation_id)
            await until(lambda: server.path.stat().st_size > COPIED)
            await speakers[1].speak(conversation_id)
            for n in range(2 * SPOKEN, MESSAGES):
                await cleo.say(conversation_id, mark(n), client_message_id=mark(n))
    assert all(len(speaker.receipts) == SPOKEN for speaker in speakers)
    return conversation_id


async def test_the_sync_of_the_log_returns_before_the_first_byte_of_a_receipt_or_a_copy_leaves(
    start_server: Callable[..., ServerProcess], tmp_path: Path, tell: Callable[[str], None]
) -> None:
    trace = tmp_path / "trace"
    server = start_server(under=strace(trace))
    conversation_id = await traffic(server)
    assert server.stop() == 0
    calls = parse(trace.read_text())
    assert kept_by_name(calls, server.path.with_name("salon.db.key"))
    log = server.path.with_name("salon.db-wal")
    last = max(send.entered for send in first_sends(calls).values())
    copied = [c for c in calls if c.path == f"{server.path}" and c.entered < last]
    assert len(copied) > 10  # the log into the file, in the midst of it
    assert set(first_sends(calls)) == {mark(n) for n in range(MESSAGES)}
    assert sent_unsynced(calls, log) == []
    syncs = [call for call in calls if call.name in SYNCS]
    tell(f"{MESSAGES} messages traced: each on the disk before it left, in {len(syncs)} syncs")

    # What shows it can show the contrary: the same trace without its syncs, or with them late, is refused.
    without = [call for call in calls if call.name not in SYNCS]
    assert len(sent_unsynced(without, log)) == MESSAGES
    assert sent_unsynced([_late(call) if call.name in SYNCS else call for call in calls], log)

    assert await lost_in_power_cuts(calls, server.path, conversation_id) == []
    tell(f"{CUTS} power cuts at moments of that trace: nothing was lost that anybody had been sent")
    assert await lost_in_power_cuts(without, server.path, conversation_id, enough=1)


def _late(call: Call) -> Call:
    return Call(call.name, call.entered + 60, call.path, returned=call.returned + 60, result=0)


def kept_by_name(calls: Sequence[Call], path: Path) -> bool:
    """Whether the disk knew the file by its name before anybody could connect."""
    begun = next(call for call in calls if b"Salon listening" in call.data)
    named = next(call for call in calls if call.path == f"{path}" and call.name.startswith("link"))
    return any(
        call.name in SYNCS and call.path == f"{path.parent}"
        for call in calls
        if named.returned < call.entered and call.returned < begun.entered
    )


async def lost_in_power_cuts(
    calls: Sequence[Call], path: Path, conversation_id: str, enough: float = inf
) -> list[str]:
    """What somebody had been sent and the disk did not have, at moments spread over the trace; `enough` of it ends the search."""
    luck = random.Random(1)
    began = next(n for n, call in enumerate(calls) if b"Salon listening" in call.data)
    copying = [n for n, call in enumerate(calls) if n > began and call.path == f"{path}"]
    moments = set(luck.sample(range(began, len(calls)), CUTS - CUTS // 4))
    moments |= set(luck.sample(copying, CUTS // 4))
    sends = first_sends(calls)
    disk = Disk(path)
    lost = []
    for number, call in enumerate(calls):
        disk.take(call)
        if number in moments and len(lost) < enough:
            promised = {key for key, send in sends.items() if send.entered <= call.returned}
            with TemporaryDirectory() as folder:
                disk.cut(Path(folder), luck)
                left = await stored(Path(folder) / path.name, conversation_id)
            if isinstance(left, str):
                lost.append(left)
            else:
                lost += [f"{key} in line {call.returned}" for key in promised - set(left)]
                assert len(set(left)) == len(left)
    return lost


async def stored(path: Path, conversation_id: str) -> list[str] | str:
    """The keys in the log of a store that is opened as a server would, or why it is not sound."""
    try:
        store = resolve(f"sqlite:///{path}", sources())
    except StoreError as error:
        return str(error)
    try:
        log = await log_of(store, conversation_id)
        return [record.key for record in log if record.key is not None]
    except StoreError as error:
        return str(error)
    finally:
        store.close()


async def test_what_a_killed_server_had_not_synced_is_synced_before_the_next_one_speaks_of_it(
    start_server: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    # Killed by the system as it asks for a sync: the commit is in the log's file, and only in memory.
    first, second = tmp_path / "first", tmp_path / "second"
    server = start_server(under=strace(first, "fdatasync:signal=KILL:when=20"))
    ada = (await guests(server, "Ada"))[0]
    conversation_id = await ada.create()
    number = 0
    try:
        while True:
            await ada.say(conversation_id, mark(number), client_message_id=mark(number))
            number += 1
    except httpx2.TransportError:
        assert server.wait() == -signal.SIGKILL
    disk = Disk(server.path)
    for call in parse(first.read_text()):
        disk.take(call)

    server.under = strace(second)
    server.start()
    receipt = await ada.say(conversation_id, mark(number), client_message_id=mark(number))
    assert receipt["sequence_id"] == number + 2
    assert server.stop() == 0
    calls = parse(second.read_text())
    promise = first_sends(calls)[mark(number)]
    for call in calls:
        if call.returned >= promise.entered:
            break
        disk.take(call)
    with TemporaryDirectory() as folder:
        disk.cut(Path(folder))
        left = await stored(Path(folder) / server.path.name, conversation_id)
    assert left == [mark(n) for n in range(number + 1)]
