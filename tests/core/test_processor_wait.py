from __future__ import annotations

from pathlib import Path

import pytest

from convnets.core import processor_wait
from convnets.core.processor_wait import seconds_waited_for_a_core


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(processor_wait, "_TASKS", tmp_path)
    return tmp_path


def test_the_waits_of_all_threads_are_added_up(tasks: Path) -> None:
    for thread, line in (("7", "95680 2000000000 2\n"), ("8", "1 500000000 9\n")):
        (tasks / thread).mkdir()
        (tasks / thread / "schedstat").write_text(line)
    assert seconds_waited_for_a_core() == 2.5


def test_a_system_without_the_files_does_not_know(tasks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tasks / "7").mkdir()  # a thread that has just ended
    assert seconds_waited_for_a_core() is None
    monkeypatch.setattr(processor_wait, "_TASKS", tasks / "none")
    assert seconds_waited_for_a_core() is None


def test_an_unread_line_does_not_count_as_zero(tasks: Path) -> None:
    (tasks / "7").mkdir()
    (tasks / "7" / "schedstat").write_text("")
    assert seconds_waited_for_a_core() is None
