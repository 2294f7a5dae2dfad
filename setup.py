"""Maps the root folders into the namespace `salon`, and builds the page into it; all else stands in pyproject.toml."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

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

    def build_page(self, target: Path) -> None:
        """The static files of web/page; what an earlier build has left in their place goes."""
        shutil.rmtree(target, ignore_errors=True)
        if os.environ.get("SALON_SKIP_PAGE") == "1":
            self.warn("SALON_SKIP_PAGE=1: the page is left out")
        else:
            subprocess.run([sys.executable, "web/page/build.py", target], check=True)


found = find_packages(include=[pattern for name in FOLDERS for pattern in (name, f"{name}.*")])
setup(
    packages=[f"salon.{name}" for name in found],
    package_dir={f"salon.{name}": name for name in FOLDERS},
    cmdclass={"build_py": FreshBuild},
)
