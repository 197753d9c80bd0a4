"""The file of measured plans, shared by processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from convnets.kernels.tuning.tuning_file import TuningFile


def test_machines_and_keys_are_kept_apart(tmp_path: Path) -> None:
    file = TuningFile(tmp_path / "plans.json")
    assert file.read("one") == {}
    assert file.write("one", {"a": 1})
    assert file.write("two", {"a": 2})
    assert file.write("one", {"b": [3]})
    assert file.write("one", {"a": 4})
    assert TuningFile(file.path).read("one") == {"a": 4, "b": [3]}
    assert file.read("two") == {"a": 2}
    assert file.read("three") == {}


def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not TuningFile(tmp_path / "file" / "plans.json").write("one", {"a": 1})


_PROCESS = """
import sys
from pathlib import Path
from convnets.kernels.tuning.tuning_file import TuningFile
file = TuningFile(Path(sys.argv[1]))
for i in range(20):
    assert file.write("machine", {f"{sys.argv[2]}-{i}": {"forward": "x" * 1000}})
"""


def test_processes_that_write_at_once_leave_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "plans.json"
    writers = [subprocess.Popen([sys.executable, "-c", _PROCESS, str(path), str(i)]) for i in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    content = json.loads(path.read_text())
    assert content["format"] == 1
    assert len(content["machines"]["machine"]) >= 20
    assert [found.name for found in tmp_path.iterdir()] == ["plans.json"]
