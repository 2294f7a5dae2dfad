"""The npm package of salon.js: what is in it, and that compilers, bundlers and node take it as it is."""

from __future__ import annotations

import json
import re
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.node import ROOT, modules
from tests.npm_package import install, node, packed

RIGHT = """
import { Refused, Salon, type Event, type Message } from "salon-js";
import { useConversation, type UsedConversation } from "salon-js/react";
import type { SalonChat } from "salon-js/element";

const salon = new Salon({ url: "https://chat.example" });
salon.open("id").on("event", (event: Event) => event.type === "message" && event.message.content);
export function names(): string[] {
  const used: UsedConversation = useConversation(salon, "id", { resume: "complete" });
  const { messages, members, status, send, edit, react, older } = used;
  send("Hello", { reply_to: messages[0]?.message_id ?? "" });
  edit("m", "Hi");
  react("m", ":tada:");
  older().catch((error: unknown) => error instanceof Refused && error.refusal.code);
  return [status, ...members.map(({ displayName }) => displayName)];
}
const chat: SalonChat = document.createElement("salon-chat");
chat.getToken = async () => "token";
chat.client = salon;
chat.list = true;
chat.addEventListener("salon-open", ({ detail }) => { const id: string | null = detail; return id; });
chat.addEventListener("salon-message", ({ detail }) => { const message: Message = detail; return message; });
"""
WRONG = """
import { Salon } from "salon-js";
import { useConversation } from "salon-js/react";
useConversation(4, "id");
useConversation(new Salon(), "id").send(4);
document.createElement("salon-chat").client = "salon";
import "salon-js/sdk/line.ts";
"""
RESOLVING = {"bundler": ("ESNext", "bundler"), "node": ("node16", "node16")}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody's project that has installed the package."""
    folder = tmp_path_factory.mktemp("project")
    install(folder)
    return folder


@pytest.fixture(scope="module")
def manifest(project: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project / "node_modules/salon-js/package.json").read_text())
    return found


def test_it_brings_nothing_else_and_react_is_only_wanted_where_it_is_used(
    project: Path, manifest: dict[str, Any]
) -> None:
    assert [each.name for each in (project / "node_modules").glob("[!.]*")] == ["salon-js"]
    assert "dependencies" not in manifest
    assert manifest["peerDependenciesMeta"].keys() == manifest["peerDependencies"].keys()
    assert manifest["peerDependencies"].keys() == {"react"}


def test_it_has_what_the_registry_and_its_readers_ask_for(manifest: dict[str, Any]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (manifest["version"], manifest["license"]) == (project["version"], project["license"])
    assert manifest["publishConfig"]["provenance"] is True
    with tarfile.open(packed()) as archive:
        names = {name.removeprefix("package/") for name in archive.getnames()}
    targets = {
        target.removeprefix("./")
        for entry in manifest["exports"].values()
        for target in (entry.values() if isinstance(entry, dict) else [entry])
    }
    assert targets <= names
    rest = {each for each in names - targets if not re.fullmatch(r"chunk-\w+\.js", each)}
    assert rest == {"LICENSE", "LEGAL.txt", "README.md"}


@pytest.mark.parametrize("way", RESOLVING)
def test_a_strict_compiler_finds_its_types(project: Path, way: str) -> None:
    (project / "right.ts").write_text(RIGHT)
    (project / "wrong.ts").write_text(WRONG)
    module, resolution = RESOLVING[way]
    tsc = modules() / "typescript/bin/tsc"
    options = ["--noEmit", "--strict", "--pretty", "false", "--target", "ES2022", "--module"]
    options += [module, "--moduleResolution", resolution, "--lib", "ES2023,DOM,DOM.Iterable"]
    options += ["--noUncheckedSideEffectImports", "true", "--exactOptionalPropertyTypes", "true"]
    done = node(tsc, *options, "right.ts", "wrong.ts", cwd=project)
    errors = [line for line in done.stdout.splitlines() if "error TS" in line]
    found = [re.match(r"(\w+\.ts)\((\d+),", line) for line in errors]
    assert [each and each.groups() for each in found] == [
        ("wrong.ts", str(line)) for line in (4, 5, 6, 7)
    ], done.stdout


def test_node_imports_it_without_react_and_without_a_page(project: Path) -> None:
    program = (
        'import * as it from "salon-js"; import { createRequire } from "node:module";'
        'const required = createRequire(import.meta.url)("salon-js");'
        "console.log(Object.keys(it).sort().join(), it.Salon === required.Salon);"
    )
    (project / "program.mjs").write_text(program)
    done = node("program.mjs", cwd=project)
    names = "Messages,Refused,Salon,changed,foreseen,isChange,targetsOf"
    assert done.stdout.strip() == f"{names} true", done.stderr


def test_a_bundler_takes_only_what_is_used(project: Path) -> None:
    def bundled(text: str) -> str:
        (project / "entry.js").write_text(text)
        esbuild = modules() / "esbuild/bin/esbuild"
        options = ("entry.js", "--bundle", "--minify", "--format=esm", "--external:react")
        done = node(esbuild, *options, cwd=project)
        assert done.returncode == 0, done.stderr
        return done.stdout

    client = bundled('import { Salon } from "salon-js"; new Salon();')
    hook = bundled('import { useConversation } from "salon-js/react"; useConversation("", "");')
    folded = bundled('import { Messages } from "salon-js"; new Messages();')
    element = bundled('import "salon-js/element";')
    assert bundled('import "salon-js"; import "salon-js/react";').strip() == ""
    assert "WebSocket" in client
    assert "WebSocket" not in folded
    assert len(folded) < len(client) / 4
    assert len(client) < len(hook) < len(element) / 4
    for each in (client, hook, folded):
        assert "salon-chat" not in each
    assert 'define("salon-chat"' in element


def test_the_hook_is_a_hundred_lines_at_most() -> None:
    assert len((ROOT / "web/page/react/react.ts").read_text().splitlines()) <= 100


def test_where_it_comes_from_can_be_told_for_provenance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SALON_REPOSITORY", "https://git.example.org/salon")
    with tarfile.open(packed()) as archive:
        file = archive.extractfile("package/package.json")
        assert file is not None
        manifest = json.loads(file.read())
    assert manifest["repository"]["url"] == "git+https://git.example.org/salon.git"
