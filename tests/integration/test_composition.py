"""compose.yaml as it stands there, with the image of the Dockerfile: built and started by Podman. It takes minutes and fetches
all libraries, so only `make release-check` does it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image import ROOT
from tests.patience import PATIENCE
from tests.podman import Podman, refusal

WHY_NOT = refusal()
pytestmark = [
    pytest.mark.skipif("SALON_RELEASE_CHECK" not in os.environ, reason="see make release-check"),
    pytest.mark.skipif(WHY_NOT is not None, reason=f"no containers here: {WHY_NOT}"),
    pytest.mark.timeout(1_500),
]
SITE = "https://localhost"
AUTHORITY = "/data/caddy/pki/authorities/local/root.crt"
INSIDE = """
id -u
grep -E "CapEff|NoNewPrivs" /proc/self/status
touch /opt/salon/a || true
touch /data/a && echo "a volume"
command -v node npm pip cc git || echo "nothing to build with"
"""


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    it = Podman(tmp_path_factory.mktemp("podman"))
    try:
        it.build()
        yield it
    finally:
        it.close()


@pytest.fixture
def up(podman: Podman, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The composition runs; the environment in which curl trusts Caddy's own authority."""
    podman.compose("up", "--no-build", "--detach")
    until_healthy(podman)
    podman.inside("curl", "-sS", *RETRIED, "--insecure", SITE)  # Caddy has a certificate then
    copy = tmp_path / "root.crt"
    podman.inside("podman", "cp", f"salon_caddy_1:{AUTHORITY}", copy)
    yield os.environ | {"CURL_CA_BUNDLE": str(copy)}
    podman.compose("down", "--volumes")


RETRIED = ("--retry", f"{PATIENCE:.0f}", "--retry-delay", "1", "--retry-all-errors", "--fail")


def until_healthy(podman: Podman) -> None:
    """Ask as often as Docker does; Podman asks by itself where systemd runs."""
    script = f"for _ in $(seq {PATIENCE:.0f}); do podman healthcheck run salon_salon_1 && exit; sleep 1; done; exit 1"
    podman.inside("sh", "-c", script)


def commands() -> list[list[str]]:
    """What docs/deploying.md has for `docker compose`, with the variables before it."""
    text = (ROOT / "docs/deploying.md").read_text()
    lines = [
        line.partition(" #")[0] for line in re.findall(r"^.*docker compose .*$", text, re.MULTILINE)
    ]
    return [shlex.split(line) for line in lines if "`" not in line]


def test_the_first_conversation_is_held_through_tls_and_outlives_a_restart(
    podman: Podman, up: dict[str, str]
) -> None:
    program = re.findall(r"```sh\n(S=.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0]
    text = program.replace("http://127.0.0.1:8000", SITE)
    said = podman.inside("sh", "-e", input=text, env=up).stdout
    assert '"durability":"committed"' in said
    assert '"content":"Hello"' in said
    asked = re.findall(r'(curl -s "\$S/chat/\$ID/messages.*)$', text, re.MULTILINE)[-1]
    again = f"{text}\necho; echo $ID $TOKEN"
    id, token = podman.inside("sh", "-e", input=again, env=up).stdout.splitlines()[-1].split()
    podman.compose("stop")
    state = podman.inside("podman", "inspect", "salon_salon_1").stdout
    assert json.loads(state)[0]["State"]["ExitCode"] == 0
    podman.compose("start")
    until_healthy(podman)
    variables = f"S={SITE} ID={id} TOKEN={token}\n"
    kept = podman.inside("sh", "-e", input=variables + asked, env=up).stdout
    assert '"content":"Hello"' in kept


def test_only_what_is_for_the_world_is_reached_and_only_over_tls(
    podman: Podman, up: dict[str, str]
) -> None:
    def status(url: str) -> str:
        form = "%{http_code} %{redirect_url}"
        return podman.inside("curl", "-sS", "-o", "/dev/null", "-w", form, url, env=up).stdout

    assert status(f"{SITE}/health") == "200 "
    assert status(f"{SITE}/metrics") == "404 "
    assert status("http://localhost/") == f"308 {SITE}/"
    listening = podman.inside("ss", "--listening", "--tcp", "--numeric", "--no-header").stdout
    assert ":8000 " not in listening


def test_it_has_no_right_and_no_tool_and_one_folder(podman: Podman, up: dict[str, str]) -> None:
    done = podman.inside("podman", "exec", "salon_salon_1", "sh", "-c", INSIDE)
    assert done.stdout.split("\n")[:-1] == [
        "10001",
        "CapEff:\t0000000000000000",
        "NoNewPrivs:\t1",
        "a volume",
        "nothing to build with",
    ]
    assert "Read-only file system" in done.stderr


def test_the_commands_of_the_document_work(podman: Podman, up: dict[str, str]) -> None:
    first, world, *others = commands()
    assert first == ["docker", "compose", "up"]
    assert world == ["SALON_SITE=chat.example.org", "docker", "compose", "up", "--detach"]
    assert others
    for words in others:
        assert words[:2] == ["docker", "compose"]
        done = podman.compose(*words[2:], check=False)
        # What the machine is like is not tried.
        assert done.returncode in ({0, 1} if "doctor" in words else {0}), (words, done.stderr)
        assert "Traceback" not in done.stdout + done.stderr
    until_healthy(podman)
    kept = podman.inside("podman", "exec", "salon_salon_1", "ls", "/data").stdout.split()
    assert any(name.startswith("salon.db.before-") for name in kept)
