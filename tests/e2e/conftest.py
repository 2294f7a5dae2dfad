"""What tests of pages share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.npm_site import built


@pytest.fixture(scope="session")
def vite_app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project of somebody else's site, built once for all processes of the run: its pages are in `dist`."""
    folder = tmp_path_factory.getbasetemp()
    return built(folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder)
