"""The fields of frames and bodies about runs, and what they are as the engine's values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from salon.actors.model import Approval

from .event_json import compact

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY_LENGTH = (
    128  # characters of a key that a client makes, such as a client_message_id: a UUID has 36
)
# Characters of JSON: enough for an application's own fields, too few for a second message
METADATA_LENGTH = 4096
LABEL_LENGTH = 200  # characters of what a run says it is doing
JSON_DEPTH = 32  # levels of nesting in any JSON from a client
LAST_SEQUENCE = 2**53 - 1  # the largest integer that is exact in JavaScript
RESULTS = 50  # of one answer: more than anybody looks through
RESULTS_LENGTH = (
    32_768  # characters of JSON of all of them: what schema.org says of a thing is often 2,000
)
URL_LENGTH = 2000  # characters, the most that all browsers take

RunId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=KEY_LENGTH,
        pattern="^[^/.][^/]*$",
        description="The agent's own key of the run, unlike any other in the conversation, such as a UUID; no slash, "
        "and no dot first.",
    ),
]
DeltaText = Annotated[str, Field(min_length=1)]
ApprovalId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=KEY_LENGTH,
        description="The agent's own key of the tool call, unlike any other of the run.",
    ),
]
RunLabel = Annotated[
    str | None, Field(max_length=LABEL_LENGTH, description="A few words for people.")
]
EndStatus = Literal["complete", "cancelled", "interrupted"]
EndOffset = Annotated[
    int | None,
    Field(
        ge=0,
        le=LAST_SEQUENCE,
        description="Unicode code points of all that was said. The run does not end if some of them are missing.",
    ),
]
EndReason = Annotated[
    Literal["timeout", "upstream", "budget", "cancelled", "interrupted"] | None,
    Field(description="Why it failed, if nothing was said; by default from `status`."),
]
RetryAfter = Annotated[
    float | None, Field(ge=0, le=LAST_SEQUENCE, description="Seconds, if it failed.")
]
Usage = Annotated[
    dict[str, Any] | None,
    Field(description="What the run has used, such as tokens; as metadata in size and depth."),
]


class ToolCall(BaseModel):
    """A tool call that waits until a person allows it."""

    model_config = ConfigDict(strict=True, frozen=True)

    approval_id: ApprovalId
    tool: str = Field(min_length=1, max_length=LABEL_LENGTH, description="Its name, for people.")
    arguments: dict[str, Any] = Field(
        default_factory=dict, description="As metadata in size and depth."
    )


RunApproval = Annotated[
    ToolCall | None, Field(description="Only with the state `waiting_for_approval`.")
]


class Result(BaseModel):
    """Something that an answer points to: a page that it cites, a thing that it has found."""

    model_config = ConfigDict(strict=True, frozen=True)

    url: str = Field(
        max_length=URL_LENGTH,
        pattern=r"^https?://[^\s/?#]\S*$",
        description="http or https.",
        examples=["https://example.com/fish"],
    )
    name: str = Field(min_length=1, max_length=300)
    site: str | None = Field(default=None, max_length=200)
    description: str | None = Field(default=None, max_length=1000)
    score: float | None = Field(default=None, allow_inf_nan=False)
    schema_object: dict[str, Any] | None = Field(
        default=None, description="What schema.org says of it, as the source has it."
    )


Results = Annotated[
    list[Result] | None,
    Field(
        min_length=1,
        max_length=RESULTS,
        description=f"What the answer points to, in the order of relevance; at most {RESULTS_LENGTH:,} characters as JSON. "
        "The message has them; a failure has not.",
    ),
]


def metadata_text(metadata: dict[str, Any] | None, what: str = "metadata") -> str | None:
    """Metadata as the JSON text that the engine carries. Raises `ValueError` with the problem in words; `what` names it."""
    return None if metadata is None else _json_text(metadata, what, METADATA_LENGTH)


def results_text(results: Sequence[Result] | None) -> str | None:
    """The results of an answer as JSON text. Raises `ValueError` with the problem in words."""
    if results is None:
        return None
    items = [each.model_dump(exclude_none=True) for each in results]
    return _json_text(items, "results", RESULTS_LENGTH)


def approval_of(call: ToolCall | None) -> Approval | None:
    """The tool call for the engine. Raises `ValueError` with the problem in words."""
    if call is None:
        return None
    arguments = _json_text(call.arguments, "arguments", METADATA_LENGTH)
    return Approval(call.approval_id, call.tool, arguments)


def _json_text(value: Any, what: str, most: int) -> str:
    if _depth(value) > JSON_DEPTH:
        raise ValueError(f"{what} is nested deeper than {JSON_DEPTH} levels")
    try:
        text = compact(value)
    except ValueError:
        raise ValueError(f"{what} holds a number that JSON has no word for") from None
    if len(text) > most:
        raise ValueError(f"{what} has {len(text)} characters as JSON; at most {most} are allowed")
    return text


def _depth(value: Any, so_far: int = 0) -> int:
    if so_far > JSON_DEPTH:
        return so_far
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return so_far
    return max((_depth(item, so_far + 1) for item in value), default=so_far + 1)
