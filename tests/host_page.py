"""A web server of somebody else, with a page of theirs that uses salon.js."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Quiet(SimpleHTTPRequestHandler):
    """Says nothing of what it serves."""

    def __init__(self, *given: Any, headers: Mapping[str, str], **options: Any) -> None:
        self._headers = headers
        super().__init__(*given, **options)

    def end_headers(self) -> None:
        for name, value in self._headers.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def hosted(folder: Path, headers: Mapping[str, str] = {}) -> Iterator[str]:
    """The address of a server of the files in this folder; `headers` go with each, and may be filled in later."""
    handler = partial(Quiet, directory=str(folder), headers=headers)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
