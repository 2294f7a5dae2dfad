"""Maps the root folders into the namespace `salon`; all else stands in pyproject.toml."""

import shutil

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

FOLDERS = ("actors", "loadtests", "persistence", "web")


class FreshBuild(build_py):
    """Builds into an empty folder: setuptools would pack the deleted modules that lie there."""

    def run(self) -> None:
        if not self.editable_mode:
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


found = find_packages(include=[pattern for name in FOLDERS for pattern in (name, f"{name}.*")])
setup(
    packages=[f"salon.{name}" for name in found],
    package_dir={f"salon.{name}": name for name in FOLDERS},
    cmdclass={"build_py": FreshBuild},
)
