"""Database: the trials of a search in PostgreSQL, for workers on many machines.

While a worker measures a trial it sends a heartbeat. A trial whose heartbeat has stopped is failed by the next worker
that asks, and is put into the queue again once (Optuna's `RetryHeartbeatStaleTrialCallback`). Who asks holds a lock of
the database, which ends with its connection.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from convnets.errors import RunError, UsageError
from convnets.selection.search.agreement import first_difference
from convnets.selection.search.trials import SharedTrials, import_optuna

__all__ = ["Database", "check_address", "shown_address"]

_SCHEMES = ("postgresql", "postgres")
_HELD = "held as"
_SETTINGS = "settings"
_CONNECT_SECONDS = 10
# the server notices within a minute that a machine which held the lock is gone
_KEEPALIVE = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"


def check_address(address: str) -> str:
    """The address as the driver takes it; UsageError for one of another database, or without the driver."""
    parts = urlsplit(address)
    if parts.scheme not in _SCHEMES or not parts.path.strip("/"):
        raise UsageError(
            f"storage is {shown_address(address)!r}; allowed: postgresql://USER@HOST:PORT/DATABASE; leave it out "
            "for a file in the search's folder"
        )
    import_optuna()
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise UsageError(
            "a search in PostgreSQL needs psycopg; install it with: pip install 'convnets[postgresql]'"
        ) from None
    return urlunsplit(parts._replace(scheme="postgresql"))


def shown_address(address: str) -> str:
    """Without the password.

    >>> shown_address("postgresql://ann:secret@host/searches")
    'postgresql://ann:…@host/searches'
    """
    parts = urlsplit(address)
    place = parts.netloc.rpartition("@")[2]
    user, colon, _ = parts.netloc.rpartition("@")[0].partition(":")
    shown = f"{user}{':…' if colon else ''}@{place}" if user else place
    return urlunsplit(parts._replace(netloc=shown, query="", fragment=""))


class Database(SharedTrials):
    """The trials of one search in a database of PostgreSQL. Raises RunError where none answers.

    Args:
        address: `postgresql://USER@HOST:PORT/DATABASE`; the password may stand in it, in PGPASSWORD or ~/.pgpass.
        name: of the search; a database holds as many as there are names.
        heartbeat: seconds between two; a worker silent for twice as long is dead.
        sampler, pruner, directions: as of a journal.
    """

    def __init__(
        self,
        address: str,
        name: str,
        sampler: Any = None,
        pruner: Any = None,
        directions: Sequence[str] = ("maximize",),
        *,
        heartbeat: int = 60,
    ) -> None:
        optuna = import_optuna()
        self.name, self._address, self._heartbeat = name, check_address(address), heartbeat
        self.poll = heartbeat / 2
        self._key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
        with self._alone(), warnings.catch_warnings():  # two that begin at once make one study
            warnings.simplefilter("ignore")  # that heartbeats are experimental
            self._again = optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=1)
            storage = optuna.storages.RDBStorage(
                self._address.replace("postgresql://", "postgresql+psycopg://", 1),
                engine_kwargs={"pool_pre_ping": True, "connect_args": {"connect_timeout": _CONNECT_SECONDS}},
                heartbeat_interval=heartbeat,
                heartbeat_stale_trial_callback=self._again,
            )
            self.study = optuna.create_study(
                storage=storage,
                study_name=name,
                directions=list(directions),
                load_if_exists=True,
                sampler=sampler,
                pruner=pruner,
            )
        self._storage = storage

    def agree(self, settings: dict[str, Any], *, go_on: bool) -> None:
        """Keep what the search is about, or make sure that this worker's is the same. Raises RunError."""
        given = json.loads(json.dumps(settings))
        where = f"{shown_address(self._address)} holds a search {self.name!r}"
        with self._alone():
            before = self.study.user_attrs.get(_SETTINGS)
            if before is None:
                self.study.set_user_attr(_SETTINGS, given)
                return
        if not go_on:
            raise RunError(f"{where} already; work on it with --resume, or choose another name")
        other = first_difference(before, given)
        if other is not None:
            raise RunError(f"{where} with other {other}; give those, or another name")

    def close(self) -> None:
        """End the connections; whoever uses the search again has new ones."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        import psycopg

        with contextlib.ExitStack() as connection:
            try:
                held = connection.enter_context(
                    psycopg.connect(
                        self._address, connect_timeout=_CONNECT_SECONDS, options=_KEEPALIVE, autocommit=True
                    )
                )
                held.execute("select pg_advisory_lock(%s)", (self._key,))
            except psycopg.Error as error:
                reason = (str(error).strip() or type(error).__name__).splitlines()[0]
                raise RunError(
                    f"{shown_address(self._address)} does not answer: {reason}; start PostgreSQL there, or "
                    "leave --storage out"
                ) from None
            with self._one_line():
                yield

    def _ask(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that nobody would send heartbeats, which `_holding` does
            return super()._ask()

    @contextlib.contextmanager
    def _holding(self, trial: Any) -> Iterator[None]:
        number = trial._trial_id  # the only name by which heartbeats are known
        self._storage.record_heartbeat(number)
        trial.set_user_attr(_HELD, trial.number)
        ended = threading.Event()
        beating = threading.Thread(target=self._beat, args=(number, ended), daemon=True)
        beating.start()
        try:
            with self._one_line():
                yield
        except KeyboardInterrupt:
            self._fail(trial.number)  # at once, where others would wait for its heartbeat
            raise
        finally:
            ended.set()
            beating.join()

    def _beat(self, number: int, ended: threading.Event) -> None:
        from sqlalchemy.exc import SQLAlchemyError

        failures = (SQLAlchemyError, import_optuna().exceptions.StorageInternalError)
        while not ended.wait(self._heartbeat):
            with contextlib.suppress(*failures):  # the next one may arrive
                self._storage.record_heartbeat(number)
        self._storage.remove_session()  # each thread has its own

    def _reap(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that this is experimental
            import_optuna().storages.fail_stale_trials(self.study)
        for each in self.under_way():
            if each.user_attrs.get(_HELD) != each.number:  # killed before its first heartbeat
                self._fail(each.number)

    def _fail(self, number: int) -> None:
        try:
            told = self.study.tell(number, state=import_optuna().trial.TrialState.FAIL)
        except ValueError:  # another worker has failed it before, and has queued it again
            return
        self._again(self.study, told)

    def _one_line(self) -> AbstractContextManager[None]:
        return _storage_errors(self._address)


@contextlib.contextmanager
def _storage_errors(address: str) -> Iterator[None]:
    """What the database says in many lines, in one."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, import_optuna().exceptions.StorageInternalError) as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise RunError(
            f"{shown_address(address)} failed: {reason}; start it again and go on with --resume"
        ) from None
