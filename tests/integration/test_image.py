"""The steps of the Dockerfile, done in a clean folder. It installs all libraries anew, so only `make release-check` does it."""

from __future__ import annotations

import os
import re
import select
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.image import ROOT, Image, Step, of, stages
from tests.patience import PATIENCE
from tests.proxies import free_port

pytestmark = [
    pytest.mark.skipif("SALON_RELEASE_CHECK" not in os.environ, reason="see make release-check"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Image, list[Step]]:
    """The image, and the stage that it is made of."""
    build, final = stages((ROOT / "Dockerfile").read_text())
    image = Image(tmp_path_factory.mktemp("image"))
    image.build(build)
    (image.root / "data").mkdir(mode=0o700)  # as RUN does for a user of its own
    return image, final


@pytest.fixture
def served(
    built: tuple[Image, list[Step]],
) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """What the image runs, and in which environment."""
    image, steps = built
    variables = image.variables(steps) | {"SALON_HOST": "127.0.0.1", "SALON_PORT": str(free_port())}
    words = of(steps, "ENTRYPOINT")[0].words + of(steps, "CMD")[0].words
    program = image.root / "opt/salon/bin" / words[0]
    process = subprocess.Popen(
        [program, *words[1:]], env=variables, cwd="/", stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    select.select([process.stdout], [], [], PATIENCE)
    assert process.stdout.readline().startswith("Salon listening on ")
    yield process, variables
    process.kill()
    process.wait()
    process.stdout.close()


def files(folder: Path) -> set[tuple[str, int]]:
    return {(str(each), each.stat().st_mtime_ns) for each in folder.rglob("*") if each.is_file()}


def test_it_serves_the_page_is_healthy_and_writes_to_its_volume_alone(
    built: tuple[Image, list[Step]], served: tuple[subprocess.Popen[str], dict[str, str]]
) -> None:
    image, steps = built
    process, variables = served
    before = files(image.root / "opt")
    url = f"http://127.0.0.1:{variables['SALON_PORT']}"
    assert "<html" in httpx2.get(f"{url}/").text
    assert httpx2.get(f"{url}/salon.js").status_code == 200
    guest = httpx2.post(f"{url}/auth/guest", json={"name": "Ada"}).json()
    created = httpx2.post(
        f"{url}/chat/create",
        json={"title": "Tea"},
        headers={"Authorization": f"Bearer {guest['token']}"},
    )
    assert created.status_code == 201
    check = re.search(r"CMD (\[.*\])", of(steps, "HEALTHCHECK")[0].text)
    assert check is not None
    words = Step("CMD", check[1].replace(":8000/", f":{variables['SALON_PORT']}/")).words
    assert subprocess.run(words, env=variables, check=False).returncode == 0
    process.terminate()
    assert process.wait(PATIENCE) == 0
    failed = subprocess.run(words, env=variables, check=False, stderr=subprocess.DEVNULL)
    assert failed.returncode == 1
    assert files(image.root / "opt") == before
    assert (image.root / "data/salon.db").exists()


def test_neither_node_nor_pip_nor_the_sources_are_in_it(built: tuple[Image, list[Step]]) -> None:
    image, _ = built
    names = {each.name for each in (image.root / "opt/salon").rglob("*")}
    assert not {"node", "npm", "node_modules", "pip", "tsconfig.json"} & names
    assert "chat.html" in names
