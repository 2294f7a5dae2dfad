"""Nodes with the rights that docs/cluster.md names, and no others: they serve, and one that lacks a right is told which."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trio

from salon.loadtests.servers import NatsServer
from tests import processes
from tests.nodes import at
from tests.patience import PATIENCE
from tests.person import admin, guests
from tests.postgres import UNSAFE, Cluster
from tests.server import ServerProcess

DOCUMENT = Path(__file__).parents[2] / "docs" / "cluster.md"
OF_DATABASE, OF_NATS, OF_DEAF = "secret-of-the-role", "secret-of-the-nodes", "secret-of-the-deaf"
SECRETS = (OF_DATABASE, OF_NATS, OF_DEAF)


def block(kind: str, word: str) -> str:
    """The block of code in the document that has a word."""
    blocks = re.findall(rf"```{kind}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    (found,) = [each for each in blocks if word in each]
    return str(found)


class Place(NamedTuple):
    """What the nodes share."""

    folder: Path
    postgres: Cluster
    nats: NatsServer
    stack: ExitStack

    def environment(self, **settings: str) -> dict[str, str]:
        """The settings of a node with the rights of the document, but for these."""
        return {
            "CLUSTER__NATS": self.nats.url.replace("//", f"//salon:{OF_NATS}@"),
            "CLUSTER__TIMEOUT": "5",
            "AUTH__KEY_FILE": f"{self.folder / 'session.key'}",
            "FILES__URL": f"file://{self.folder / 'files'}",
            **settings,
        }

    def store(self, role: str = "salon_node") -> str:
        """The database's URL for a role."""
        return self.postgres.url().replace("//salon@", f"//{role}:{OF_DATABASE}@")

    def node(self, name: str, **settings: str) -> ServerProcess:
        """A node that serves."""
        (self.folder / name).mkdir()
        given = self.environment(CLUSTER__NAME=name, **settings)
        server = ServerProcess(self.folder / name, store=self.store(), **given)
        self.stack.callback(server.stop)
        return server

    def doctor(self, role: str = "salon_node", **settings: str) -> str:
        """What `salon doctor` says for such a node."""
        given = {f"SALON_{name}": text for name, text in self.environment(**settings).items()}
        done = processes.run(["doctor", "--store", self.store(role)], env=given)
        return str(done.stdout)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    rights = block("text", "authorization").replace("$SALON_NATS_PASSWORD", f'"{OF_NATS}"')
    deaf = f'{{ user: deaf, password: "{OF_DEAF}", permissions: {{ publish: "salon.*", subscribe: "none" }} }}'
    with ExitStack() as stack:
        postgres = Cluster(*UNSAFE)
        stack.callback(postgres.close)
        nats = NatsServer(rights.replace("users: [", f"users: [\n    {deaf}\n"))
        stack.callback(nats.close)
        made = processes.run(["upgrade", "--store", postgres.url()], env={})
        assert made.returncode == 0, made.stderr
        grants = block("sql", "CREATE ROLE").replace("'…'", f"'{OF_DATABASE}'")
        grants = grants.replace("DATABASE salon", "DATABASE postgres")
        postgres.execute(*[each for each in grants.split(";\n") if each.strip()])
        yield Place(tmp_path_factory.mktemp("rights"), postgres, nats, stack)


async def nodes_of(server: ServerProcess) -> dict[str, Any]:
    shown = await admin(server).ask("GET", "/admin/nodes")
    return {each["name"]: each for each in shown["nodes"]}


async def test_nodes_with_these_rights_serve_and_one_that_lacks_some_is_told(place: Place) -> None:
    one, two = place.node("one"), place.node("two")
    said = place.doctor()
    assert "the role" not in said
    assert "cluster.nats" not in said
    ada, ben = await guests(one, "Ada", "Ben")
    rooms = [await ada.create(ben) for _ in range(4)]  # some owned by each
    for room in rooms:
        async with ada.tab(room) as here, at(two, ben).tab(room) as there:
            first = await here.say("from one")
            second = await there.say("from two")
            for tab in (here, there):
                await tab.until_sequence(second["sequence_id"])
        assert first["sequence_id"] < second["sequence_id"]
    deaf = place.nats.url.replace("//", f"//deaf:{OF_DEAF}@")
    three = place.node("three", CLUSTER__NATS=deaf)
    with trio.fail_after(PATIENCE):
        while (await nodes_of(one))["three"]["on_nats"] is not False:  # noqa: ASYNC110
            await trio.sleep(0.1)
    assert [(await nodes_of(one))[name]["on_nats"] for name in ("one", "two")] == [True, True]
    assert "has to publish and subscribe salon.*" in three.log
    assert "publish and subscribe salon.*" in place.doctor(CLUSTER__NATS=deaf)
    shown = [each.log for each in (one, two, three)]
    for path in ("/admin/nodes", "/admin/stats", "/metrics"):
        shown.append((await admin(three).call("GET", path)).text)
    assert not [secret for secret in SECRETS for text in shown if secret in text]


def test_the_doctor_names_rights_that_the_role_lacks_and_what_is_not_reached(place: Place) -> None:
    place.postgres.execute(
        f"CREATE ROLE reader LOGIN PASSWORD '{OF_DATABASE}'",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
    )
    said = place.doctor("reader", CLUSTER__NATS="nats://127.0.0.1:9")
    assert "the role reader lacks" in said
    assert re.search(r"INSERT on .*\bnodes\b", said)
    assert "nats://127.0.0.1:9 cannot be reached" in said
    wrong = place.doctor(CLUSTER__NATS=place.nats.url.replace("//", "//salon:wrong@"))
    assert "refuses: Authorization Violation" in wrong
    assert OF_DATABASE not in said
