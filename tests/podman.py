"""Podman as a user of compose.yaml has Docker, in a folder and a network of its own: images are built and containers run.

It begins nothing outside of them, so port 443 is free whatever the machine does. The images that a Dockerfile begins with are
made here, from Debian's packages and the tests' own Caddy: a machine that tests may reach no registry of images.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
COMPOSE = ROOT / ".venv-release/bin/podman-compose"
PROGRAMS = ("podman", "mmdebstrap", "crun", "nsenter", "/usr/lib/podman/netavark")
# Processes may have what this one may have, and no more is asked for; the networks are those that Docker takes.
CONTAINERS = """
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
cgroups = "disabled"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
default_subnet_pools = [{{"base" = "172.20.0.0/16", "size" = 24}}]
"""
STORAGE = """
[storage]
driver = "overlay"
graphroot = "{folder}/images"
runroot = "{folder}/run"
"""
OVERRIDE = """
services:
  salon: {{ulimits: !override {{nofile: {files}, nproc: {processes}}}}}
  caddy: {{ulimits: {{nofile: {files}, nproc: {processes}}}}}
"""
# crun refuses to start where both kinds of cgroups are mounted; in a view of its own one of them is not.
ALONE = """
mount --make-rprivate /
awk '$3 == "cgroup2" {print $2}' /proc/mounts | xargs --no-run-if-empty umount --lazy
ip link set lo up
echo ready
exec sleep infinity
"""
CADDY = """
FROM scratch
COPY caddy /usr/bin/caddy
ENV PATH=/usr/bin XDG_CONFIG_HOME=/config XDG_DATA_HOME=/data
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
"""
PYTHON = """
FROM scratch
ADD base.tar /
COPY authorities.crt /etc/ssl/certs/ca-certificates.crt
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin {variables}
"""
PROCESSES = 4_000


def refusal() -> str | None:
    """Why there can be no containers here, or None."""
    missing = [each for each in (*PROGRAMS, str(COMPOSE)) if shutil.which(each) is None]
    if missing:
        return f"there is no {' and no '.join(missing)}"
    return None if os.geteuid() == 0 else "only root gets a network of its own"


class Podman:
    """Podman with all that it keeps below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        for name, text in (("containers", CONTAINERS), ("storage", STORAGE), ("over", OVERRIDE)):
            given = text.format(folder=folder, files=min(files, 65_536), processes=PROCESSES)
            (folder / f"{name}.conf").write_text(given)
        self._environment = os.environ | {
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "PATH": f"{COMPOSE.parent}:{os.environ['PATH']}",
        }
        self._alone = subprocess.Popen(
            ["unshare", "--mount", "--net", "sh", "-euc", ALONE], stdout=subprocess.PIPE, text=True
        )
        assert self._alone.stdout is not None
        assert self._alone.stdout.readline() == "ready\n"

    def close(self) -> None:
        """End all that runs, and delete all that was made."""
        self.inside("podman", "system", "reset", "--force", check=False)
        self._alone.kill()
        self._alone.communicate()

    def inside(self, *words: object, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in the network of the containers."""
        return self._run(
            "nsenter", f"--target={self._alone.pid}", "--mount", "--net", *words, **options
        )

    def compose(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """What `docker compose` is on a machine with Docker."""
        return self.inside(*self._compose(), *words, **options)

    def build(self) -> None:
        """Build what compose.yaml builds, with the network of the machine, and the images that it begins with."""
        (base,) = set(re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
        self._stand_in(base, PYTHON.format(variables=_variables()), _python)
        self._stand_in("caddy:2", CADDY, _caddy)
        options = "--isolation=chroot --format=docker --pull-never"
        self._run(*self._compose(), f"--podman-build-args={options}", "build")

    def _compose(self) -> list[object]:
        files = (ROOT / "compose.yaml", self._folder / "over.conf")
        return ["podman-compose", *(word for each in files for word in ("--file", each))]

    def _stand_in(self, name: str, text: str, bring: Any) -> None:
        context = self._folder / name.replace(":", "-")
        context.mkdir()
        (context / "Containerfile").write_text(text)
        bring(name, context)
        self._run("podman", "build", "--isolation=chroot", "--tag", name, context)

    def _run(
        self, *words: object, check: bool = True, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(word) for word in words],
            check=False,
            capture_output=True,
            text=True,
            cwd=ROOT,
            **{"env": self._environment} | options,
        )
        said = f"{done.stdout[-5_000:]}\n{done.stderr[-5_000:]}"
        assert done.returncode == 0 or not check, f"{words} ended with {done.returncode}\n{said}"
        return done


def _variables() -> str:
    """How this machine's pip and npm reach their registries."""
    known = {name: text for name, text in os.environ.items() if name == "PIP_INDEX_URL"}
    authorities = "/etc/ssl/certs/ca-certificates.crt"
    known |= {"PIP_CERT": authorities, "NODE_EXTRA_CA_CERTS": authorities}
    return " ".join(f"{name}={text}" for name, text in known.items())


def _python(name: str, context: Path) -> None:
    """A Debian with its own Python, of the version that the image's name says."""
    version, suite = re.fullmatch(r"python:([\d.]+)-slim-(\w+)", name).groups()  # type: ignore[union-attr]
    packages = "ca-certificates,python3-venv,python-is-python3"
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", suite]
    subprocess.run([*command, context / "base.tar"], check=True)
    listed = subprocess.check_output(["tar", "--list", "--file", context / "base.tar"], text=True)
    assert f"/usr/bin/python{version}\n" in listed
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", context / "authorities.crt")


def _caddy(name: str, context: Path) -> None:
    shutil.copy(Path(sysconfig.get_path("scripts"), "caddy"), context / "caddy")
