"""How OpenMP's threads wait is settled before PyTorch is loaded, or left alone."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from convnets.core.thread_waiting import shorten_waiting, waiting_as_pytorch_does

SAY = "import os; print(os.environ.get('GOMP_SPINCOUNT'))"


def say(code: str, **variables: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    ended = subprocess.run(
        [sys.executable, "-c", code], env={**kept, **variables}, capture_output=True, text=True, check=True
    )
    return ended.stdout.strip()


def test_importing_convnets_shortens_the_wait() -> None:
    assert say(f"import convnets; {SAY}") == "50000"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "passive"}, "None")],
    ids=["own number", "own policy"],
)
def test_what_the_user_says_of_waiting_holds(variables: dict[str, str], expected: str) -> None:
    assert say(f"import convnets; {SAY}", **variables) == expected


def test_it_is_too_late_once_pytorch_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.setitem(sys.modules, "torch", sys)
    shorten_waiting()
    assert "GOMP_SPINCOUNT" not in os.environ


def test_a_plain_process_waits_as_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "50000")
    assert waiting_as_pytorch_does()["GOMP_SPINCOUNT"] == "300000"
    monkeypatch.setenv("GOMP_SPINCOUNT", "12")
    assert waiting_as_pytorch_does()["GOMP_SPINCOUNT"] == "12"
