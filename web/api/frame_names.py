"""How the AsyncAPI document names and describes a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel


def frame_type(model: type[BaseModel]) -> str:
    """The word in a frame's field `type`."""
    name: str = model.model_json_schema()["properties"]["type"]["const"]
    return name


def client_name(frame: type[BaseModel]) -> str:
    """The name of a message from clients."""
    return f"client_{frame_type(frame)}"


def server_name(frame: type[BaseModel]) -> str:
    """The name of a message from the server."""
    return f"server_{frame_type(frame)}"


def summary(frame: type[BaseModel]) -> str:
    """What a frame is for, in one line."""
    return " ".join((frame.__doc__ or "").split())


def described(frame: type[BaseModel]) -> dict[str, Any]:
    """A message of the document."""
    return {
        "name": frame_type(frame),
        "summary": summary(frame),
        "payload": {"$ref": f"#/components/schemas/{frame.__name__}"},
    }
