"""Operators of several nodes: what this node answers when others ask it for theirs, and what it tells them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .agent_schemas import RunQuery
from .audit import Deed
from .everywhere import Handlers
from .hosted_work import own_runs, own_work
from .passing import Carrier
from .relay import Relay

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quart_trio import QuartTrio

    from ..cluster import ServingNode
    from .parts import AdminParts


def relay_of(
    parts: AdminParts, node: ServingNode, app: QuartTrio, look: Callable[[], Awaitable[None]]
) -> Relay:
    """The way to the other nodes. `look` takes from the store what they have decided."""
    relay = Relay(node, parts.identities.signer, parts.directory.report)
    audit = parts.audit
    audit.node = relay.name

    def tell(deed: Deed, member: bool) -> None:
        relay.tell_all("deed", {"deed": asdict(deed), "member": member})

    async def hear(fields: dict[str, Any]) -> bool:
        audit.hear(Deed(**fields["deed"]), member=fields["member"])
        return True

    async def look_now(_: dict[str, Any]) -> bool:
        await look()
        return True

    async def runs(asked: dict[str, Any]) -> Any:
        return {"runs": own_runs(parts, RunQuery.model_validate(asked))}

    async def work(_: dict[str, Any]) -> Any:
        return own_work(parts)

    audit.told = tell
    relay.handlers = {
        **Handlers(parts).by_kind,
        "request": Carrier(app).carry_out,
        "deed": hear,
        "look": look_now,
        "runs": runs,
        "work": work,
    }
    return relay
