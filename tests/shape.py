"""What answers look like where their values differ from run to run: `TIMESTAMP == "2026-01-31T12:00:00.000Z"`."""

from __future__ import annotations

import math
import re
from typing import Any

import httpx2

ALWAYS = {"error", "code", "temporary", "id"}
LOAD = {"retry_after", "scope"}


class Like:
    """Equal to every text that matches the pattern as a whole."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and re.fullmatch(self._pattern, other) is not None

    def __hash__(self) -> int:
        return hash(self._pattern)

    def __repr__(self) -> str:
        return f"Like({self._pattern!r})"


TIMESTAMP = Like(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ID = Like(r"[\w-]{22}")  # 128 bits
GUEST_ID = Like(r"guest_[\w-]{22}")
HASH = Like(r"[0-9a-f]{64}")
RECOVERY_CODE = Like(r"([0-9A-HJKMNP-TV-Z]{4}-){6}[0-9A-HJKMNP-TV-Z]{4}")


def receipt(conversation_id: str, sequence: int, key: str | None = None) -> dict[str, Any]:
    """The receipt of a message in a store that keeps it."""
    return {
        "conversation_id": conversation_id,
        "message_id": Like(re.escape(f"{conversation_id}-{sequence}")),
        "sequence_id": sequence,
        "timestamp": TIMESTAMP,
        "client_message_id": key,
        "durability": "committed",
        "event_hash": HASH,
    }


def refusal(response: httpx2.Response, status: int, code: str, **facts: object) -> dict[str, Any]:
    """The body of a refusal that is final, after making sure that it looks as each of them has to."""
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    _check(body, code, temporary=False)
    if code == "UNAUTHENTICATED":  # what was wrong, and what to do: several texts for one code
        facts.setdefault("problem", body["problem"])
    assert body.keys() - ALWAYS == facts.keys()
    assert {name: body[name] for name in facts} == facts
    assert "Retry-After" not in response.headers
    return body


def refusal_for_now(
    response: httpx2.Response, status: int, code: str, scope: str, **facts: object
) -> dict[str, Any]:
    """The body of a refusal for load or rate, which says when to come back, twice."""
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    _check(body, code, temporary=True)
    assert body.keys() - ALWAYS == facts.keys() | LOAD
    assert {name: body[name] for name in facts} == facts
    assert body["scope"] == scope
    assert body["retry_after"] > 0
    assert response.headers["Retry-After"] == str(math.ceil(body["retry_after"]))
    return body


def _check(body: dict[str, Any], code: str, *, temporary: bool) -> None:
    assert body["code"] == code
    assert body["temporary"] is temporary
    assert body["id"] == ID
    text = body["error"]
    assert text[0].isupper() or text[0].isdigit()
    assert text.endswith(".")
    for forbidden in ("Traceback", 'File "', ".py", "salon.", "pydantic", "object at 0x", "<class"):
        assert forbidden not in text
