"""The bench of several nodes: who connects where, and what its page says."""

from __future__ import annotations

from typing import Any

import pytest

from salon.actors.cluster.view import Node as ViewNode
from salon.actors.cluster.view import View, owner_of
from salon.loadtests.bench.cluster_case import ANY, BOTH, OTHER, OWNER, Places
from salon.loadtests.reports.cluster_table import cluster_lines
from salon.loadtests.scenarios.setup import Room
from salon.loadtests.servers import Node
from salon.loadtests.users import Person

NODES = [Node(f"http://127.0.0.1:{port}", port, f"id {port}") for port in (8001, 8002, 8003)]
PEOPLE = tuple((number, Person("", True, True)) for number in range(12))


def _ports(at: str, room: str) -> list[int]:
    (placed,) = Places(NODES, at).place([Room(room, 0, PEOPLE)])
    targets = [person.target for _, person in placed.people]
    return [target.address[1] for target in targets if target is not None]


@pytest.mark.parametrize("room", ["a", "b", "c", "d", "e"])
def test_people_connect_where_the_measurement_wants_them(room: str) -> None:
    owner = owner_of(View(1, tuple(ViewNode(node.id, "", "") for node in NODES)), room)
    port = next(node.pid for node in NODES if node.id == owner)
    assert _ports(OWNER, room) == [port] * 12
    others = set(_ports(OTHER, room))
    assert len(others) == 1
    assert others != {port}
    assert sorted(_ports(BOTH, room)) == sorted([port] * 6 + [*others] * 6)
    assert sorted(_ports(ANY, room)) == sorted([8001, 8002, 8003] * 4)


def _part(rows: list[dict[str, Any]], *, well: bool = True) -> dict[str, Any]:
    return {"at": "today", "how": "--part x --pairs 2 --seconds 3", "well": well, "rows": rows}


def test_the_page_has_the_parts_that_were_measured_and_how_to_repeat_them() -> None:
    case = {"name": "busy", "sqlite": 1.0, "postgres": 1.25, "ratio": 1.25, "database": 0.5}
    said = {"name": "talk", "messages": 10.0, "wire nats": 5.0, "wire bytes": 2000.0}
    said |= {"wire Batch": 20.0, "wire Pulse": 0.01}
    said |= {"inserted": 10.0, "updated": 5.0, "deleted": 0.0, "transactions": 30.0}
    quiet = {**said, "name": "quiet", "messages": 0.2}
    text = "\n".join(
        cluster_lines({"stores": _part([case], well=False), "traffic": _part([said, quiet])})
    )
    assert "| busy | 1.00 µs | 1.25 µs | 1.25 | 0.50 µs |" in text
    assert (
        "`salon bench --cluster --part x --pairs 2 --seconds 3`. Not every case went well." in text
    )
    assert "| talk | 2.00 Batch | 0.50 | 200 | 1.50 | 3.00 |" in text
    assert "| quiet, a second | 20.00 Batch, 0.01 Pulse | 5.00 | 2,000 | 15.00 | 30.00 |" in text
    assert "busiest of three" not in text
    assert cluster_lines(None) == []
