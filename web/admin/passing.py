"""Passes an operator's request on to the node of the cluster that can carry it out, and carries out those of other nodes."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import trio
from quart import Response, request

from salon.actors.model import Participant
from salon.actors.refusals import TABLE, Code

from ..http import RELAYED, Refused
from ..identity import Identity

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from .relay import Relay

PATIENCE = (
    30.0  # seconds for one that waits for others, such as for the answer of a webhook's endpoint
)
SHORT = 1.0  # seconds for one that is asked of all, as with lists
BAD = 400  # the statuses from there on: it was not carried out
BETWEEN = 0.1  # seconds until a node is asked again that does not know yet that it is the one
HEADERS = ("content-type", "retry-after", "allow")  # that an answer takes along


def is_passed_on() -> bool:
    """Whether another node has sent the present request."""
    return RELAYED in request.scope["state"]


async def pass_on(
    relay: Relay, node_id: str, operator: Identity, patience: float = PATIENCE
) -> Response:
    """The answer of another node to the present request. Raises the refusal if it does not answer."""
    body: bytes = await request.get_data(cache=False)  # type: ignore[assignment]
    return await send(
        relay,
        node_id,
        operator,
        request.method,
        request.path,
        patience,
        query=request.query_string.decode(),
        content_type=request.headers.get("Content-Type", "application/json"),
        body=body.decode("utf-8", "replace"),
    )


async def send(
    relay: Relay,
    node_id: str,
    operator: Identity,
    method: str,
    path: str,
    patience: float = PATIENCE,
    **head: str,
) -> Response:
    """The answer of another node to a request. Raises the refusal if it does not answer."""
    who = operator.participant
    fields = {"operator": [who.id, who.name, who.type], "method": method, "path": path, **head}
    said = await relay.ask(node_id, "request", fields, patience)
    if said is None:
        raise relay.unavailable(node_id)
    return Response(said["body"], said["status"], headers=said["headers"])


async def pass_on_to_first(relay: Relay, operator: Identity) -> Response | None:
    """The answer of the node that keeps house, to the present request; None if it is this one.

    While the nodes do not agree yet which that is, one that is asked in vain refuses, and has done nothing.
    """
    first = ""
    with trio.move_on_after(PATIENCE):
        while not relay.node.views.keeps_house:
            first = relay.nodes[0].id if relay.nodes else ""
            if is_passed_on():
                break
            if first not in ("", relay.id):
                answer = await pass_on(relay, first, operator)
                if not await _is_not_first(answer):
                    return answer
            await trio.sleep(BETWEEN)
    if relay.node.views.keeps_house:
        return None
    raise relay.unavailable(first)


async def pass_on_to_all(relay: Relay | None, operator: Identity) -> Response | None:
    """Pass the present request on to all other nodes; the answer of the one that could carry it out, None if none could."""
    if relay is None or is_passed_on():
        return None
    done: list[Response] = []

    async def ask(node_id: str) -> None:
        with suppress(Refused):
            answer = await pass_on(relay, node_id, operator, SHORT)
            if answer.status_code < BAD:
                done.append(answer)

    async with trio.open_nursery() as nursery:
        for node in relay.nodes:
            if node.id != relay.id:
                nursery.start_soon(ask, node.id)
    return done[0] if done else None


async def _is_not_first(answer: Response) -> bool:
    if answer.status_code != TABLE[Code.NODE_UNAVAILABLE].status:
        return False
    return json.loads(await answer.get_data())["code"] == Code.NODE_UNAVAILABLE  # type: ignore[no-any-return]


class Carrier:
    """Carries out the requests of other nodes as if they had come to this one, by an operator whom the other has let in."""

    def __init__(self, app: QuartTrio) -> None:
        self._app = app

    async def carry_out(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The status, the headers and the body of the answer."""
        body, answer, asked = fields.get("body", "").encode(), _Answer(), trio.Event()

        async def receive() -> dict[str, Any]:
            if asked.is_set():
                await trio.sleep_forever()
            asked.set()
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(_scope(fields, len(body)), receive, answer.take)  # type: ignore[arg-type]
        return answer.fields


class _Answer:
    def __init__(self) -> None:
        self.fields: dict[str, Any] = {"status": 500, "headers": {}, "body": ""}

    async def take(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.fields["status"] = message["status"]
            said = ((name.decode().lower(), value.decode()) for name, value in message["headers"])
            self.fields["headers"] = {name: value for name, value in said if name in HEADERS}
        elif message["type"] == "http.response.body":
            self.fields["body"] += message["body"].decode()


def _scope(fields: dict[str, Any], size: int) -> dict[str, Any]:
    id, name, kind = fields["operator"]
    operator = Identity(Participant(id, name, kind), admin=True)
    headers = {"host": "node", "content-type": fields.get("content_type", "application/json")}
    headers["content-length"] = str(size)
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": fields["method"],
        "scheme": "http",
        "path": fields["path"],
        "raw_path": fields["path"].encode(),
        "query_string": fields.get("query", "").encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        "client": None,
        "server": None,
        "extensions": {},
        "state": {"known_scheme": None, RELAYED: operator},
    }
