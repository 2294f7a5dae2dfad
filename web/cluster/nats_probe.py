"""Whether a node could use NATS as the settings say: each server is asked, and a message is sent to oneself."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import trio

from .nats_address import NatsError
from .nats_handshake import READ, open_connection
from .nats_protocol import PING, Ponged, ProtocolError, Refused, publish, subscribe

if TYPE_CHECKING:
    from .nats_address import NatsAddress, Place

PATIENCE = 5.0  # seconds for each server
UNREACHED = (OSError, trio.BrokenResourceError, trio.ClosedResourceError, ProtocolError)


async def probe(address: NatsAddress, prefix: str) -> list[tuple[str, str]]:
    """What is wrong, and what to do about it. `prefix` is that of the nodes' subjects."""
    found: list[tuple[str, str]] = []
    for place in address.places:
        problem = await _problem_of(address, place, prefix)
        if problem is not None:
            found.append(problem)
    return found


async def _problem_of(address: NatsAddress, place: Place, prefix: str) -> tuple[str, str] | None:
    try:
        with trio.fail_after(PATIENCE):
            refused = await _refused(address, place, f"{prefix}.doctor-{uuid4().hex}")
    except NatsError as error:
        problem, _, remedy = str(error).removeprefix(f"{place}: ").rpartition(": ")
        return f"{place} refuses: {problem}", remedy
    except UNREACHED as error:
        said = str(error) or type(error).__name__
        return f"{place} cannot be reached: {said}", "see whether it runs and what its address is"
    except trio.TooSlowError:
        return f"{place} does not answer for {PATIENCE:.0f} s", "see its log, and what is between"
    if refused is None:
        return None
    return f"{place}: {refused}", f"let the account of the nodes publish and subscribe {prefix}.*"


async def _refused(address: NatsAddress, place: Place, subject: str) -> str | None:
    """What the server does not let a node do, in its words."""
    stream, parser, _ = await open_connection(address, place, "salon doctor")
    async with stream:
        sent = (subscribe(subject, 1), *publish(subject, subject, b""), PING)
        await stream.send_all(b"".join(sent))
        while True:
            data = await stream.receive_some(READ)
            if not data:
                raise trio.BrokenResourceError("the server has closed the connection")
            for each in parser.feed(data):
                if isinstance(each, Refused):
                    return each.text
                if isinstance(each, Ponged):  # everything before it has been taken
                    return None
