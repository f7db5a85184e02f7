"""One site's PostgreSQL server: made, started, stopped, killed and started again on the data it had."""

import asyncio
import os
import secrets
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from lab.accounts import Account
from lab.addresses import LOCAL
from lab.binaries import PostgresBinaries
from lab.errors import LabError
from lab.processes import Supervised, launch
from lab.workspace import Workspace

SUPERUSER = "postgres"

SETTINGS: Mapping[str, str] = {
    "wal_level": "logical",
    "listen_addresses": f"'{LOCAL}'",
    "unix_socket_directories": "''",
    "max_connections": "150",
    "max_wal_senders": "30",
    "max_replication_slots": "30",
    "max_worker_processes": "30",
    "max_logical_replication_workers": "16",
    "max_sync_workers_per_subscription": "4",
    "wal_retrieve_retry_interval": "5s",  # as on Azure, where it cannot be lowered
    "wal_sender_timeout": "5s",
    "wal_receiver_timeout": "5s",
    "shared_buffers": "64MB",
    "track_commit_timestamp": "on",
    "password_encryption": "scram-sha-256",
    "fsync": "on",
    "synchronous_commit": "on",
    "jit": "off",
    "dynamic_shared_memory_type": "mmap",  # inside the data directory: posix leaves /dev/shm files behind a SIGKILL
    "log_line_prefix": "'%m [%p] %q%a/%d '",
    "log_min_messages": "warning",
    # Whoever reads a server's log is not who may read its rows: no row that an error is about, no statement, no value.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "max_wal_size": "512MB",
}
"""What every server of the lab runs with. Nothing that a managed PostgreSQL would not let one set to the same effect."""

INITIALISED = timedelta(seconds=60)
"""For initdb, which takes two seconds on an idle machine."""

CLEAN: Mapping[str, str] = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
"""Environment of every server: a PGDATA or PGPASSWORD of the person at the laptop must not reach it."""


@dataclass(slots=True, kw_only=True)
class PostgresServer:
    """One server. Its data live until the workspace ends; SIGKILL and a new start lose nothing that was committed."""

    site: str
    port: int
    data: Path
    binaries: PostgresBinaries
    workspace: Workspace
    superuser_password: str = field(repr=False)
    process: Supervised | None = None

    @property
    def running(self) -> bool:
        """Has it been started and not ended (frozen counts as running)?"""
        return self.process is not None and self.process.alive

    def dsn(self, database: str = "postgres", user: str = SUPERUSER, password: str | None = None, port: int | None = None) -> str:
        """libpq connection string; `port` is that of a link when the connection comes from another site."""
        secret = self.superuser_password if password is None else password
        return f"host={LOCAL} port={port or self.port} dbname={database} user={user} password={secret}"

    async def start(self, deadline: timedelta = timedelta(seconds=30)) -> None:
        """Start and return once it takes connections. Raises LabError with the log's tail when it does not by the deadline."""
        if self.running:
            return
        self._forget_dead_postmaster()
        self.process = launch(
            self.workspace,
            f"postgres-{self.site}",
            [self.binaries.directory / "postgres", "-D", self.data],
            environment=CLEAN,
            account=self.binaries.account,
        )
        until = time.monotonic() + deadline.total_seconds()
        while not self._ready():
            if not self.process.alive or time.monotonic() > until:
                state = "did not come up" if self.process.alive else f"ended with status {self.process.exit_status}"
                tail = self.process.tail()
                self.process.kill()
                raise LabError(f"PostgreSQL of {self.site} {state} (port {self.port}):\n{tail}")
            await asyncio.sleep(0.01)

    async def stop(self, deadline: timedelta = timedelta(seconds=10)) -> None:
        """Fast shutdown (SIGINT: sessions end, a checkpoint is written); killed when it takes longer, which loses nothing."""
        if self.process is not None:
            await self.process.stop(deadline, signal.SIGINT)

    def freeze(self) -> None:
        """Stop the postmaster and every child where they stand."""
        if self.process is not None:
            self.process.freeze()

    def thaw(self) -> None:
        """Let them go on."""
        if self.process is not None:
            self.process.thaw()

    def kill(self) -> None:
        """SIGKILL to the whole tree. Cut the site's links before."""
        if self.process is not None:
            self.process.kill()

    def _ready(self) -> bool:
        """What pg_ctl looks at: the pid file is ours and says `ready` (line 8 of postmaster.pid, miscadmin.h)."""
        with suppress(OSError, IndexError, ValueError):
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return self.process is not None and int(lines[0]) == self.process.pid and lines[7].strip() == "ready"
        return False

    def _forget_dead_postmaster(self) -> None:
        """Remove the pid file of a server that we know is dead.

        The killed server's pid is given to a backend of another site; PostgreSQL finds it alive, believes the data directory
        is in use, and the healed site never comes back.
        """
        (self.data / "postmaster.pid").unlink(missing_ok=True)


