"""Journal: the trials of a search as lines of a file, that workers share and that no kill can spoil.

Three things that go wrong with Optuna's own journal are kept out: its locks outlive a killed holder (ours is the
operating system's, and ends with the process), a line torn by a kill ends every later study (it is cut off under the
lock), and trials of killed workers stay RUNNING for ever (each is held by a lease of its own; one whose lease nobody
holds has failed, and is tried once more).
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from convnets.core.former_names import current_names
from convnets.core.storage.file_lock import is_locked, locked
from convnets.errors import UsageError

__all__ = ["Journal", "import_optuna", "run_trials"]

_STUDY = "convnets"
_RETRY = "retry of"


def import_optuna() -> Any:
    """The heavy optional package, imported in this one place. Raises UsageError where it is missing."""
    try:
        import optuna
    except ImportError:
        raise UsageError("a search needs Optuna; install it with: pip install 'convnets[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


class _Lock:
    """What Optuna's journal asks for: `acquire` and `release`. It ends with the process, and mends the file."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._held: contextlib.ExitStack | None = None

    def acquire(self) -> bool:
        held = contextlib.ExitStack()
        held.enter_context(locked(self._journal.with_suffix(".lock")))
        _cut_torn_line(self._journal)
        self._held = held
        return True

    def release(self) -> None:
        if self._held is not None:
            self._held.close()
        self._held = None


def _cut_torn_line(path: Path) -> None:
    """Cut off what a killed writer left of its last line; only while the lock is held."""
    with path.open("rb+") as file:
        content = file.read()
        if content and not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)


class Journal:
    """The trials in a folder.

    Args:
        folder: where `trials.journal` and the leases lie; made where it is not there.
        sampler, pruner: Optuna's, or None for its defaults.
    """

    def __init__(self, folder: Path, sampler: Any = None, pruner: Any = None) -> None:
        optuna = import_optuna()
        from optuna.storages.journal import JournalFileBackend

        self.folder = folder.absolute()
        (self.folder / "leases").mkdir(parents=True, exist_ok=True)
        path = self.folder / "trials.journal"
        path.touch()
        lock: Any = _Lock(path)
        lock.acquire()  # which cuts off what a kill has torn, before anything is read
        lock.release()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the journal is experimental
            storage = optuna.storages.JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
        with locked(self.folder / "create.lock"):  # two that begin at once make one study
            self.study: Any = optuna.create_study(
                storage=storage,
                study_name=_STUDY,
                direction="maximize",
                load_if_exists=True,
                sampler=sampler,
                pruner=pruner,
            )

    @contextlib.contextmanager
    def next_trial(self, trials: int) -> Iterator[Any]:
        """A trial that nobody else works on, held by a lease; None where `trials` are finished or under way.

        Inside, the caller tells its value with `study.tell`. Trials of workers that died are failed before, and each
        is put into the queue again once.
        """
        with contextlib.ExitStack() as lease:
            with locked(self.folder / "ask.lock"):
                self._reap()
                if self._taken() >= trials:
                    trial = None
                else:
                    trial = self.study.ask()
                    lease.enter_context(locked(self._lease(trial.number)))
            yield trial

    def finished(self) -> list[Any]:
        """Trials that ended with a value or were pruned, in their order."""
        states = import_optuna().trial.TrialState
        return [
            each
            for each in self.study.get_trials(deepcopy=False)
            if each.state in (states.COMPLETE, states.PRUNED)
        ]

    def _taken(self) -> int:
        running = import_optuna().trial.TrialState.RUNNING
        under_way = [each for each in self.study.get_trials(deepcopy=False) if each.state == running]
        return len(self.finished()) + len(under_way)

    def _reap(self) -> None:
        states = import_optuna().trial.TrialState
        for each in self.study.get_trials(deepcopy=False):
            if each.state != states.RUNNING or is_locked(self._lease(each.number)):
                continue
            self.study.tell(each.number, state=states.FAIL)
            if _RETRY not in each.user_attrs and each.params:
                self.study.enqueue_trial(current_names(each.params), user_attrs={_RETRY: each.number})

    def _lease(self, number: int) -> Path:
        return self.folder / "leases" / f"{number}.lock"


def run_trials(
    journal: Journal, objective: Callable[[Any], float], trials: int, seconds: float | None = None
) -> int:
    """Ask, measure and tell until there are `trials`, or the time is over; returns how many were done here.

    `objective` takes a trial and returns its value, or raises `optuna.TrialPruned`.
    """
    optuna = import_optuna()
    begun, done = time.monotonic(), 0
    while seconds is None or time.monotonic() - begun < seconds:
        with journal.next_trial(trials) as trial:
            if trial is None:
                return done
            try:
                value = objective(trial)
            except optuna.TrialPruned:
                journal.study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            except Exception:
                journal.study.tell(trial, state=optuna.trial.TrialState.FAIL)
                raise
            else:
                journal.study.tell(trial, value)
            done += 1
    return done
