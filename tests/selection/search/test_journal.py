"""The journal survives its workers: twenty of them are killed at random."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest

from convnets.core.storage.file_lock import locked
from convnets.core.storage.files import sha256_of_file
from convnets.selection.search.journal import Journal
from convnets.selection.search.trials import run_trials

WORKER = Path(__file__).with_name("worker.py")


def work(folder: Path, trials: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(WORKER), str(folder), str(trials)], stdout=subprocess.PIPE, text=True
    )


def test_twenty_kills_lose_no_finished_trial_and_run_none_twice(tmp_path: Path) -> None:
    generator = random.Random(0)
    before: dict[int, float] = {}
    for _ in range(10):  # two at a time
        workers = [work(tmp_path, 10_000) for _ in range(2)]
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "begun\n"
        time.sleep(0.5 + generator.random() / 2)
        for worker in workers:
            worker.kill()
            worker.wait()
            assert worker.stdout is not None
            worker.stdout.close()
        finished = {each.number: each.value for each in Journal(tmp_path).finished()}
        assert before.items() <= finished.items()
        before = finished
    assert len(before) > 10
    total = len(before) + 5
    run_trials(Journal(tmp_path), lambda trial: trial.suggest_float("x", 0, 1), total)
    journal = Journal(tmp_path)
    states = [each.state for each in journal.study.get_trials()]
    assert states.count(optuna.trial.TrialState.COMPLETE) == total
    assert optuna.trial.TrialState.RUNNING not in states
    measured = (tmp_path / "measured.txt").read_text().split()
    assert len(set(measured)) == len(measured)  # no trial was measured twice
    retried = [each.user_attrs["retry of"] for each in journal.study.get_trials() if each.user_attrs]
    assert len(set(retried)) == len(retried)  # and none was retried twice


def test_a_torn_line_is_cut_off_and_whole_ones_stay(tmp_path: Path) -> None:
    run_trials(Journal(tmp_path), lambda trial: trial.suggest_float("x", 0, 1), 3)
    path = tmp_path / "trials.journal"
    whole = sha256_of_file(path)
    with path.open("ab") as file:
        file.write(b'{"op_code": 5, "worker')
    assert len(Journal(tmp_path).finished()) == 3
    assert sha256_of_file(path) == whole or path.read_bytes().endswith(b"\n")
    run_trials(Journal(tmp_path), lambda trial: trial.suggest_float("x", 0, 1), 4)
    assert len(Journal(tmp_path).finished()) == 4


def test_a_trial_whose_lease_is_held_is_left_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with journal.next_trial(2) as trial:
        assert trial is not None
        assert run_trials(Journal(tmp_path), lambda other: 1.0, 2) == 1  # the second one is under way here
        journal.study.tell(trial, 0.5)
    assert [each.value for each in Journal(tmp_path).finished()] == [0.5, 1.0]


def test_an_abandoned_trial_is_tried_once_more_with_its_options(tmp_path: Path) -> None:
    seen: list[float] = []

    def measure(trial: Any) -> float:
        seen.append(trial.suggest_float("x", 0, 1))
        return seen[-1]

    journal = Journal(tmp_path)
    abandoned = journal.study.ask()
    x = abandoned.suggest_float("x", 0, 1)
    run_trials(journal, measure, 2)
    assert seen[0] == x
    assert len(seen) == 2
    assert journal.study.get_trials()[0].state == optuna.trial.TrialState.FAIL


def test_a_failed_objective_is_told_and_seen(tmp_path: Path) -> None:
    def fail(trial: Any) -> float:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_trials(Journal(tmp_path), fail, 1)
    assert Journal(tmp_path).study.get_trials()[0].state == optuna.trial.TrialState.FAIL
    with locked(tmp_path / "ask.lock", wait=False):
        pass  # nothing is left held
