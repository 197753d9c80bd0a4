"""Trials that several workers share: each is asked for once, held while it is measured, and told."""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from convnets.errors import UsageError

__all__ = ["SharedTrials", "combination_of", "import_optuna", "run_trials"]


def import_optuna() -> Any:
    """The heavy optional package, imported in this one place. Raises UsageError where it is missing."""
    try:
        import optuna
    except ImportError:
        raise UsageError("a search needs Optuna; install it with: pip install 'convnets[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


class SharedTrials(ABC):
    """Optuna's study, and what keeps its workers apart. A journal in a folder, or a database, says how."""

    study: Any
    grid: Sequence[Mapping[str, Any]] | None = None
    """All combinations that there are to try, each once; None where options are drawn."""
    poll: float | None = None
    """Seconds between looks at trials of others that may come back; None where a dead worker is known at once."""

    @contextlib.contextmanager
    def next_trial(self, trials: int) -> Iterator[Any]:
        """A trial that nobody else works on, held while inside; None where `trials` are finished or under way.

        Inside, the caller tells its value with `study.tell`. Trials of workers that died are failed before, and each
        is put into the queue again once.
        """
        with contextlib.ExitStack() as hold:
            with self._alone():
                self._reap()
                trial = None
                if len(self.finished()) + len(self.under_way()) < trials and self._queued():
                    trial = self._ask()
                    hold.enter_context(self._holding(trial))
            yield trial

    def finished(self) -> list[Any]:
        """Trials that ended with a value or were pruned, in their order."""
        states = import_optuna().trial.TrialState
        return self._in_states(states.COMPLETE, states.PRUNED)

    def under_way(self) -> list[Any]:
        """Trials that somebody works on, or did until a moment ago."""
        return self._in_states(import_optuna().trial.TrialState.RUNNING)

    def _queued(self) -> bool:
        """Whether there is something to try; puts the next combination of a grid into the queue.

        Not Optuna's own grid: it lets workers try a combination twice, and raises where nobody calls `optimize`.
        """
        states = import_optuna().trial.TrialState
        if self.grid is None or self._in_states(states.WAITING):
            return True
        failed = Counter(_key(combination_of(each)) for each in self._in_states(states.FAIL))
        begun = self._in_states(states.COMPLETE, states.PRUNED, states.RUNNING)
        taken = {_key(combination_of(each)) for each in begun} | {key for key, n in failed.items() if n > 1}
        for combination in self.grid:
            if _key(combination) not in taken:
                self.study.enqueue_trial(dict(combination))
                return True
        return False

    def _in_states(self, *states: Any) -> list[Any]:
        return [each for each in self.study.get_trials(deepcopy=False) if each.state in states]

    def _ask(self) -> Any:
        return self.study.ask()

    def close(self) -> None:
        """Let go of what is open, if anything is."""
        return

    @abstractmethod
    def _alone(self) -> AbstractContextManager[None]:
        """Inside, no other worker asks for a trial or looks for dead ones."""

    @abstractmethod
    def _holding(self, trial: Any) -> AbstractContextManager[None]:
        """Inside, others see that somebody works on the trial."""

    @abstractmethod
    def _reap(self) -> None:
        """Fail the trials of workers that died, and put each into the queue again once."""


def combination_of(trial: Any) -> dict[str, Any]:
    """What a trial tries, or was asked to where it has not come so far."""
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}


def _key(combination: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(combination.items()))


def run_trials(
    shared: SharedTrials,
    objective: Callable[[Any], float | Sequence[float]],
    trials: int,
    seconds: float | None = None,
) -> int:
    """Ask, measure and tell until there are `trials`, or the time is over; returns how many were done here.

    `objective` takes a trial and returns its value or values, or raises `optuna.TrialPruned`.
    """
    optuna = import_optuna()
    begun, done = time.monotonic(), 0
    while seconds is None or time.monotonic() - begun < seconds:
        with shared.next_trial(trials) as trial:
            if trial is not None:
                _measure(shared.study, trial, objective, optuna)
                done += 1
                continue
        if shared.poll is None or not shared.under_way():
            return done
        time.sleep(shared.poll)  # if the other one turns out to be dead, its trial is for us
    return done


def _measure(study: Any, trial: Any, objective: Callable[[Any], Any], optuna: Any) -> None:
    # one that others took for dead has been failed by them, and what it still finds out is left
    try:
        value = objective(trial)
    except optuna.TrialPruned:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED, skip_if_finished=True)
    except Exception:
        study.tell(trial, state=optuna.trial.TrialState.FAIL, skip_if_finished=True)
        raise
    else:
        study.tell(trial, value, skip_if_finished=True)
