"""A PostgreSQL of the tests' own, where Debian's package (or another) is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def _program(name: str) -> Path | None:
    found = shutil.which(name)
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return Path(found) if found else (debian[-1] if debian else None)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """Address of an empty database on a server that lives as long as the tests; skipped where there is none."""
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    if initdb is None or pg_ctl is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    pytest.importorskip("psycopg", reason="psycopg is not installed (pip install 'convnets[postgresql]')")
    folder, as_user = Path(tempfile.mkdtemp(prefix="postgresql-")), []
    if os.geteuid() == 0:  # which the server refuses to run as
        try:
            user = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("PostgreSQL has no user postgres to run as, and root may not")
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]

    def call(*command: object) -> None:
        subprocess.run(
            [*as_user, *map(str, command)],
            check=True,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )

    port, data = _free_port(), folder / "data"
    call(initdb, "-D", data, "-U", "tests", "--auth=trust", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    call(pg_ctl, "start", "-w", "-D", data, "-l", folder / "log", "-o", options)
    try:
        yield f"postgresql://tests@127.0.0.1:{port}/postgres"
    finally:
        call(pg_ctl, "stop", "-m", "immediate", "-D", data)
        shutil.rmtree(folder, ignore_errors=True)
