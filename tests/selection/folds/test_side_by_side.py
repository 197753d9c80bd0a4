"""Work in processes of their own: what each of them has of the one that called."""

from __future__ import annotations

import os

import pytest

from convnets.selection.folds.side_by_side import work_side_by_side


def test_each_process_has_the_environment_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("first", "second"):  # on Linux both calls' come from one process
        monkeypatch.setenv("CONVNETS_OF_THE_CALL", value)
        found = work_side_by_side(os.getenv, ["CONVNETS_OF_THE_CALL"] * 3, 2, str)
        assert found == ([value] * 3, None)
    monkeypatch.delenv("CONVNETS_OF_THE_CALL")
    assert work_side_by_side(os.getenv, ["CONVNETS_OF_THE_CALL"], 2, str) == ([None], None)
