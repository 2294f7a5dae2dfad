"""`salon keys rotate` beside a running server: old sessions go on, new ones have the new key, and both outlive a restart."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import trio

from tests import processes
from tests.patience import PATIENCE
from tests.person import Person, guest
from tests.server import CONFIG, ServerProcess
from tests.traffic import until


async def rotate(server: ServerProcess, *more: str) -> None:
    """Change the key, and have the server take it."""
    words = ["keys", "rotate", "--config", str(CONFIG), "--store", server.store, *more]
    done = await trio.to_thread.run_sync(lambda: processes.run(words, env=dict(os.environ)))
    assert done.returncode == 0, done.stderr
    assert key_of(server) not in done.stdout
    before = server.log.count("the keys were read again")
    os.kill(server.pid, signal.SIGHUP)
    with trio.fail_after(PATIENCE):
        await until(lambda: server.log.count("the keys were read again") > before)


def key_of(server: ServerProcess) -> str:
    return Path(f"{server.path}.key").read_text().split("\n")[0]


async def status(who: Person) -> int:
    return (await who.call("GET", "/auth/me")).status_code


async def test_sessions_go_on_when_the_key_is_changed_until_all_are_ended(
    own_server: ServerProcess,
) -> None:
    old, first = await guest(own_server, "Old"), key_of(own_server)
    conversation_id = await old.create()
    async with old.tab(conversation_id) as tab:
        await rotate(own_server)
        await tab.say("on the same socket")
    assert key_of(own_server) != first
    new = await guest(own_server, "New")
    own_server.restart()
    assert [await status(who) for who in (old, new)] == [200, 200]
    await rotate(own_server, "--days", "0")
    assert [await status(who) for who in (old, new)] == [401, 401]
    newest = await guest(own_server, "Newest")
    own_server.kill()
    own_server.start()
    assert [await status(who) for who in (old, new, newest)] == [401, 401, 200]
