"""The image and its composition: what is read of them without a Docker daemon."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

from salon.web.commands.checkup import OPEN_FILES
from salon.web.settings.loading import load
from tests.image import ROOT, Step, environment, is_sent, of, stages

SCRIPTS = Path(sysconfig.get_path("scripts"))


@pytest.fixture(scope="module")
def dockerfile() -> list[list[Step]]:
    return stages((ROOT / "Dockerfile").read_text())


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    composition: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return dict(composition["services"])


def test_the_linter_finds_nothing() -> None:
    done = subprocess.run(
        [SCRIPTS / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_compositions_are_as_their_published_schema_says(tmp_path: Path) -> None:
    command = [SCRIPTS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec"]
    both = ROOT / "compose.yaml", ROOT / "compose.cluster.yaml"
    subprocess.run([*command, *both], check=True, capture_output=True)
    wrong = tmp_path / "compose.yaml"
    wrong.write_text((ROOT / "compose.yaml").read_text().replace("read_only: true", "read_only: 5"))
    assert subprocess.run([*command, wrong], check=False, capture_output=True).returncode == 1


def test_the_nodes_of_the_composition_have_settings_that_a_cluster_needs() -> None:
    composed = yaml.safe_load((ROOT / "compose.cluster.yaml").read_text())["services"]["salon"]
    asked = re.compile(r"\$\{(\w+):[?-]([^}]*)\}")
    given = {name: asked.sub("chosen", text) for name, text in composed["environment"].items()}
    settings, _ = load(environment=given)
    assert settings.cluster.nats == ("nats://chosen@nats:4222",)
    assert settings.store.url == "postgresql://salon:chosen@postgres/salon"
    assert composed["deploy"]["replicas"] > 1


def test_nothing_but_the_installed_environment_gets_into_the_image(
    dockerfile: list[list[Step]],
) -> None:
    build, image = dockerfile
    assert [step.text for step in of(image, "COPY")] == ["--from=build /opt/salon /opt/salon"]
    assert of(image, "FROM")[0].text == of(build, "FROM")[0].text.removesuffix(" AS build")
    assert not any(word in step.text for step in image for word in ("node", "pip ", "apt-get"))


def test_the_build_is_sent_what_it_needs_and_no_data(dockerfile: list[list[Step]]) -> None:
    build, _ = dockerfile
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in patterns if line and line[0] != "#"]
    for step in of(build, "COPY"):
        for source in step.words[:-1]:
            assert (ROOT / source).exists()
            assert is_sent(source, patterns), source
    folders = {source for step in of(build, "COPY") for source in step.words[:-1]}
    assert {each.parent.name for each in ROOT.glob("*/py.typed")} <= folders
    assert is_sent("web/page/build.py", patterns)
    for path in (
        ".git/config",
        ".venv/bin/python",
        "salon.db",
        "web/salon.db",
        "web/salon.db.key",
        "actors/__pycache__/a.pyc",
        "web/page/node_modules/a/b.js",
        "web/static/page/chat.html",
        "salon.yaml",
        ".env",
    ):
        assert not is_sent(path, patterns), path


def test_it_serves_as_nobody_of_note_from_one_volume(dockerfile: list[list[Step]]) -> None:
    _, image = dockerfile
    (user,), (volume,), (port,) = (of(image, name) for name in ("USER", "VOLUME", "EXPOSE"))
    assert int(user.text) > 0
    assert f"--uid {user.text} " in of(image, "RUN")[0].text
    given = environment(image)
    assert given.pop("PATH").startswith("/opt/salon/bin:")
    settings, _ = load(None, None, given)
    assert settings.server.host == "0.0.0.0"
    assert settings.server.port == int(port.text)
    for path in (settings.store.path, settings.key_file, settings.files_folder):
        assert path is not None
        assert path.is_relative_to(volume.text)
    assert of(image, "ENTRYPOINT")[0].words + of(image, "CMD")[0].words == ["salon", "serve"]


def test_the_composition_fits_the_image(
    services: dict[str, Any], dockerfile: list[list[Step]]
) -> None:
    _, image = dockerfile
    salon = services["salon"]
    assert salon["read_only"] is True
    assert salon["cap_drop"] == ["ALL"]
    assert "ports" not in salon, "it is reached through Caddy alone"
    (volume,) = salon["volumes"]
    assert volume.partition(":")[2] == of(image, "VOLUME")[0].text
    given = environment(image) | {
        name: re.sub(r"\$\{\w+:-(.+)\}", r"\1", text) for name, text in salon["environment"].items()
    }
    settings, _ = load(None, None, given)
    assert settings.server.public_url == "https://localhost"
    grace = int(salon["stop_grace_period"].removesuffix("s"))
    assert grace > settings.limits.drain_timeout + 2
    assert salon["ulimits"]["nofile"] >= OPEN_FILES
    upstream = services["caddy"]["environment"]["SALON_UPSTREAM"]
    assert upstream == f"salon:{settings.server.port}"
    (mounted,) = (each for each in services["caddy"]["volumes"] if "Caddyfile" in each)
    source = ROOT / mounted.split(":")[0]
    used = set(re.findall(r"\{\$(\w+):", source.read_text()))
    assert used == set(services["caddy"]["environment"])


@pytest.mark.skipif(shutil.which("docker") is None, reason="there is no docker here")
def test_docker_compose_understands_it() -> None:
    known = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    if known.returncode:
        pytest.skip("this docker has no compose")
    subprocess.run(["docker", "compose", "config", "--quiet"], cwd=ROOT, check=True)
