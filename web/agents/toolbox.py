"""The tools that an agent may use, under names that a model can say; and how people call them."""

from __future__ import annotations

import json
import logging
import re
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .pieces import Offer, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..settings import ToolSettings

ALL = "*"
MOST_TOOLS = 64  # offered to a model: each is told with every request
NAME_LENGTH = 64  # characters of a name, the most that models take
SCHEMA_LENGTH = 20_000  # characters of JSON of a tool's parameters: with every request they are told, and paid for
LARGEST, DIGITS = 2**53, 17  # of integers that all readers keep
DEPTH = 20  # levels of nesting in arguments
RESULT_LENGTH = 20_000  # characters of a result that a model is told, and people
NO_OBJECT = (
    "The arguments are no JSON object that can be taken: numbers above 2^53 have to be texts."
)
CUT = " … [cut]"
COMMAND = re.compile(r"/tool(?:\s+(?P<name>\S+))?(?:\s+(?P<arguments>.*))?\s*", re.DOTALL)
USE = 'Write "/tool NAME" and its arguments, as a JSON object or as key=value.'

logger = logging.getLogger(__name__)


class ToolResult(NamedTuple):
    """What a tool has given, as text; `failed` where it is the tool's own word of an error."""

    text: str
    failed: bool = False


class ToolServer(Protocol):
    """Has tools and calls them."""

    async def tools(self) -> Sequence[Offer]:
        """The tools. Raises `UpstreamError`."""

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        """Call one. Raises `UpstreamError` if the server cannot be asked."""


class Tool(NamedTuple):
    """A tool under the name that the model says; `own_name` is its server's."""

    own_name: str
    offer: Offer
    server: ToolServer
    allowed: bool  # without a person's approval

    async def call(self, arguments: str) -> ToolResult:
        """Call it with a JSON object. Raises `UpstreamError`."""
        return await self.server.call(self.own_name, json.loads(arguments))


def plain_arguments(text: str) -> str | None:
    """A JSON object as every reader can take it; None for what is none, is nested too deep or has a number too large.

    A browser rounds an integer above 2^53: people would allow another call than is made.
    """
    try:
        given = json.loads(text or "{}", parse_constant=_no_number, parse_int=_exact)
        # 1e999 is read as infinity, which no other reader takes
        text = json.dumps(given, ensure_ascii=False, allow_nan=False)
        plain = text.encode("utf-8", "replace").decode()
    except (ValueError, RecursionError):
        return None
    return plain if isinstance(given, dict) and _depth(given) <= DEPTH else None


def cut(text: str, most: int) -> str:
    """A text, at most so long."""
    return text if len(text) <= most else text[: most - len(CUT)] + CUT


def _exact(digits: str) -> int:
    number = int(digits) if len(digits) <= DIGITS else LARGEST + 1
    if abs(number) > LARGEST:
        raise ValueError("an integer is too large")
    return number


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")


def _depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)


async def open_toolbox(
    tools: Sequence[tuple[ToolSettings, ToolServer]], *, all_of_them: bool
) -> dict[str, Tool]:
    """The tools of several servers, by the names that a model says.

    With `all_of_them` it raises `UpstreamError` if a server cannot be asked; else its tools are left out.
    """
    box: dict[str, Tool] = {}
    for settings, server in tools:
        try:
            offers = await server.tools()
        except UpstreamError as error:
            if all_of_them:
                raise
            logger.warning("the tools of %s are left out: %s", settings.mcp, error)
            continue
        for offer in offers:
            if settings.only is not None and offer.name not in settings.only:
                continue
            if len(json.dumps(offer.parameters)) > SCHEMA_LENGTH:
                logger.warning("a tool of %s has too large a schema, it is left out", settings.mcp)
                continue
            if len(box) == MOST_TOOLS:
                logger.warning(
                    "only the first %d tools are offered: name some in `only`", MOST_TOOLS
                )
                return box
            allowed = ALL in settings.allow or offer.name in settings.allow
            name = _free_name(offer.name, box)
            box[name] = Tool(offer.name, offer._replace(name=name), server, allowed)
    return box


def _free_name(name: str, taken: Mapping[str, Tool]) -> str:
    """A name that models take and that no other tool has."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:NAME_LENGTH] or "tool"
    free, number = plain, 2
    while free in taken:
        ending = f"_{number}"
        free, number = plain[: NAME_LENGTH - len(ending)] + ending, number + 1
    return free


# --- people's calls -------------------------------------------------------------------------------------------------------


class Command(NamedTuple):
    """What a person wrote after `/tool`; without a name it asks which tools there are."""

    name: str | None
    arguments: str


def command_in(text: str, own_name: str) -> Command | None:
    """The command that a message is, perhaps after a mention of the agent; None for any other message."""
    text = text.strip()
    mention = f"@{own_name}"
    if text.casefold().startswith(mention.casefold()):
        text = text[len(mention) :].lstrip(" ,:")
    match = COMMAND.fullmatch(text)
    return match and Command(match["name"], (match["arguments"] or "").strip())


async def obey(command: Command, box: Mapping[str, Tool]) -> str:
    """The answer to a command, as text for people. Raises `UpstreamError`."""
    tool = box.get(command.name or "")
    if tool is None:
        known = "".join(f"\n- `{name}` {each.offer.description}" for name, each in box.items())
        missing = f"There is no tool {command.name!r}. " if command.name else ""
        return f"{missing}{USE}{known}" if known else f"{missing}There are no tools here."
    try:
        arguments = _arguments(command.arguments, tool.offer.parameters)
    except ValueError as problem:
        return f"{problem} {USE}"
    return (await tool.call(arguments)).text or "Done."


def _arguments(text: str, schema: Mapping[str, Any]) -> str:
    """Arguments as JSON, or as key=value by what the schema says of each. Raises `ValueError` with the problem."""
    if text.startswith("{"):
        given = plain_arguments(text)
        if given is None:
            raise ValueError(NO_OBJECT)
        return given
    properties = schema.get("properties")
    fields = properties if isinstance(properties, dict) else {}
    arguments: dict[str, Any] = {}
    try:
        words = shlex.split(text)
    except ValueError:
        raise ValueError("A quotation mark is missing.") from None
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"{word!r} is no key=value.")
        arguments[key] = _value(value, fields.get(key))
    plain = plain_arguments(json.dumps(arguments))
    if plain is None:
        raise ValueError(NO_OBJECT)
    return plain


def _value(text: str, schema: object) -> Any:
    kind = schema.get("type") if isinstance(schema, dict) else "string"
    if kind == "string":
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text  # the tool says what it wants