async def create_server(
    workspace: Workspace,
    site: str,
    binaries: PostgresBinaries,
    *,
    port: int | None = None,
    settings: Mapping[str, str] | None = None,
) -> PostgresServer:
    """Initialise a new server, not yet started. Every server has its own system identifier; only scram logins are let in.

    `settings` replace entries of SETTINGS, values as in postgresql.conf. Raises LabError with initdb's own words.
    """
    place = workspace.directory("postgres", site)
    server = PostgresServer(
        site=site,
        port=workspace.port() if port is None else port,
        data=place / "data",
        binaries=binaries,
        workspace=workspace,
        superuser_password=secrets.token_urlsafe(18),
    )
    if binaries.account is not None:
        _require_walkable(place)
        os.chown(place, binaries.account.uid, binaries.account.gid)
    await _initialise(server, place / "password")
    lines = {**SETTINGS, "port": str(server.port), **(settings or {})}
    text = "".join(f"{name} = {value}\n" for name, value in lines.items())
    with (server.data / "postgresql.conf").open("a") as conf:
        conf.write(f"\n# the lab's own\n{text}")
    return server


async def _initialise(server: PostgresServer, password_file: Path) -> None:
    """Run initdb, registered like every process of the lab: one that outlived a lab that was ended while it started would write its
    files into the directory that is being removed."""
    # --no-sync: what initdb writes is worth nothing before the first start; the running server syncs.
    command: list[str | Path] = [
        server.binaries.directory / "initdb", "-D", server.data, "-U", SUPERUSER, "--auth=scram-sha-256",
        f"--pwfile={password_file}", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions",
    ]  # fmt: skip
    with _kept(password_file, server.superuser_password, server.binaries.account):
        process = launch(server.workspace, f"initdb-{server.site}", command, environment=CLEAN, account=server.binaries.account)
        status = await process.await_exit(INITIALISED)
    if status is None:
        process.kill()
        limit = INITIALISED.total_seconds()
        raise LabError(f"initdb for {server.site} did not finish within {limit:.0f} s: is the disk full or very slow?")
    if status != 0:
        shutil.rmtree(server.data, ignore_errors=True)
        raise LabError(f"initdb for {server.site} failed: {process.tail()[-500:]}")


@contextmanager
def _kept(path: Path, password: str, account: Account | None) -> Iterator[None]:
    """A file with the password that only the account can read, for the length of the block."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(file, "w") as opened:
            opened.write(password + "\n")
        if account is not None:
            os.chown(path, account.uid, account.gid)
        yield
    finally:
        path.unlink(missing_ok=True)


def _require_walkable(place: Path) -> None:
    """The dropped account must reach its data. Raises LabError naming the directory in the way."""
    for parent in place.parents:
        if not parent.stat().st_mode & 0o001:
            raise LabError(
                f"{parent} is closed to the account PostgreSQL runs as: set TMPDIR to a place that everybody can reach"
            )
