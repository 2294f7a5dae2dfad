"""Who owns a conversation follows from the view alone, however a node has come to know that view."""

from __future__ import annotations

from random import Random

import pytest

from salon.actors.cluster.view import Node, Owners, View, owner_of


@pytest.mark.parametrize("seed", range(20))
def test_a_node_that_has_seen_other_views_knows_the_same_owners(seed: int) -> None:
    chance = Random(seed)
    owners, ids = Owners(), [f"conversation {number}" for number in range(40)]
    for number in range(1, 12):
        names = chance.sample("abcdefgh", chance.randint(0, 8))
        view = View(
            number, tuple(Node(f"{name}-{chance.random() < 0.9}", name, "1") for name in names)
        )
        owners.moved(view)
        for id in chance.sample(ids, 25):  # others are asked for again in a later view
            assert owners.of(id) == (owner_of(view, id) if names else "")


def test_a_node_that_comes_takes_its_share_and_moves_nothing_else() -> None:
    ids = [f"conversation {number}" for number in range(3000)]
    nodes = tuple(Node(name, name, "1") for name in "abcdef")
    before = {id: owner_of(View(1, nodes[:5]), id) for id in ids}
    after = {id: owner_of(View(2, nodes), id) for id in ids}
    moved = {id for id in ids if before[id] != after[id]}
    assert {after[id] for id in moved} == {"f"}
    assert 400 < len(moved) < 600
