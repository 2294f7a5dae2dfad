"""Providers that lie, break or stall: one real HTTP server, below whose address each has an issuer of its own."""

from __future__ import annotations

import base64
import gzip
import hmac
import json
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

CLIENT_ID = "salon-at-hostile"
RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
OTHER = RSAKey.generate_key(2048, {"kid": "other"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
EDWARDS = OKPKey.generate_key("Ed25519", {"kid": "edwards"})

Answer = tuple[int, dict[str, str], bytes]


def in_json(fields: Any, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(fields).encode()


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def by_hand(header: dict[str, Any], claims: dict[str, Any], key: bytes = b"") -> str:
    """A token made without a library's protection: signed with a secret, or with nothing."""
    parts = [encoded(json.dumps(each).encode()) for each in (header, claims)]
    signature = hmac.digest(key, ".".join(parts).encode(), "sha256") if key else b""
    return ".".join([*parts, encoded(signature)])


def signed(claims: dict[str, Any], key: Any = RSA, algorithm: str = "RS256", **header: Any) -> str:
    """A token as an honest provider signs it."""
    names = {"alg": algorithm, "kid": key.kid} | header
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", SecurityWarning
        )  # EdDSA has a newer name, which providers do not use
        header = {name: each for name, each in names.items() if each is not None}
        return jws.serialize_compact(header, json.dumps(claims).encode(), key, [algorithm])


# What each of these says of itself, and what comes of it is the same: nothing.
BROKEN: dict[str, dict[str, Any]] = {
    "elsewhere": {"metadata": {"issuer": "https://elsewhere.example"}},
    "halved": {"metadata": {"token_endpoint": None}},
    "unsafe": {"metadata": {"token_endpoint": "http://elsewhere.example/token"}},
    "local": {"metadata": {"jwks_uri": "file:///etc/passwd"}},
    "failing": {"answers": {"/.well-known/openid-configuration": lambda: in_json({}, 500)}},
    "wordy": {"answers": {"/.well-known/openid-configuration": lambda: (200, {}, b"<html>")}},
    "deep": {"answers": {"/.well-known/openid-configuration": lambda: (200, {}, b"[" * 200_000)}},
    "huge": {
        "answers": {"/.well-known/openid-configuration": lambda: in_json({"x": "x" * 2_000_000})}
    },
    "packed": {
        "answers": {
            "/.well-known/openid-configuration": lambda: (
                200,
                {"Content-Encoding": "gzip"},
                gzip.compress(b" " * 20_000_000),
            )
        }
    },
}


@dataclass
class Liar:
    """One provider. Left alone it is honest; a test changes what it says, or answers instead of it."""

    issuer: str
    nonce: str = ""
    keys: list[Any] = field(default_factory=lambda: [RSA, EC, EDWARDS])
    claims: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    token: Callable[[dict[str, Any]], str] = signed
    answers: dict[str, Callable[[], Answer]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    query: dict[str, str] = field(default_factory=dict)
    form: dict[str, str] = field(default_factory=dict)
    authorization: str = ""

    def said(self) -> dict[str, Any]:
        """The claims of the next id_token; None leaves one out."""
        now = int(time.time())
        honest = {"iss": self.issuer, "aud": CLIENT_ID, "sub": "ada", "name": "Ada"}
        honest |= {"nonce": self.nonce, "iat": now, "exp": now + 300}
        return {name: each for name, each in (honest | self.claims).items() if each is not None}

    def answer(self, path: str) -> Answer:
        if path in self.answers:
            return self.answers[path]()
        match path:
            case "/.well-known/openid-configuration":
                return in_json(self._metadata())
            case "/authorize":
                return self._let_through()
            case "/keys":
                return in_json({"keys": [key.as_dict(private=False) for key in self.keys]})
            case "/token":
                return in_json(
                    {"id_token": self.token(self.said()), "access_token": "an-access-token"}
                )
        return in_json({}, 404)

    def _let_through(self) -> Answer:
        """It asks nobody who they are."""
        self.nonce = self.query["nonce"]
        sent = urlencode({"code": "a-code-of-somebody", "state": self.query["state"]})
        return 302, {"Location": f"{self.query['redirect_uri']}?{sent}"}, b""

    def _metadata(self) -> dict[str, Any]:
        honest = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }
        return honest | self.metadata


class HostileProviders:
    """The server. `new` makes one more provider."""

    def __init__(self) -> None:
        self._liars: dict[str, Liar] = {}
        handler = type("Handler", (_Handler,), {"house": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def new(self, name: str, **said: Any) -> Liar:
        self._liars[name] = Liar(f"{self.url}/{name}", **said)
        return self._liars[name]

    def find(self, path: str) -> tuple[Liar | None, str]:
        _, name, rest = f"{path}//".split("/", 2)
        return self._liars.get(name), "/" + rest.rstrip("/")

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    request_queue_size = (
        128  # of five, as usual, most of those who come at once would have to wait a second
    )


class _Handler(BaseHTTPRequestHandler):
    house: HostileProviders

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        liar, path = self.house.find(place.path)
        if liar is None:
            return self.send_error(404)
        liar.asked.append(path)
        liar.query = dict(parse_qsl(place.query))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if body:
            liar.form = dict(parse_qsl(body.decode()))
            liar.authorization = self.headers.get("Authorization", "")
        status, headers, content = liar.answer(path)
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except OSError:
            self.close_connection = True  # it has heard enough
        return None

    do_POST = do_GET  # noqa: N815  # http.server calls it so

    def log_message(self, *_: Any) -> None:
        """It says nothing."""
