"""A Debian of its own that systemd has booted, in namespaces: no process, port or mount of the machine is in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from tests.patience import PATIENCE

ROOT = Path(__file__).parents[1]
POLL = 0.05  # seconds between two looks at a process that has to begin
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
        self._first = 0

    def install(self, script: str) -> None:
        """Run this as root in the folder /checkout, with the network of the machine."""
        given = {name: text for name, text in os.environ.items() if name == "PIP_INDEX_URL"}
        given |= {
            "PATH": "/usr/sbin:/usr/bin",
            "HOME": "/root",
            "PIP_CERT": AUTHORITIES,
            "PIP_QUIET": "1",
        }
        command = ["chroot", self.root, "sh", "-euc", f"cd /checkout\n{script}"]
        subprocess.run(command, check=True, env=given)

    def boot(self) -> None:
        """Have systemd start all that it starts."""
        apart = ["unshare", "--kill-child", "--mount", "--pid", "--fork", "--net", "--uts", "--ipc"]
        words = ["sh", "-euc", BOOT, self.root, self._group, INSIDE]
        self._booting = subprocess.Popen([*apart, *words])
        self._first = _systemd_of(self._booting.pid)
        script = (
            "for _ in $(seq 300); do systemctl is-system-running --wait && exit; sleep 0.1; done"
        )
        found = self.run(script, check=False)
        # Degraded is one in which a getty finds no terminal.
        assert re.search("running|degraded", found.stdout), found

    def run(self, script: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run this as root inside."""
        into = ["nsenter", f"--target={self._first}", "--all", "--root", "--wd"]
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


def _systemd_of(pid: int) -> int:
    """The child of unshare, once it is systemd."""
    for _ in range(int(PATIENCE / POLL)):
        for child in psutil.Process(pid).children():
            if child.name() == "systemd":
                return int(child.pid)
        time.sleep(POLL)
    raise AssertionError("systemd was not started")
