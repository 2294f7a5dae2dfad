"""Maps the root folders into the namespace `salon`, and builds the page into it; all else stands in pyproject.toml.

With SOURCE_DATE_EPOCH, what is built of the same files is the same to the byte: no time, no owner and no umask gets into it.
"""

import gzip
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

FOLDERS = ("actors", "loadtests", "persistence", "web")
PAGE = "web/static/page"


class FreshBuild(build_py):
    """Builds into an empty folder: setuptools would pack the deleted modules that lie there."""

    def run(self) -> None:
        if self.editable_mode:
            self.build_page(Path(PAGE))
            super().run()
        else:
            shutil.rmtree(self.build_lib, ignore_errors=True)
            super().run()
            self.build_page(Path(self.build_lib, "salon", PAGE))
            for each in Path(self.build_lib).rglob("*"):
                each.chmod(0o755 if each.is_dir() else 0o644)

    def build_page(self, target: Path) -> None:
        """The static files of web/page; what an earlier build has left in their place goes."""
        shutil.rmtree(target, ignore_errors=True)
        if os.environ.get("SALON_SKIP_PAGE") == "1":
            self.warn("SALON_SKIP_PAGE=1: the page is left out")
        else:
            subprocess.run([sys.executable, "web/page/build.py", target], check=True)


class ReproducibleWheel(bdist_wheel):
    """Packs the wheel: zip entries have the modes of their files."""

    def write_wheelfile(self, wheelfile_base: str, *arguments: str) -> None:
        """The last file about the wheel itself is written; all of them get one mode."""
        super().write_wheelfile(wheelfile_base, *arguments)
        for each in Path(wheelfile_base).rglob("*"):
            each.chmod(0o755 if each.is_dir() else 0o644)


class ReproducibleSource(sdist):
    """Packs the source archive: sorted, of one time, and nobody's."""

    def make_archive(
        self,
        base_name: str,
        format: str,
        root_dir: str | None = None,
        base_dir: str | None = None,
        owner: str | None = None,
        group: str | None = None,
    ) -> str:
        """The path of the archive of `base_dir`. pip and PyPI know the format gztar alone."""
        if format != "gztar" or base_dir is None:
            raise ValueError("a source archive is a .tar.gz")
        moment = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
        path = f"{base_name}.tar.gz"
        with (
            Path(path).open("wb") as file,
            gzip.GzipFile("", "wb", mtime=moment, fileobj=file) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for each in sorted(Path(base_dir).rglob("*")):
                if each.is_file():
                    entry = archive.gettarinfo(str(each))
                    entry.mtime, entry.mode = moment, 0o644
                    entry.uid = entry.gid = 0
                    entry.uname = entry.gname = ""
                    with each.open("rb") as content:
                        archive.addfile(entry, content)
        return path


found = find_packages(include=[pattern for name in FOLDERS for pattern in (name, f"{name}.*")])
setup(
    packages=[f"salon.{name}" for name in found],
    package_dir={f"salon.{name}": name for name in FOLDERS},
    cmdclass={
        "bdist_wheel": ReproducibleWheel,
        "build_py": FreshBuild,
        "sdist": ReproducibleSource,
    },
)
