"""A server that publishes keys as a JWKS, and can be slow, huge or out of order: for the tests of JWTs."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

HUGE = 1 << 24  # bytes


class KeyServer:
    """Keys below `/keys`; `/stalled` never answers, `/huge` has too much, `/broken` is an error. `asked` counts the requests."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        self.asked: dict[str, int] = {}
        self.heard = Event()  # somebody waits at /stalled
        self.over = Event()
        handler = type("Handler", (_Handler,), {"house": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    house: KeyServer

    def do_GET(self) -> None:
        house = self.house
        house.asked[self.path] = house.asked.get(self.path, 0) + 1
        if self.path == "/stalled":
            house.heard.set()
            house.over.wait()
        body = json.dumps({"keys": house.keys}).encode()
        if self.path == "/huge":
            body = b'{"keys":[' + b" " * HUGE
        try:
            self.send_response(500 if self.path == "/broken" else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # the client has heard enough

    def log_message(self, *_: Any) -> None:
        """It says nothing."""
