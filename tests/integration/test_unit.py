"""docs/deploying.md with systemd, in a Debian that it has booted: the commands of the page as they stand there.

It takes minutes and fetches packages, so only `make release-check` does it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator

import pytest

from tests.booted import ROOT, Debian, refusal
from tests.patience import PATIENCE

WHEELS = [*ROOT.glob("dist/*.whl")]
WHY_NOT = refusal() or (None if WHEELS else "make packages has made no wheel")
pytestmark = [
    pytest.mark.skipif("SALON_RELEASE_CHECK" not in os.environ, reason="see make release-check"),
    pytest.mark.skipif(WHY_NOT is not None, reason=f"no unit is started: {WHY_NOT}"),
    pytest.mark.timeout(900),
]
READY = (
    f"curl --silent --show-error --fail --retry {PATIENCE:.0f} --retry-delay 1 --retry-all-errors "
    "http://127.0.0.1:8000/ready\n"
)


def commands() -> list[str]:
    """The blocks of the page about systemd: what installs, what starts and looks, what goes back."""
    text = (ROOT / "docs/deploying.md").read_text()
    part = text.partition("## With systemd")[2].partition("\n## ")[0]
    # What the machine is like is not tried.
    return [
        re.sub(r"^(.* doctor)$", r"\1 || [ $? = 1 ]", block, flags=re.MULTILINE)
        for block in re.findall(r"```sh\n(.*?)```", part, re.DOTALL)
    ]


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Debian]:
    it = Debian(tmp_path_factory.mktemp("debian"))
    try:
        checkout = it.root / "checkout"
        shutil.copytree(ROOT / "docs", checkout / "docs")
        (checkout / "dist").mkdir()
        for wheel in WHEELS:
            shutil.copy(wheel, checkout / "dist")
        it.install(commands()[0])
        it.boot()
        yield it
    finally:
        it.close()


def test_the_unit_serves_in_its_sandbox_comes_back_and_is_restored_by_the_commands_of_the_page(
    debian: Debian,
) -> None:
    _, begin, back = commands()
    token = re.search(r"^eyJ\S+$", debian.run(begin).stdout, re.MULTILINE)
    assert token is not None
    debian.run(READY)
    me = debian.run(f"curl -s -H 'Authorization: Bearer {token[0]}' http://127.0.0.1:8000/auth/me")
    assert '"admin":true' in me.stdout

    status = debian.run("cat /proc/$(systemctl show -p MainPID --value salon)/status").stdout
    known = dict(re.findall(r"^(\w+):\s+(\w+)", status, re.MULTILINE))
    assert int(known["Uid"]) > 1000
    assert (known["CapEff"], known["NoNewPrivs"], known["Seccomp"]) == ("0" * 16, "1", "2")

    program = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0]
    (debian.root / "program.py").write_text(program)
    said = debian.run("/opt/salon/bin/python /program.py").stdout
    assert said == "1 conversation_created\n2 message\n"

    debian.run("systemctl kill --signal=KILL salon\n" + READY)
    assert debian.run("systemctl show -p NRestarts --value salon").stdout == "1\n"
    debian.run(back + READY)
    assert debian.run("ls /var/lib/salon/*.before-*").stdout.count("\n") == 1
    assert "permission" not in debian.run("journalctl -u salon --no-pager").stdout
    debian.run("systemctl stop salon")
    ended = debian.run("systemctl show -p Result -p ExecMainStatus salon").stdout
    assert set(ended.split()) == {"Result=success", "ExecMainStatus=0"}
