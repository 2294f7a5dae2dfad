"""The files around the source: a changelog in its form, checks before a commit, documents that are shipped."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SECTIONS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]


class TestChangelog:
    """The form of Keep a Changelog 1.1.0."""

    TEXT = (ROOT / "CHANGELOG.md").read_text()

    def test_begins_with_what_is_not_released(self) -> None:
        assert self.TEXT.startswith("# Changelog\n")
        versions = re.findall(r"^## (.*)$", self.TEXT, re.MULTILINE)
        assert versions[0] == "[Unreleased]"
        for version in versions[1:]:
            assert re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", version), version

    def test_sorts_the_changes_of_each_version_by_kind(self) -> None:
        for version in re.split(r"^## .*$", self.TEXT, flags=re.MULTILINE)[1:]:
            sections = re.findall(r"^### (.*)$", version, re.MULTILINE)
            assert sections == [each for each in SECTIONS if each in sections]
            for section in re.split(r"^### .*$", version, flags=re.MULTILINE)[1:]:
                assert re.match(r"\n\n- ", section), section[:80]


def test_a_commit_is_checked_as_make_lint_checks() -> None:
    makefile = (ROOT / "Makefile").read_text()
    [repository] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = [hook["entry"] for hook in repository["hooks"]]
    assert entries[-1] == "make lint"
    for entry in entries[:-1]:
        assert entry.replace(".venv-test/bin", "$(BIN)") in makefile


@pytest.mark.parametrize(
    "name", ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "ARCHITECTURE.md"]
)
def test_a_document_is_shipped_with_the_source(name: str) -> None:
    assert (ROOT / name).exists()
    assert name in (ROOT / "MANIFEST.in").read_text()
