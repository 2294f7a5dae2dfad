"""What the reference promises, as checks for what a server really says: nothing undocumented may come, nothing may lack."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

import httpx2
from jsonschema import (  # type: ignore[import-untyped]
    Draft7Validator,
    Draft202012Validator,
    ValidationError,
)

__all__ = [
    "Draft7Validator",
    "Draft202012Validator",
    "FrameContract",
    "HttpContract",
    "ValidationError",
    "strict",
    "validator",
]

Schema = dict[str, Any]


def strict(schema: Any) -> Any:
    """The same, where a field that is not described is a mistake. Clients must not be this strict, tests have to be."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(each) for name, each in schema.items()}
    if made.get("type") == "object" and isinstance(made.get("properties"), dict):
        made.setdefault("additionalProperties", False)
    return made


def validator(schema: Schema, document: Schema) -> Draft202012Validator:
    """A strict validator of one schema of a document."""
    return Draft202012Validator({**schema, "components": strict(document["components"])})


class FrameContract:
    """The side of WebSockets and event streams: checks frames, and remembers which types it has seen."""

    def __init__(self, asyncapi: Schema) -> None:
        self._validators: dict[str, Draft202012Validator] = {}
        for name, message in asyncapi["components"]["messages"].items():
            self._validators[name] = validator(message["payload"], asyncapi)
        self.server_types = self._types("server_")
        self.client_types = self._types("client_")
        self.seen: set[str] = set()

    def check_server(self, frame: Any) -> None:
        self._validators[f"server_{frame['type']}"].validate(frame)
        self.seen.add(frame["type"])

    def check(self, name: str, frame: Any) -> None:
        """Check a frame against the message of this name."""
        self._validators[name].validate(frame)

    def check_client(self, frame: Any) -> None:
        self._validators[f"client_{frame['type']}"].validate(frame)

    def _types(self, prefix: str) -> set[str]:
        return {name.removeprefix(prefix) for name in self._validators if name.startswith(prefix)}


class HttpContract:
    """HTTP's side: checks answers, and remembers which (operation, status) it has seen."""

    def __init__(self, openapi: Schema) -> None:
        self._document = openapi
        self._paths = {
            re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))): path
            for path in sorted(openapi["paths"], key=lambda path: path.count("{"))
        }
        self.seen: set[tuple[str, int]] = set()

    def check(self, method: str, url: str, response: httpx2.Response) -> None:
        operation = self.operation(method, url)
        described = operation["responses"].get(str(response.status_code))
        assert described is not None, f"{method} {url} may not answer {response.status_code}"
        content = described.get("content")
        if content is None:
            assert not response.content
        else:
            ((media_type, body),) = content.items()
            assert response.headers["Content-Type"].partition(";")[0] == media_type
            if media_type == "application/json":
                validator(body["schema"], self._document).validate(response.json())
        if "Retry-After" in response.headers:
            assert "Retry-After" in described["headers"]
        self.seen.add((operation["operationId"], response.status_code))

    def operation(self, method: str, url: str) -> Schema:
        """What the document says about a request."""
        address = url.partition("?")[0]
        for pattern, path in self._paths.items():
            operations: Schema = self._document["paths"][path]
            if pattern.fullmatch(address) and method.lower() in operations:
                return deepcopy(operations[method.lower()])
        raise AssertionError(f"{method} {address} is not described")
