"""What one of several nodes does for all."""

from __future__ import annotations

from itertools import count

import trio
from trio.testing import wait_all_tasks_blocked

from salon.actors.cluster.view import Node
from salon.actors.store import StoreError
from salon.persistence.memory import MemoryStore
from salon.web.cluster.housekeeping import ViewWatch
from tests.unit.engine import seeded_sources


async def test_who_has_not_kept_house_for_a_moment_begins_anew_with_what_others_have_left() -> None:
    views = ViewWatch(MemoryStore(seeded_sources()))
    begun: list[int] = []
    numbers, reported = count(1), list[StoreError]()

    async def service(task_status: trio.TaskStatus[None]) -> None:
        begun.append(next(numbers))
        task_status.started()
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        await nursery.start(views.keep, service, reported.append)
        await views.join(Node("a", "one", "1")).wait()
        await wait_all_tasks_blocked()
        assert begun == [1]
        views.leave("a")
        views.join(Node("a", "one", "1"))  # before anybody could look
        await wait_all_tasks_blocked()
        assert begun == [1, 2]
        assert views.keeps_house
        nursery.cancel_scope.cancel()
    assert not reported
