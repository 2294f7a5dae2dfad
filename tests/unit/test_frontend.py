"""What the routes of the page answer: files under a strict policy, as small and as long kept as they can be."""

from __future__ import annotations

import gzip
import re
import subprocess
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from quart.typing import TestClientProtocol as Client
from quart_trio import QuartTrio

from salon.web.http import static_files as frontend
from salon.web.http.request import Parts
from tests.node import NODE, modules

ROOT = Path(__file__).parents[2]
PAGES = ["/", "/c/abc", "/invites/abc", "/admin"]


def client_of(*, offline_page: bool = True) -> Client:
    """Asks an application that has the page's routes alone."""
    server = SimpleNamespace(offline_page=offline_page)
    parts = SimpleNamespace(settings=SimpleNamespace(server=server))
    app = QuartTrio(__name__, static_folder=None)
    app.register_blueprint(frontend.frontend_routes(cast(Parts, parts)))
    return app.test_client()


@pytest.fixture
def client() -> Client:
    return client_of()


@pytest.fixture
async def assets(client: Client) -> list[str]:
    """The addresses that the pages name."""
    texts = [await (await client.get(path)).get_data(as_text=True) for path in PAGES]
    return sorted({found for text in texts for found in re.findall(r'"(/assets/[^"]+)"', text)})


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_comes_under_a_strict_policy(client: Client, path: str) -> None:
    response = await client.get(path)
    assert response.status_code == 200
    policy = dict(
        part.strip().partition(" ")[::2]
        for part in response.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["object-src"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert policy["worker-src"] == "'self'"
    assert policy["img-src"] == "'self' data:"
    assert not any("unsafe" in sources or "http" in sources for sources in policy.values())
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in response.headers["Permissions-Policy"]


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_holds_no_script_or_style_of_its_own_and_loads_nothing_from_elsewhere(
    client: Client, path: str
) -> None:
    text = await (await client.get(path)).get_data(as_text=True)
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", text)
    assert re.findall(r'(?:src|href)="([^"]+)"', text)
    assert all(
        link.startswith("/") and not link.startswith("//")
        for link in re.findall(r'(?:src|href)="([^"]+)"', text)
    )


async def test_what_a_page_names_is_there_and_kept_for_ever(
    client: Client, assets: list[str]
) -> None:
    assert {name.rpartition(".")[2] for name in assets} >= {"css", "js", "svg"}
    for name in assets:
        response = await client.get(name)
        assert response.status_code == 200, name
        assert "immutable" in response.headers["Cache-Control"]
        assert re.search(r"-[A-Z0-9]{8}\.\w+$", name), "its name has a hash in it"


async def test_a_page_and_salon_js_are_asked_for_again_and_not_sent_again(
    client: Client,
) -> None:
    for path in (*PAGES, "/salon.js", "/salon.d.ts", "/salon-chat.js", "/worker.js"):
        first = await client.get(path)
        assert first.headers["Cache-Control"] == "no-cache"
        again = await client.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, await again.get_data()) == (304, b"")
        changed = await client.get(path, headers={"If-None-Match": '"another"'})
        assert changed.status_code == 200


async def test_a_browser_gets_what_it_can_unpack(client: Client) -> None:
    plain = await client.get("/salon.js")
    assert "Content-Encoding" not in plain.headers
    zipped = await client.get("/salon.js", headers={"Accept-Encoding": "gzip"})
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(cast(bytes, await zipped.get_data())) == await plain.get_data()
    best = await client.get("/salon.js", headers={"Accept-Encoding": "gzip, deflate, br"})
    assert best.headers["Content-Encoding"] == "br"
    refused = await client.get("/salon.js", headers={"Accept-Encoding": "br;q=0, gzip;q=0"})
    assert "Content-Encoding" not in refused.headers
    for response in (plain, zipped, best):
        assert response.headers["Vary"] == "Accept-Encoding"
    assert len({each.headers["ETag"] for each in (plain, zipped, best)}) == 3


async def test_salon_js_may_be_loaded_by_anybodys_page(client: Client) -> None:
    script = "text/javascript"
    kinds = {"/salon.js": script, "/salon-chat.js": script, "/salon.d.ts": "text/plain"}
    for path, kind in kinds.items():
        response = await client.get(path)
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.content_type.startswith(kind)


@pytest.mark.parametrize("name", ["nothing.js", "..%2Fchat.html", "%2e%2e%2fadmin.html", ".js", ""])
async def test_what_is_no_asset_is_not_found(client: Client, name: str) -> None:
    assert (await client.get(f"/assets/{name}")).status_code == 404


async def test_without_its_page_the_server_says_so(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(frontend, "files", lambda _: tmp_path)
    without = client_of()
    for path in PAGES:
        response = await without.get(path)
        assert response.status_code == 404
        assert "SALON_SKIP_PAGE" in await response.get_data(as_text=True)
    assert (await without.get("/salon.js")).status_code == 404
    worker = await without.get("/worker.js")
    assert (worker.status_code, await worker.get_data()) == (200, frontend.NO_WORKER)


async def test_the_worker_names_what_the_chat_page_needs_and_nothing_of_another(
    client: Client,
) -> None:
    worker = await client.get("/worker.js")
    assert worker.content_type.startswith("text/javascript")
    assert "default-src 'self'" in worker.headers["Content-Security-Policy"]
    kept, chat, console = [
        set(re.findall(r"/assets/[\w.-]+", await (await client.get(path)).get_data(as_text=True)))
        for path in ("/worker.js", "/", "/admin")
    ]
    assert kept >= chat
    assert not kept & (console - chat)
    for name in kept:
        assert (await client.get(name)).status_code == 200, name


async def test_a_worker_that_is_not_wanted_is_ended() -> None:
    worker = await client_of(offline_page=False).get("/worker.js")
    assert worker.headers["Cache-Control"] == "no-cache"
    assert await worker.get_data() == frontend.NO_WORKER


def test_the_declarations_say_how_salon_js_is_used(tmp_path: Path) -> None:
    """A program that uses it compiles, and one that uses it wrongly does not."""
    static = files("salon.web").joinpath("static", "page")
    (tmp_path / "salon.d.ts").write_text(static.joinpath("salon.d.ts").read_text())
    (tmp_path / "right.ts").write_text(
        'import { Refused, Salon, type Event } from "./salon.js";\n'
        'const salon = new Salon({ url: "https://chat.example" });\n'
        "const { participant } = await salon.guest(participantName());\n"
        'const tea = salon.open("id", { lastSequenceId: 4, epoch: "e", resume: "newest" });\n'
        'tea.on("event", (event: Event) => event.type === "message" && event.message.content);\n'
        'tea.on("state", ({ status, retryAt }) => [status, retryAt ?? 0]);\n'
        'tea.send("Hello", { reply_to: "m" });\n'
        'tea.on("runs", (runs) => runs.map(({ text, label }) => [text, label ?? ""]));\n'
        'const { status } = await tea.run({ runId: "r" }).end({ usage: { tokens: 3 } });\n'
        "salon.look('id').catch((error) => error instanceof Refused && error.refusal.code);\n"
        "function participantName(): string { return participant.name; }\n"
        "export {};\n"
    )
    wrong = (
        'new Salon({ uri: "" });',
        'salon.open("id").send(4);',
        'salon.open("id").on("x", () => {});',
    )
    (tmp_path / "wrong.ts").write_text(
        'import { Salon } from "./salon.js";\nconst salon = new Salon();\n' + "\n".join(wrong)
    )
    assert compiled(tmp_path / "right.ts") == []
    errors = compiled(tmp_path / "wrong.ts")
    assert [int(re.search(r"\((\d+),", line)[1]) for line in errors] == [3, 4, 5]  # type: ignore[index]


async def test_the_manual_names_all_that_styles_the_element(client: Client) -> None:
    script = await (await client.get("/salon-chat.js")).get_data(as_text=True)
    manual = (ROOT / "docs/salon-js.md").read_text()
    used = set(re.findall(r"var\((--salon-[\w-]+)", script))
    assert used == set(re.findall(r"`(--salon-[\w-]+)`", manual))
    assert "prefers-color-scheme" in script
    assert not re.search(r"@font-face|@import|:root", script), "a shadow root has none of these"


def test_the_element_draws_with_nothing_that_belongs_to_the_chat_page() -> None:
    """Its modules import neither the page's session nor its address, which both begin with being imported."""
    seen: set[Path] = set()
    left = [ROOT / "web/page/element/element.ts"]
    while left:
        file = left.pop()
        if file in seen:
            continue
        seen.add(file)
        imports = re.findall(
            r'^import (?!type )[^;]*?"(\.[^"]+\.tsx?)"', file.read_text(), re.MULTILINE
        )
        left += [(file.parent / each).resolve() for each in imports]
    names = {file.relative_to(ROOT / "web/page").as_posix() for file in seen}
    assert "chat/conversation.tsx" in names
    assert not names & {
        f"chat/{name}.ts" for name in ("session", "route", "alert", "page", "standby")
    }


def test_the_examples_of_the_manual_compile(tmp_path: Path) -> None:
    static = files("salon.web").joinpath("static", "page")
    (tmp_path / "salon.d.ts").write_text(static.joinpath("salon.d.ts").read_text())
    manual = (ROOT / "docs/salon-js.md").read_text()
    examples = re.findall(r"```ts\n(.*?)```", manual, re.DOTALL)
    assert len(examples) == 9
    for number, text in enumerate(examples):
        example = tmp_path / f"example_{number}.ts"
        example.write_text(text)
        assert compiled(example) == []


def test_what_is_declared_is_what_there_is() -> None:
    static = files("salon.web").joinpath("static", "page")
    declared = re.findall(
        r"export declare (?:class|function|const) (\w+)", static.joinpath("salon.d.ts").read_text()
    )
    [exported] = re.findall(r"export \{([^}]*)\}", static.joinpath("salon.js").read_text())
    assert sorted(declared) == sorted(exported.replace(",", " ").split())


def compiled(file: Path) -> list[str]:
    """What tsc has against a file."""
    options = ["--noEmit", "--strict", "--module", "esnext", "--moduleResolution", "bundler"]
    options += ["--target", "es2022", "--lib", "es2022,dom", "--types", ""]
    command = [str(NODE), str(modules() / "typescript/bin/tsc"), *options, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return [line for line in done.stdout.splitlines() if "error TS" in line]
