"""Opens every wrap that the vaults hold, each by the emulated cloud that made it: a row that is there opens nothing by being there.

By the vault's own adapters, from the lab's own place: past the links and past the vault. Whatever is opened is compared with the data key's
check and let go.
"""

import asyncio
import hashlib
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg

from lab.cabling import Cabling, Door
from lab.reconcile_sql import in_one_snapshot
from lab.reconcile_vault_rows import WrapId
from lab.vault_settings import key_services_lines
from lab.vendors import AZUREDNS, CLOUDDNS, ROUTE53
from workload.vault import sealing
from workload.vault.errors import Wrap
from workload.vault.key_services import open_services
from workload.vault.key_settings import KeyServices
from workload.vault.model import LockedKey
from workload.vault.wrapping import Wrapped, Wrapper

PATIENCE = timedelta(seconds=5)
AT_ONCE = 4

WRAPS = """
SELECT k.id, k.subject, k.key_check, w.cloud, w.kek, w.ciphertext
FROM vault.wrap AS w JOIN vault.data_key AS k ON k.id = w.data_key"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One wrap, and the data key that it has to open."""

    locked: LockedKey
    wrap: Wrapped

    @property
    def id(self) -> WrapId:
        """As reconciliation names it."""
        return str(self.locked.id), self.wrap.cloud, hashlib.sha256(self.wrap.ciphertext).hexdigest()


async def read_wraps(conninfo: str, deadline: timedelta) -> tuple[Held, ...]:
    """Every wrap of one database. Raises as `in_one_snapshot` does."""
    return await in_one_snapshot(conninfo, deadline, _wraps)


async def _wraps(connection: psycopg.AsyncConnection) -> tuple[Held, ...]:
    found = []
    for id, subject, check, cloud, kek, ciphertext in await (await connection.execute(WRAPS)).fetchall():
        wrap = Wrapped(cloud=cloud, kek=kek, ciphertext=bytes(ciphertext))
        found.append(Held(locked=LockedKey(id=id, subject=subject, check=bytes(check), wraps=(wrap,)), wrap=wrap))
    return tuple(found)


async def open_wraps(wraps: Iterable[Held], wrappers: Collection[Wrapper]) -> Mapping[WrapId, str]:
    """What came of each: empty when its cloud opened it to its data key, else why it did not."""
    by_cloud, turns = {wrapper.cloud: wrapper for wrapper in wrappers}, asyncio.Semaphore(AT_ONCE)

    async def open_one(held: Held) -> str:
        async with turns:
            try:
                material = await by_cloud[held.wrap.cloud].unwrap(held.wrap, held.locked.context, PATIENCE)
            except KeyError:
                return f"there is no cloud {held.wrap.cloud}"
            except Wrap as failure:
                return str(failure)
        is_key = sealing.is_key(material, held.locked.id, held.locked.check)
        return "" if is_key else f"{held.wrap.cloud} opened it, and what came out is not the data key"

    asked = {held.id: held for held in wraps}
    told = await asyncio.gather(*map(open_one, asked.values()))
    return dict(zip(asked, told, strict=True))


def lab_wrappers(cabling: Cabling, authority_file: Path) -> tuple[Wrapper, ...]:
    """The three emulated key services, asked directly."""
    ports = {place: cabling.direct(place, Door.API) for place in (ROUTE53, AZUREDNS, CLOUDDNS)}
    told = tomllib.loads("\n".join(key_services_lines(ports, authority_file)))
    return open_services(KeyServices.model_validate(told["key_services"]))
