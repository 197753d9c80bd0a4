"""A search on a real PostgreSQL survives its workers, and says in one line what is missing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest

from convnets.errors import RunError, UsageError
from convnets.selection.search.database import Database, check_address, shown_address
from convnets.selection.search.space import Range
from convnets.selection.search.trials import run_trials
from convnets.selection.search.tune import tune
from convnets.training.config import TrainConfig

WORKER = Path(__file__).with_name("database_worker.py")
STATES = optuna.trial.TrialState


@contextmanager
def database(address: str, name: str, heartbeat: int = 60) -> Iterator[Database]:
    with closing(Database(address, name, heartbeat=heartbeat)) as opened:
        yield opened


@contextmanager
def working(warm_python: Any, *arguments: object) -> Iterator[Any]:
    worker = warm_python.start("-c", WORKER.read_text(), *map(str, arguments), stdout=subprocess.PIPE)
    with worker.stdout:
        try:
            yield worker
        finally:
            worker.kill()
            worker.wait()


def measuring(worker: Any) -> tuple[int, float]:
    """Number and x of the trial that the worker says it is at."""
    assert worker.stdout is not None
    number, x = worker.stdout.readline().split()
    return int(number), float(x)


def test_of_two_workers_one_is_killed_and_its_trial_is_retried_once(
    postgresql: str, warm_python: Any
) -> None:
    shared = (warm_python, postgresql, 4)
    with working(*shared, 60) as doomed, working(*shared, 0.1) as other:
        number, x = measuring(doomed)
        doomed.kill()
        assert other.wait(timeout=30) == 0  # it has waited for the trial of the dead one, and done it
    with database(postgresql, "shared") as ended:
        trials = ended.study.get_trials()
    assert [each.number for each in trials if each.state == STATES.FAIL] == [number]
    assert [each.state for each in trials].count(STATES.COMPLETE) == 4
    assert {each.state for each in trials} == {STATES.FAIL, STATES.COMPLETE}
    (retried,) = [each for each in trials if each.system_attrs.get("failed_trial") == number]
    assert retried.params == {"x": x}
    assert retried.value == x


def test_a_retried_trial_that_dies_too_is_given_up(postgresql: str) -> None:
    def stopped(trial: Any) -> float:
        seen.append(trial.suggest_float("x", 0, 1))
        raise KeyboardInterrupt

    seen: list[float] = []
    for _ in range(3):
        with database(postgresql, "stopped") as again, pytest.raises(KeyboardInterrupt):
            run_trials(again, stopped, 1)
    assert seen[0] == seen[1] != seen[2]


def test_one_killed_before_its_first_heartbeat_is_found(postgresql: str) -> None:
    with database(postgresql, "early") as dead, database(postgresql, "early") as living:
        assert dead._ask().number == 0
        assert run_trials(living, lambda trial: trial.suggest_float("x", 0, 1), 1) == 1
        assert [each.state for each in living.study.get_trials()] == [STATES.FAIL, STATES.COMPLETE]


def test_a_grid_there_is_tried_whole_though_a_worker_stops(postgresql: str) -> None:
    seen: list[tuple[float, str]] = []

    def measure(trial: Any) -> float:
        x = trial.suggest_float("x", 0, 1)
        if trial.number == 2:
            raise KeyboardInterrupt  # with one of the two options drawn
        seen.append((x, trial.suggest_categorical("y", ["a", "b"])))
        return 0.0

    grid = [{"x": x, "y": y} for x in (0.1, 1 / 3, 1.0) for y in ("a", "b")]
    with database(postgresql, "grid") as own:
        own.grid = grid
        with pytest.raises(KeyboardInterrupt):
            run_trials(own, measure, 100)
        assert run_trials(own, measure, 100) == 4
    assert sorted(seen) == sorted((each["x"], each["y"]) for each in grid)


def test_what_was_taken_for_dead_and_ends_after_all_is_left(postgresql: str) -> None:
    def slow(trial: Any) -> float:
        if trial.number == 0:
            own._fail(0)  # as another worker does that has waited for its heartbeat in vain
        return float(trial.number)

    with database(postgresql, "slow") as own:
        assert run_trials(own, slow, 1) == 2
        assert [each.value for each in own.study.get_trials()] == [None, 1.0]


def test_tune_keeps_its_trials_there_for_all_machines(postgresql: str, tmp_path: Path) -> None:
    space = {"learning_rate": Range(1e-4, 0.1, log=True)}
    config = TrainConfig(epochs=1, threads=1, precision="fp32")

    def search(machine: str, trials: int, config: TrainConfig = config, go_on: bool = True) -> Any:
        more: dict[str, Any] = {"space": space, "storage": postgresql, "name": "s", "go_on": go_on}
        return tune("softmax", "digits", config, trials=trials, output=tmp_path / machine, **more)

    first = search("here", 1, go_on=False)
    second = search("there", 2)
    assert [each.number for each in second.tried] == [0, 1]
    assert second.tried[0] == first.tried[0]
    assert (tmp_path / "here/s/trials/trial0/model").is_dir()
    assert (tmp_path / "there/s/trials/trial1/model").is_dir()
    with pytest.raises(RunError, match="holds a search 's' already; work on it with --resume"):
        search("elsewhere", 2, go_on=False)
    with pytest.raises(RunError, match="holds a search 's' with other options"):
        search("other", 2, TrainConfig(epochs=2))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["here", "there"]


def test_a_server_that_goes_away_is_one_line(postgresql: str) -> None:
    import psycopg

    def cut_off(trial: Any) -> float:
        with psycopg.connect(postgresql, autocommit=True) as other:
            other.execute("alter database gone allow_connections false")
            other.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'gone'")
        return 1.0

    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute("create database gone")
    told = r"/gone (failed|does not answer): [^\n]+; start [^\n]+$"
    with database(postgresql.replace("/postgres", "/gone"), "x") as own, pytest.raises(RunError, match=told):
        run_trials(own, cut_off, 1)


def test_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"storage is 'mysql://a:…@b/c'; allowed: postgresql://USER"):
        tune("softmax", "digits", storage="mysql://a:secret@b/c", output=tmp_path)
    with pytest.raises(UsageError, match="allowed: postgresql://"):
        check_address("postgresql://host")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UsageError, match=r"pip install 'convnets\[postgresql\]'"):
        check_address("postgres://host/d")
    assert not list(tmp_path.iterdir())


def test_no_server_is_one_line_without_the_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed (pip install 'convnets[postgresql]')")
    with pytest.raises(RunError, match=r"127\.0\.0\.1:9/d does not answer: .*refused") as raised:
        Database("postgresql://ann:secret@127.0.0.1:9/d", "x")
    with pytest.raises(RunError, match="does not answer"):
        tune("softmax", "digits", storage="postgresql://127.0.0.1:9/d", output=tmp_path)
    assert not list(tmp_path.iterdir())
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)
    assert shown_address("postgresql://h/d?password=secret") == "postgresql://h/d"
