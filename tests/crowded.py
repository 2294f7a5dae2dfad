"""A program: `crowded.py COUNT COMMAND…` runs a server whose memory is full of conversations that somebody began and talks in.

They are made by the engine itself, as over HTTP, but within seconds: what the console makes of so many is what is tested.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable

import trio

from salon.actors.messages import Create, Post
from salon.actors.model import Participant
from salon.web import app, cli
from salon.web.admin import AdminParts
from salon.web.http.request import Parts

AT_ONCE = 200  # begun at the same time
PAUSE = 0.01  # seconds between two messages
OWNERS = 50


async def crowd(parts: Parts, count: int) -> None:
    """Begin that many, then say something in one after the other."""
    ids = [f"crowd-{number:05}" for number in range(count)]
    people = [Participant(f"owner-{number}", f"Owner {number}") for number in range(OWNERS)]
    owners = {id: people[number % OWNERS] for number, id in enumerate(ids)}
    for start in range(0, count, AT_ONCE):
        async with trio.open_nursery() as nursery:
            for id in ids[start : start + AT_ONCE]:
                command = Create(id, owners[id], f"Conversation {int(id[6:])}")
                nursery.start_soon(parts.directory.participant(owners[id].id).ask, command)
    chance = random.Random(5)
    while not parts.stop.is_set():
        id = chance.choice(ids[:300])
        await parts.directory.participant(owners[id].id).ask(Post(id, owners[id], "Hello"))
        await trio.sleep(PAUSE)


def main() -> None:
    count = int(sys.argv[1])
    sys.argv[1:] = sys.argv[sys.argv.index("serve") :]
    run = app._run

    async def run_crowded(
        parts: AdminParts, announce: Callable[[str], None], listen_fd: int | None
    ) -> None:
        async with trio.open_nursery() as nursery:

            def announced(url: str) -> None:
                announce(url)
                nursery.start_soon(crowd, parts, count)

            await run(parts, announced, listen_fd)
            nursery.cancel_scope.cancel()

    app._run = run_crowded
    cli.main()


if __name__ == "__main__":
    main()
