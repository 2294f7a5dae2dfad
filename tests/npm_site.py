"""A site of somebody else, built by Vite with the npm package of salon.js, and served under a strict content security policy."""

from __future__ import annotations

import fcntl
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.host_page import hosted
from tests.node import ROOT, modules
from tests.npm_package import install, node
from tests.server import ServerProcess

APP = ROOT / "tests/e2e/vite_app"
MANUAL = ROOT / "docs/salon-js.md"
EMBEDDING = ROOT / "docs/embedding.md"
ADA, BOB = "test_token_1", "test_token_2"
POLICY = (
    "default-src 'none'; script-src 'self' {http}; style-src 'self'; connect-src {http} {ws}; img-src blob:;"
    " require-trusted-types-for 'script'; trusted-types dompurify"
)


@dataclass(frozen=True)
class Site:
    """A site whose pages were built with the package, and the server that they use."""

    address: str
    server: ServerProcess
    project: Path

    def ask(self, method: str, path: str, body: Any = None, token: str = ADA) -> Any:
        """What the server answers."""
        bearer = {"Authorization": f"Bearer {token}"}
        answer = httpx2.request(method, self.server.url + path, json=body, headers=bearer)
        assert answer.is_success, answer.text
        return answer.json()

    def begin(self, title: str = "Tea") -> str:
        """A new conversation of Ada and Bob."""
        bob = {"user_id": "test_user_2", "name": "Bob"}
        created = self.ask("POST", "/chat/create", {"title": title, "participants": [bob]})
        return str(created["conversation_id"])

    def app(self, id: str, token: str) -> str:
        """The app of React with this conversation."""
        return "/index.html#" + json.dumps({"url": self.server.url, "token": token, "id": id})

    def shop(self, *elements: dict[str, str], code: str | None = None) -> str:
        """The shop with these elements."""
        server = {"server": self.server.url}
        found = [
            {"attributes": server | each} | ({} if code is None else {"code": code})
            for each in elements
        ]
        return f"/element.html#{json.dumps(found)}"


def built(folder: Path) -> Path:
    """The project of the site in this folder, built by whichever process comes first."""
    project = folder / "vite_app"
    with (folder / "vite_app.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (project / "dist").exists():
            shutil.rmtree(project, ignore_errors=True)  # of one that failed
            project.mkdir()
            _build(project)
    return project


def _build(project: Path) -> None:
    install(project)
    for each in modules(APP, "vite").glob("[!.]*"):
        (project / "node_modules" / each.name).symlink_to(each)
    shutil.copytree(APP, project, dirs_exist_ok=True)
    for manual, language, program in (
        (MANUAL, "tsx", "manual.tsx"),
        (EMBEDDING, "ts", "product.ts"),
    ):
        [example] = re.findall(rf"```{language}\n(.*?)```", manual.read_text(), re.DOTALL)
        (project / "src" / program).write_text(example)
    checked = node(modules() / "typescript/bin/tsc", cwd=project)
    assert checked.returncode == 0, checked.stdout
    done = node("node_modules/vite/bin/vite.js", "build", "--logLevel", "warn", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def served(project: Path, store: Path) -> Iterator[Site]:
    """The site of this project, with a server of its own, which tests may kill and leave running."""
    headers: dict[str, str] = {}
    with hosted(project / "dist", headers) as address:
        origins = json.dumps([address])
        server = ServerProcess(store, SERVER__ALLOWED_ORIGINS=origins)
        headers["Content-Security-Policy"] = POLICY.format(http=server.url, ws=server.ws_url)
        yield Site(address, server, project)
        assert server.stop() == 0, server.log
