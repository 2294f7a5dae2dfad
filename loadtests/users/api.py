"""A client of the server's HTTP interface for the load tool. A refusal is reported with the limit to raise."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any, NamedTuple
from urllib.parse import urlsplit

LIMITS = {
    "CAPACITY_EXCEEDED": "limits.max_participants",
    "MESSAGE_TOO_LARGE": "limits.max_message_size",
    "QUEUE_FULL": "limits.queue_size and limits.queue_share",
    "RATE_LIMITED": "limits.message_rate",
    "TOO_MANY_CONNECTIONS": "limits.connections_per_person and limits.connections_per_address",
    "GUESTS_NOT_ALLOWED": "auth.guests",
}


class RunError(Exception):
    """A run cannot begin or continue; the text says what to change. `retry_after` is in seconds, set if waiting is enough."""

    def __init__(self, text: str, code: str = "", retry_after: float | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.retry_after = retry_after


class Target(NamedTuple):
    """The server's address. `path` is the prefix of all its paths, empty unless a proxy adds one."""

    family: int
    address: tuple[str, int]
    host: str
    path: str

    @classmethod
    def of(cls, url: str) -> Target:
        """The target that a URL names. Raises `RunError` if the URL is not `http://` or its host is not found."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise RunError(
                f"{url}: only http://HOST:PORT can be driven; behind a TLS proxy, name what is behind it"
            )
        try:
            found = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM)
        except (OSError, ValueError) as error:
            raise RunError(f"{url}: {error}") from None
        family, _, _, _, address = found[0]
        host, port = str(address[0]), int(address[1])
        return cls(family, (host, port), parts.netloc, parts.path.rstrip("/"))


class Api:
    """JSON requests over one kept-alive connection. A request times out after 30 seconds."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._connection = http.client.HTTPConnection(*target.address, timeout=30)

    def close(self) -> None:
        """Close the connection, if it is open."""
        self._connection.close()

    def call(self, method: str, path: str, token: str | None = None, body: Any = None) -> Any:
        """Send a request; return the parsed body of the answer. Raises `RunError` if the server refuses or does not answer."""
        return json.loads(self.send(method, path, token, body) or b"{}")

    def send(self, method: str, path: str, token: str | None = None, body: Any = None) -> bytes:
        """As `call`, but return the body unparsed."""
        headers = {"Host": self._target.host}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = json.dumps(body or {}) if method == "POST" else None
        try:
            self._connection.request(method, self._target.path + path, data, headers)
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            where = f"http://{self._target.host}"
            raise RunError(f"{where} does not answer {method} {path}: {error}") from None
        if response.status >= 400:
            raise refusal(f"{method} {path}", response.status, answer)
        return answer


def refusal(what: str, status: int, body: bytes) -> RunError:
    """An error answer as a `RunError`: its code, its text, and the limit to raise."""
    try:
        answer = json.loads(body)
        code, text = str(answer["code"]), str(answer["error"])
    except (ValueError, LookupError, TypeError):
        return RunError(f"{what}: {status} {http.client.responses.get(status, '')}", str(status))
    limit = LIMITS.get(code)
    if (what, code) == ("POST /chat/create", "RATE_LIMITED"):
        limit = "limits.conversations_per_hour"
    wait = answer.get("retry_after")
    seconds = None if wait is None else float(wait)
    return RunError(f"{what}: {code}: {text}{advice(limit)}", code, seconds)


def advice(limit: str | None) -> str:
    """The remedy for a limit, as a sentence to append to a text; empty without a limit."""
    if limit is None:
        return ""
    change = f"Set {limit} to true" if limit == "auth.guests" else f"Lift {limit}"
    return f" {change} for this, or run with --serve."
