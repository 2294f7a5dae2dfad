"""The routes of the web pages: chat, console, salon.js, and the files that they load; all built from web/page."""

from __future__ import annotations

from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from quart import Blueprint, Response, request
from quart_schema import document_response, security_scheme, tag
from werkzeug.exceptions import NotFound

from salon.actors.refusals import Code

from .openapi import Declarations, Page, Script, refusals

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from .request import Parts

POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "worker-src 'self'",
        "require-trusted-types-for 'script'",
        "trusted-types dompurify salon",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "png": "image/png",
    "svg": "image/svg+xml",
    "ts": "text/plain; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
    "webmanifest": "application/manifest+json",
    "woff2": "font/woff2",
}
ENCODINGS = {"br": ".br", "gzip": ".gz"}  # the better one first
FOR_EVER = "public, max-age=31536000, immutable"  # the file name contains a hash of the content
ASK_AGAIN = "no-cache"  # cached by the browser, and revalidated by ETag before each use
WORKER = "worker.js"
NOT_BUILT = b"""<!doctype html><html lang="en"><title>salon</title>
<p>This server was installed without its page (SALON_SKIP_PAGE=1 was set when it was built).
To get the page, install again without this variable. The server itself works: <a href="/docs">its interface</a>.</p></html>
"""
# Ends an earlier service worker and deletes its caches: for servers without the page, or with offline use switched off.
NO_WORKER = b"""self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(leave()));
async function leave() {
  const names = (await caches.keys()).filter((name) => name.startsWith("salon.shell."));
  await Promise.all(names.map((name) => caches.delete(name)));
  await self.registration.unregister();
}
"""


class File(NamedTuple):
    """A static file as it is sent: its body in each encoding; the uncompressed one is "identity"."""

    bodies: dict[str, bytes]
    content_type: str
    etag: str


def frontend_routes(parts: Parts) -> Blueprint:
    """The routes of all static files."""
    routes = Blueprint("frontend", __name__)
    static = Static.load()

    @routes.get("/")
    @tag(["page"])
    @security_scheme([])
    @document_response(Page)
    async def home() -> Response:
        """The chat page."""
        return await static.page("chat.html")

    @routes.get("/c/<conversation_id>")
    @tag(["page"])
    @security_scheme([])
    @document_response(Page)
    async def chat(conversation_id: str) -> Response:
        """The chat page, opened in this conversation. The page itself checks whether the conversation exists."""
        return await static.page("chat.html")

    @routes.get("/invites/<code>")
    @tag(["page"])
    @security_scheme([])
    @document_response(Page)
    async def invited(code: str) -> Response:
        """The chat page, which asks whether to come in by this invite. It counts only once that is done, with `POST`."""
        return await static.page("chat.html")

    @routes.get("/admin")
    @tag(["page"])
    @security_scheme([])
    @document_response(Page)
    async def console() -> Response:
        """The operators' console. Its requests need an admin's token or session."""
        return await static.page("admin.html")

    @routes.get("/salon.js")
    @tag(["page"])
    @security_scheme([])
    @document_response(Script)
    async def sdk() -> Response:
        """The JavaScript SDK, an ES module for pages of any origin."""
        return await static.public("salon.js")

    @routes.get("/salon.d.ts")
    @tag(["page"])
    @security_scheme([])
    @document_response(Declarations)
    async def sdk_types() -> Response:
        """The types of salon.js."""
        return await static.public("salon.d.ts")

    @routes.get("/salon-chat.js")
    @tag(["page"])
    @security_scheme([])
    @document_response(Script)
    async def element() -> Response:
        """The element `<salon-chat>`, an ES module for pages of any origin. Its conversations are those of this server."""
        return await static.public("salon-chat.js")

    @routes.get("/worker.js")
    @tag(["page"])
    @security_scheme([])
    @document_response(Script)
    async def worker() -> Response:
        """The service worker that caches the chat page for offline use; or, with `offline_page: false`, deletes the cache."""
        return await static.worker(wanted=parts.settings.server.offline_page)

    @routes.get("/assets/<name>")
    @tag(["page"])
    @security_scheme([])
    @document_response(Script)
    @refusals(Code.NOT_FOUND)
    async def asset(name: str) -> Response:
        """A file of a page, under a name that changes with its content."""
        return await static.asset(f"assets/{name}")

    return routes


class Static:
    """The files built from web/page, in memory: some hundred KB."""

    def __init__(self, built: dict[str, File]) -> None:
        self._files = built

    @classmethod
    def load(cls) -> Static:
        """Read the installed files; none if the page is not installed."""
        bodies = dict(_walk(files("salon.web").joinpath("static", "page")))
        return cls({name: _file(name, bodies) for name in bodies if _kind(name) in TYPES})

    async def page(self, name: str) -> Response:
        """An HTML page, with the security headers that all pages share."""
        if name not in self._files:
            response = Response(NOT_BUILT, 404, content_type=TYPES["html"])
        else:
            response = await self._answer(name, ASK_AGAIN)
        response.headers.update(HEADERS)
        return response

    async def public(self, name: str) -> Response:
        """A file that pages of any origin may load."""
        response = await self._answer(name, ASK_AGAIN)
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return response

    async def worker(self, *, wanted: bool) -> Response:
        """The service worker, with the security headers of the page whose requests it makes."""
        if wanted and WORKER in self._files:
            response = await self._answer(WORKER, ASK_AGAIN)
        else:
            response = Response(NO_WORKER, content_type=TYPES["js"])
            response.headers["Cache-Control"] = ASK_AGAIN
        response.headers.update(HEADERS)
        return response

    async def asset(self, name: str) -> Response:
        """A file whose name contains its hash, unless it is a notice."""
        return await self._answer(name, ASK_AGAIN if name.endswith(".txt") else FOR_EVER)

    async def _answer(self, name: str, caching: str) -> Response:
        file = self._files.get(name)
        if file is None:
            raise NotFound
        accepted = request.accept_encodings
        encoding = next((each for each in file.bodies if accepted[each] > 0), "identity")
        response = Response(file.bodies[encoding], content_type=file.content_type)
        response.headers["Cache-Control"] = caching
        response.headers.add("Vary", "Accept-Encoding")
        if encoding != "identity":
            response.headers["Content-Encoding"] = encoding
        response.set_etag(f"{file.etag}-{encoding}")
        await response.make_conditional(request)
        return response


def _walk(folder: Traversable, prefix: str = "") -> Any:
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", entry.read_bytes()


def _file(name: str, bodies: dict[str, bytes]) -> File:
    variants = {
        encoding: bodies[name + suffix]
        for encoding, suffix in ENCODINGS.items()
        if name + suffix in bodies
    }
    etag = sha256(bodies[name]).hexdigest()[:20]
    return File(variants | {"identity": bodies[name]}, TYPES[_kind(name)], etag)


def _kind(name: str) -> str:
    return name.rpartition(".")[2]
