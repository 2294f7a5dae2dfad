"""What a store of several nodes does, whichever it is: views are installed, and a commit of another view is refused whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
import trio

from salon import persistence
from salon.actors.cluster.membership import Membership
from salon.actors.cluster.view import Node, View, owner_of
from salon.actors.store import Appended, KeysTaken, StaleView, Store
from tests.unit.history import History, sources
from tests.unit.stores import log_of

ONE, TWO, THREE = (Node(f"id of {name}", name, "1") for name in ("one", "two", "three"))
LONG = 60.0  # seconds: nobody is given up
KINDS = ("memory", "postgres")


class Shared:
    """A store that several nodes may write to."""

    def __init__(self, store: Store, membership: Membership) -> None:
        self.store = store
        self.membership = membership


@pytest.fixture(params=KINDS)
def opened(request: pytest.FixtureRequest) -> Iterator[Shared]:
    if request.param == "memory":
        store = persistence.MemoryStore(sources())
        yield Shared(store, store.membership)
        return
    resolve_shared = getattr(persistence, "resolve_shared", None)
    if resolve_shared is None:
        pytest.skip("this store has no membership")
    with (
        request.getfixturevalue("databases").one() as url,
        closing(resolve_shared(url, sources())) as store,
    ):
        yield Shared(store, store.membership)


@pytest.fixture
async def shared(opened: Shared) -> Shared:
    """The same, used where trio runs."""
    return opened


async def begun(shared: Shared, view: View) -> History:
    """A conversation that was created in a view."""
    history = History()
    outcome = await shared.store.append(replace(history.begin(), view=view.number)).wait()
    assert isinstance(outcome, Appended)
    history.state.number = outcome.number
    return history


async def test_each_join_and_leave_installs_a_view_with_the_nodes_in_their_order(
    shared: Shared,
) -> None:
    first = await shared.membership.join(ONE).wait()
    assert first.number > 0
    assert first.nodes == (ONE,)
    second = await shared.membership.join(TWO).wait()
    assert second.number > first.number
    assert second.nodes == (ONE, TWO)
    third = await shared.membership.leave(ONE.id).wait()
    assert third.number > second.number
    assert third.nodes == (TWO,)
    assert await shared.membership.beat(TWO.id, LONG).wait() == third


async def test_who_leaves_twice_installs_one_view(shared: Shared) -> None:
    await shared.membership.join(ONE).wait()
    await shared.membership.join(TWO).wait()
    left = await shared.membership.leave(TWO.id).wait()
    assert await shared.membership.leave(TWO.id).wait() == left


async def test_a_node_that_gives_no_sign_of_life_is_given_up_and_its_own_sign_says_so(
    shared: Shared,
) -> None:
    await shared.membership.join(ONE).wait()
    both = await shared.membership.join(TWO).wait()
    with trio.fail_after(30):
        while True:
            await trio.sleep(0.02)
            view = await shared.membership.beat(TWO.id, 0.1).wait()
            if view != both:
                break
    assert view.nodes == (TWO,)
    assert view.number > both.number
    assert await shared.membership.beat(ONE.id, LONG).wait() == view


async def test_what_was_decided_in_another_view_is_refused_whole_and_may_be_decided_again(
    shared: Shared,
) -> None:
    before = await shared.membership.join(ONE).wait()
    history = await begun(shared, before)
    after = await shared.membership.join(TWO).wait()
    changes = history.say("k1")
    refused = await shared.store.append(replace(changes, view=before.number)).wait()
    assert isinstance(refused, StaleView)
    assert before.number < refused.number <= after.number
    assert len(await log_of(shared.store, history.id)) == history.state.head - 1
    stored = await shared.store.append(replace(changes, view=after.number)).wait()
    assert isinstance(stored, Appended)


async def test_a_key_that_was_used_in_an_earlier_view_is_known_in_a_later_one(
    shared: Shared,
) -> None:
    before = await shared.membership.join(ONE).wait()
    history = await begun(shared, before)
    await shared.store.append(replace(history.say("k1"), view=before.number)).wait()
    after = await shared.membership.join(TWO).wait()
    again = await shared.store.append(replace(history.say("k1"), view=after.number)).wait()
    assert isinstance(again, KeysTaken)


@pytest.mark.parametrize("nodes", [1, 3, 7])
def test_every_node_owns_its_share_and_a_node_that_goes_takes_only_its_own_along(
    nodes: int,
) -> None:
    view = View(1, tuple(Node(f"node-{n}", "", "1") for n in range(nodes)))
    owners = {f"talk-{n}": owner_of(view, f"talk-{n}") for n in range(2000)}
    for node in view.nodes:
        share = sum(owner == node.id for owner in owners.values())
        assert 0.75 < share * nodes / len(owners) < 1.25
    if nodes > 1:
        gone = view.nodes[0]
        left = View(2, view.nodes[1:])
        moved = {id for id, owner in owners.items() if owner_of(left, id) != owner}
        assert moved == {id for id, owner in owners.items() if owner == gone.id}
