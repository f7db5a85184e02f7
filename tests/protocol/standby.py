"""A site's own in-cloud standby that lags: a managed service fails over to it, and the log of that server goes back without a word.

The copy is a real one (a base backup by hand, slots included, as a vendor's own mechanism carries them) and is promoted as a standby is.
"""

import asyncio
import os
import re
import shutil
import subprocess
from pathlib import Path

import psycopg

from controller.core.model import Site
from lab.postgres import PostgresServer
from tests.protocol.trio import Trio

LEFT_OUT = frozenset({"pg_wal", "postmaster.pid", "postmaster.opts"})


def standby_of(trio: Trio, site: Site) -> Path:
    """A standby as of now. It receives nothing more: that is its lag."""
    server = trio.servers[site]
    copy = server.data.parent / "standby"
    shutil.rmtree(copy, ignore_errors=True)
    (copy / "pg_wal").mkdir(parents=True)
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("SELECT pg_backup_start('standby', true)")
        # What vanishes while it is copied belongs to a session that ended; recovery does not miss it.
        for entry in server.data.iterdir():
            if entry.name not in LEFT_OUT:
                subprocess.run(["cp", "-a", entry, copy], check=False, stderr=subprocess.DEVNULL)
        kept = admin.execute("SELECT pg_walfile_name(min(restart_lsn)) FROM pg_replication_slots").fetchone()
        stopped = admin.execute("SELECT labelfile FROM pg_backup_stop(false)").fetchone()
    assert stopped is not None
    begins = re.search(r"START WAL LOCATION: \S+ \(file (\w{24})\)", stopped[0])
    assert begins is not None, stopped[0]
    first = min(begins[1], (kept and kept[0]) or begins[1])
    for segment in (server.data / "pg_wal").iterdir():
        if re.fullmatch(r"\w{24}", segment.name) and segment.name >= first:
            subprocess.run(["cp", "-a", segment, copy / "pg_wal"], check=True)
    (copy / "backup_label").write_text(stopped[0])
    copy.chmod(0o700)
    for place in (copy, copy / "pg_wal", copy / "backup_label"):
        _hand_over(server, place)
    return copy


async def fail_over_to(trio: Trio, site: Site, standby: Path) -> None:
    """The server dies, and what answers at its address from now on is its standby, promoted."""
    server = trio.servers[site]
    for database in trio.databases.values():
        await database.close()
    server.kill()
    _take_its_place(server, standby)
    await server.start()
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        assert admin.execute("SELECT pg_promote()").fetchone() == (True,)
        while admin.execute("SELECT pg_is_in_recovery()").fetchone() == (True,):
            await asyncio.sleep(0.01)


def _take_its_place(server: PostgresServer, standby: Path) -> None:
    shutil.rmtree(server.data)
    standby.rename(server.data)
    (server.data / "standby.signal").touch()
    _hand_over(server, server.data / "standby.signal")


def _hand_over(server: PostgresServer, place: Path) -> None:
    """To the account that the server runs as."""
    if server.binaries.account is not None:
        os.chown(place, server.binaries.account.uid, server.binaries.account.gid)
