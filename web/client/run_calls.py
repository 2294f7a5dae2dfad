"""The calls about runs over HTTP: an agent's own, and what people do with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from .rules import given

if TYPE_CHECKING:
    from .rules import Frame


class Requester(Protocol):
    """What these calls are made with."""

    async def request(self, method: str, path: str, body: Frame | None = None) -> Frame: ...


class RunCalls:
    """The calls of a client about runs, see docs/agents.md; `Conversation.run` makes those of an agent by itself."""

    async def start_run(
        self: Requester, conversation_id: str, run_id: str, reply_to: str | None = None
    ) -> Frame:
        """Begin a run over HTTP, as an agent; for one that was begun before, where it is: `{status, offset, ...}`.

        An agent without a socket keeps a run by speaking: after half a minute of silence it ends. `Conversation.run` does all
        of this by itself.
        """
        body = {"run_id": run_id, **given(reply_to=reply_to)}
        return await self.request("POST", _of(conversation_id, "runs"), body)

    async def extend_run(
        self: Requester, conversation_id: str, run_id: str, offset: int, text: str
    ) -> Frame:
        """Say more in a run over HTTP; `offset` counts the code points said before. The same again changes nothing."""
        body = {"offset": offset, "text": text}
        return await self.request("POST", _of(conversation_id, "runs", run_id, "delta"), body)

    async def end_run(
        self: Requester,
        /,
        conversation_id: str,
        run_id: str,
        status: str = "complete",
        **options: Any,
    ) -> Frame:
        """End a run over HTTP; `options` are `offset`, `usage`, `metadata`, `results`, `reason`, `retry_after`."""
        body = {"status": status, **options}
        return await self.request("POST", _of(conversation_id, "runs", run_id, "end"), body)

    async def decide_approval(
        self: Requester, conversation_id: str, run_id: str, approval_id: str, *, approved: bool
    ) -> Frame:
        """Allow the tool call that a run waits for, or refuse it; `run_status` frames have its `approval_id`."""
        body = {"approval_id": approval_id, "approved": approved}
        return await self.request("POST", _of(conversation_id, "runs", run_id, "approval"), body)

    async def cancel_run(self: Requester, conversation_id: str, run_id: str) -> Frame:
        """Cancel a run as the person it answers, or as an owner; where it ended: `{status, message_id, ...}`."""
        return await self.request("POST", _of(conversation_id, "runs", run_id, "cancel"))

    async def regenerate_run(self: Requester, conversation_id: str, run_id: str) -> Frame:
        """Ask the agent of a run that has ended for another answer to the same message; `{run_id, message_id}` of the new run."""
        return await self.request("POST", _of(conversation_id, "runs", run_id, "regenerate"))

    async def update_agent(
        self: Requester, /, conversation_id: str, agent_id: str, **settings: Any
    ) -> Frame:
        """Set what an agent answers, as an owner: `trigger`, `agents_may_call`, `steering`. Returns the whole conversation."""
        path = _of(conversation_id, "agents", agent_id)
        return await self.request("PATCH", path, settings)


def _of(conversation_id: str, *parts: str) -> str:
    return "/".join(("/chat", *(quote(part, safe="") for part in (conversation_id, *parts))))
