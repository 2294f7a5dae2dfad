"""A sandbox as the container and the unit make it, by what the kernel has for both: a command that runs the rest of it inside.

The file system is read-only but for one folder. No memory may be made executable, no privilege gained, no capability is left.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

READ_ONLY = """
mount --make-rprivate /
mount --bind "$0" "$0"
mount -o remount,bind,ro /
exec "$@"
"""
PR_SET_NO_NEW_PRIVS, PR_SET_MDWE, REFUSE_EXEC_GAIN = 38, 65, 1


def command(folder: Path) -> list[str]:
    """What the command of a server follows, for it to write into this folder alone."""
    inside = [sys.executable, "-I", str(Path(__file__).resolve()), "--"]
    bare = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    return ["unshare", "--mount", "sh", "-euc", READ_ONLY, str(folder), *bare, *inside]


def refusal() -> str | None:
    """Why there can be no sandbox here, or None."""
    if shutil.which("unshare") is None or shutil.which("setpriv") is None:
        return "there is no util-linux here"
    tried = subprocess.run(
        ["unshare", "--mount", "true"], check=False, capture_output=True, text=True
    )
    return tried.stderr.strip() or None


def main(words: list[str]) -> None:
    """Give up what is left to give up, then be the command."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    for option in (PR_SET_NO_NEW_PRIVS, PR_SET_MDWE):
        if prctl(option, REFUSE_EXEC_GAIN, 0, 0, 0) and option != PR_SET_MDWE:
            sys.exit("prctl failed")  # the kernel has the second from 6.3 on
    os.execvp(words[0], words)


if __name__ == "__main__":
    main(sys.argv[2:])
