"""The systemd unit in docs/deploy: what it starts exists, what it allows is little, and a drain has the time that it needs."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from salon.web.commands.checkup import OPEN_FILES
from salon.web.settings.loading import load

UNIT = Path(__file__).parents[2] / "docs" / "deploy" / "salon.service"
MOST_EXPOSED = 2.0  # of 10, as systemd-analyze counts


@pytest.fixture
def service() -> dict[str, str]:
    """The settings of the service; of a repeated one the last."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNIT)
    return dict(parser["Service"])


def test_it_starts_a_server_with_settings_that_there_are(
    service: dict[str, str], tmp_path: Path
) -> None:
    program, command, *options = shlex.split(service["ExecStart"])
    assert (Path(program).name, command) == ("salon", "serve")
    assert options == ["--config", "/etc/salon/salon.yaml"]
    given = dict(each.split("=", 1) for each in shlex.split(service["Environment"]))
    settings, _ = load(None, None, given)
    assert settings.store.path == Path("/var/lib", service["StateDirectory"], "salon.db")
    assert settings.logging.format == "json"


def test_a_drain_ends_before_it_is_killed_and_ten_thousand_sockets_are_allowed(
    service: dict[str, str],
) -> None:
    settings, _ = load(None, None, {})
    assert int(service["TimeoutStopSec"]) > settings.limits.drain_timeout + 2
    assert int(service["LimitNOFILE"]) >= OPEN_FILES


def test_it_may_write_to_its_own_folder_alone(service: dict[str, str]) -> None:
    assert service["DynamicUser"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    assert "ReadWritePaths" not in service
    assert service["UMask"] == "0077"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_understands_it_and_finds_little_exposed(tmp_path: Path) -> None:
    unit = tmp_path / "salon.service"
    unit.write_text(UNIT.read_text().replace("/opt/salon/bin/salon", shutil.which("true") or ""))
    done = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"exposure level for salon.service: ([\d.]+)", rated.stdout)
    assert found is not None
    assert float(found[1]) < MOST_EXPOSED
