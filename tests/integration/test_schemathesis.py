"""Schemathesis reads the OpenAPI document of a real server and tries what it says, and what it does not: no request may make
the server fail, and every answer is one that the document names.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import trio

from tests import parsing
from tests.examples import ALL, examples
from tests.person import Person, guests
from tests.server import ServerProcess, api

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# The first ends the server, the second never ends by itself
LEFT_OUT = (
    "/admin/drain",
    "/admin/events",
    "/admin/log",
    "/chat/{conversation_id}/events",
    "/me/events",
)
EXAMPLES = examples(9)  # of each operation, besides those of the coverage phase
# Of a stranger nearly all is refused for who they are, whatever else is wrong with it: that is tried with an admin.
STRANGER = ("coverage", EXAMPLES) if ALL else ("fuzzing", 1)
FOUND = re.compile(r"(\d+) generated, (\d+) passed")


def schemathesis(
    url: str,
    token: str,
    folder: Path,
    *options: str,
    ids: dict[str, str] | None = None,
    most: int = EXAMPLES,
) -> subprocess.CompletedProcess[str]:
    """A run as whoever the token stands for; `ids` are those that it names in paths."""
    config = folder / "schemathesis.toml"
    lines = [f'"path.{name}" = "{value}"' for name, value in (ids or {}).items()]
    config.write_text("\n".join(["[parameters]", *lines, ""]))
    command = [
        *(sys.executable, "-P", parsing.__file__, "schemathesis.cli", "--config-file", str(config)),
        *("run", f"{url}/openapi.json", "--checks", CHECKS, "--max-examples", str(most)),
        *("--header", f"Authorization: Bearer {token}", "--seed", "1", "--request-timeout", "20"),
        *("--generation-database", "none", "--no-color", *options),
    ]
    for path in LEFT_OUT:
        command += ["--exclude-path", path]
    environment = os.environ | {"NO_PROXY": "127.0.0.1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


async def check(
    server: ServerProcess, run: Callable[[], subprocess.CompletedProcess[str]]
) -> tuple[int, str]:
    """How many requests were made, and what was said; each has been answered well, and the server lives."""
    done = await trio.to_thread.run_sync(run)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    found = FOUND.search(done.stdout)
    assert found is not None, done.stdout[-4000:]
    assert found[1] == found[2]
    assert "a request failed" not in server.log
    assert "Traceback" not in server.log
    assert (await api(server, "GET", "/health")).status_code == 200
    return int(found[1]), done.stdout


@pytest.mark.timeout(300)
async def test_no_request_of_a_stranger_makes_the_server_fail(
    own_server: ServerProcess, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    phase, each = STRANGER
    options = ("--phases", phase)
    run = partial(schemathesis, own_server.url, "no-token", tmp_path, *options, most=each)
    count, _ = await check(own_server, run)
    assert count > 50
    tell(f"schemathesis, a stranger: {count} requests, no server error")


@pytest.mark.timeout(300)
async def test_no_request_of_an_admin_about_real_conversations_makes_the_server_fail(
    own_server: ServerProcess, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    [ada] = await guests(own_server, "Ada")
    admin = Person(own_server, "admin_token", "admin", "Admin")
    conversation_id = await admin.create(ada)
    receipt = await ada.say(conversation_id, "hello")
    assert receipt["sequence_id"] == 2
    ids = {"conversation_id": conversation_id, "participant_id": ada.id}
    # Nothing would be left to try.
    left_out = ("--exclude-path", "/chat/{conversation_id}/leave")
    left_out += ("--exclude-name", "DELETE /chat/{conversation_id}", "--exclude-name", "DELETE /me")
    left_out += ("--exclude-path", "/admin/people/{participant_id}/erasure")
    run = partial(
        schemathesis, own_server.url, admin.token, tmp_path, "--workers", "2", *left_out, ids=ids
    )
    async with ada.tab(conversation_id):
        count, _ = await check(own_server, run)
    assert count > 500
    # Ada may have been removed meanwhile.
    assert (await admin.see(conversation_id))["message_count"] > 1, "some of it was well-formed"
    tell(f"schemathesis, an admin: {count} requests about a real conversation, no server error")
