"""Journal: the trials of a search as lines of a file, that workers share and that no kill can spoil.

Three things that go wrong with Optuna's own journal are kept out: its locks outlive a killed holder (ours is the
operating system's, and ends with the process), a line torn by a kill ends every later study (it is cut off under the
lock), and trials of killed workers stay RUNNING for ever (each is held by a lease of its own; one whose lease nobody
holds has failed, and is tried once more).
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from convnets.core.former_names import current_names
from convnets.core.storage.file_lock import is_locked, locked
from convnets.selection.search.trials import SharedTrials, combination_of, import_optuna

__all__ = ["Journal"]

_STUDY = "convnets"
_RETRY = "retry of"


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


class Journal(SharedTrials):
    """The trials in a folder.

    Args:
        folder: where `trials.journal` and the leases lie; made where it is not there.
        sampler, pruner: Optuna's, or None for its defaults.
        directions: maximize or minimize, for each value of a trial.
    """

    def __init__(
        self,
        folder: Path,
        sampler: Any = None,
        pruner: Any = None,
        directions: Sequence[str] = ("maximize",),
    ) -> None:
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
            self.study = optuna.create_study(
                storage=storage,
                study_name=_STUDY,
                directions=list(directions),
                load_if_exists=True,
                sampler=sampler,
                pruner=pruner,
            )

    def _alone(self) -> AbstractContextManager[None]:
        return locked(self.folder / "ask.lock")

    def _holding(self, trial: Any) -> AbstractContextManager[None]:
        return locked(self._lease(trial.number))

    def _reap(self) -> None:
        states = import_optuna().trial.TrialState
        for each in self.under_way():
            if is_locked(self._lease(each.number)):
                continue
            self.study.tell(each.number, state=states.FAIL)
            options = current_names(combination_of(each))
            if _RETRY not in each.user_attrs and options:
                self.study.enqueue_trial(options, user_attrs={_RETRY: each.number})

    def _lease(self, number: int) -> Path:
        return self.folder / "leases" / f"{number}.lock"
