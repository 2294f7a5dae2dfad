"""What root does to a store whose server runs as another user: the server can open it afterwards."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests import processes
from tests.unit.test_export import add_files


@pytest.mark.skipif("os.geteuid() != 0", reason="only root makes files of others")
def test_what_root_imports_or_restores_belongs_to_the_owner_of_its_folder(
    tmp_path: Path,
) -> None:
    path, lines = tmp_path / "salon.db", tmp_path / "salon.ndjson"
    add_files(path, [b"one"])
    shutil.move(path.with_name("files"), f"{path}.files")
    nobody = 65_534
    there = tmp_path / "there"
    there.mkdir()
    os.chown(there, nobody, nobody)
    imported, restored = ([f"--store=sqlite:///{there}/{name}.db"] for name in ("a", "b"))
    for words in (
        ["export", lines, f"--store=sqlite:///{path}", "--files"],
        ["import", lines, *imported],
        ["backup", lines.with_name("copy.db"), f"--store=sqlite:///{path}"],
        ["restore", lines.with_name("copy.db"), *restored],
    ):
        done = processes.run(words, env={})
        assert done.returncode == 0, done.stderr
    found = {each: each.stat() for each in there.rglob("*")}
    assert {each.name for each in found} >= {"a.db", "b.db", "a.db.files"}
    assert any(each.is_file() for each in (there / "a.db.files").rglob("*"))
    assert {(each.st_uid, each.st_gid) for each in found.values()} == {(nobody, nobody)}
