"""A Debian of its own that systemd has booted, in namespaces: no process, port or mount of the machine is in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from tests.patience import PATIENCE

ROOT = Path(__file__).parents[1]
PROGRAMS = ("mmdebstrap", "unshare", "nsenter", "chroot")
PACKAGES = "ca-certificates,curl,dbus,openssl,procps,python3-venv,systemd-sysv"
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
# The machine may have the cgroups of another version: those of the second are there as well, and systemd gets a part of them.
BOOT = """
mount --make-rprivate /
umount -R /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
mkdir "/sys/fs/cgroup/$1"
echo $$ >"/sys/fs/cgroup/$1/cgroup.procs"
exec unshare --cgroup sh -euc "$2" "$0"
"""
INSIDE = """
mount --bind "$0" "$0"
cd "$0"
mount -t proc proc proc
mount -t sysfs sysfs sys
umount /sys/fs/cgroup
mount -t cgroup2 none sys/fs/cgroup
for each in run tmp; do mount -t tmpfs tmpfs $each; done
mount -t tmpfs -o mode=755 tmpfs dev
for each in null zero full random urandom tty; do touch dev/$each; mount --bind /dev/$each dev/$each; done
mkdir dev/pts dev/shm old
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ip link set lo up
pivot_root . old
umount -l /old
exec env -i container=other PATH=/usr/sbin:/usr/bin /lib/systemd/systemd systemd.unit=multi-user.target
"""
SWEEP = """
mount -t cgroup2 none /sys/fs/cgroup
for _ in $(seq 100); do
  find "/sys/fs/cgroup/$0" -depth -type d -exec rmdir {} + 2>/dev/null && exit
  sleep 0.1
done
"""


def refusal() -> str | None:
    """Why nothing can be booted here, or None."""
    missing = [each for each in PROGRAMS if shutil.which(each) is None]
    if missing:
        return f"there is no {' and no '.join(missing)}"
    return None if os.geteuid() == 0 else "only root can boot one"


class Debian:
    """The Debian that the image begins with, and systemd. `boot` it once all is there that needs the machine's network."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        (suite,) = set(re.findall(r"slim-(\w+)", (ROOT / "Dockerfile").read_text()))
        make = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}"]
        subprocess.run([*make, suite, self.root], check=True)
        for each in (AUTHORITIES, "/etc/resolv.conf", "/etc/hosts"):
            shutil.copy(each, f"{self.root}{each}")
        self._group = f"salon-{os.getpid()}"
        self._booting: subprocess.Popen[bytes] | None = None

    def install(self, script: str) -> None:
        """Run this as root in the folder /checkout, with the network of the machine."""
        given = {name: text for name, text in os.environ.items() if name == "PIP_INDEX_URL"}
        given |= {"PATH": "/usr/sbin:/usr/bin", "HOME": "/root", "PIP_CERT": AUTHORITIES}
        command = ["chroot", self.root, "sh", "-euc", f"cd /checkout\n{script}"]
        subprocess.run(command, check=True, env=given)

    def boot(self) -> None:
        """Have systemd start all that it starts."""
        apart = ["unshare", "--kill-child", "--mount", "--pid", "--fork", "--net", "--uts", "--ipc"]
        words = ["sh", "-euc", BOOT, self.root, self._group, INSIDE]
        self._booting = subprocess.Popen([*apart, *words], stdout=subprocess.DEVNULL)
        found = self.run(
            "for _ in $(seq 300); do systemctl is-system-running --wait && exit; sleep 0.1; done",
            check=False,
        )
        assert re.search("running|degraded", found.stdout), (
            found
        )  # such as a getty that has no terminal

    def run(self, script: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run this as root inside."""
        assert self._booting is not None
        first = _child_of(self._booting.pid)
        into = ["nsenter", f"--target={first}", "--all", "--root", "--wd"]
        done = subprocess.run(
            [*into, "env", "-i", "HOME=/root", "PATH=/usr/sbin:/usr/bin", "sh", "-euc", script],
            capture_output=True,
            text=True,
            check=False,
            timeout=4 * PATIENCE,
        )
        assert done.returncode == 0 or not check, (script, done.stdout, done.stderr)
        return done

    def close(self) -> None:
        """End it and delete it."""
        if self._booting is not None:
            self._booting.kill()
            self._booting.wait()
        subprocess.run(["unshare", "--mount", "sh", "-euc", SWEEP, self._group], check=True)
        shutil.rmtree(self.root)


def _child_of(pid: int) -> Any:
    (child,) = psutil.Process(pid).children()
    return child.pid
