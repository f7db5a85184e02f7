"""How things stand, asked of etcd and the databases themselves, past links, services and controllers."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from controller.clock import SystemClock
from controller.coordination.etcd import Etcd
from controller.coordination.store import Store
from controller.core import naming
from controller.core.model import JournalEntry, NodeFacts, Posture, Role
from controller.core.model import Site as SiteName
from controller.errors import TrimaranError
from controller.ports import Control
from controller.postgres.database import PostgresDatabase
from controller.postgres.node import Node
from controller.postgres.session import Address, Sessions
from lab.addresses import LOCAL
from lab.cabling import SITES, Cabling, Door
from lab.founding import Passwords

ASK = timedelta(seconds=1)


class Witness:
    """How one service stands. Reads only: it holds no session in etcd and changes nothing in a database."""

    def __init__(self, cabling: Cabling, passwords: Passwords) -> None:
        """`passwords`: of the service that is asked about."""
        self.service = passwords.service
        urls = [f"http://{LOCAL}:{cabling.direct(site, Door.ETCD)}" for site in SITES]
        self._etcd = Etcd(urls, call_deadline=timedelta(seconds=0.5), deadline=timedelta(seconds=2))
        self._store = Store(self._etcd, controller="lab", clock=SystemClock())
        self._databases = {site: PostgresDatabase(_node(site, cabling, passwords)) for site in SITES}

    async def control(self) -> Control | None:
        """What the controllers want and see; None before the service was founded or while etcd has no majority."""
        try:
            return await self._store.read(self.service)
        except TrimaranError:
            return None

    async def journal(self, after: int = 0) -> tuple[JournalEntry, ...]:
        """Every entry above a sequence, however many. Raises TrimaranError when etcd has no majority."""
        entries: list[JournalEntry] = []
        while page := await self._store.journal(self.service, after):
            entries += page
            after = page[-1].sequence
        return tuple(entries)

    async def facts(self) -> Mapping[str, NodeFacts]:
        """What every database that answers within a second says of itself."""

        async def ask(site: str) -> NodeFacts | None:
            try:
                return await self._databases[site].facts(ASK)
            except TrimaranError:
                return None

        answers = await asyncio.gather(*map(ask, SITES))
        return {site: facts for site, facts in zip(SITES, answers, strict=True) if facts is not None}

    async def unfinished(self, member: str | None = None) -> str:
        """What still keeps the service from being whole, in words; empty when nothing does.

        Whole: one writer of the reign that etcd names, every other site a seeded follower whose confirmations count, the reign
        settled, no plan under way. `member` asks about this site only.
        """
        control = await self.control()
        if control is None:
            return "etcd does not answer"
        facts = await self.facts()
        for site in SITES if member is None else (member,):
            if said := _absence(site, control.posture, facts):
                return said
        if control.plan is not None:
            return f"plan {control.plan.kind} is in phase {control.plan.phase}"
        return "" if control.posture.settled else "the reign is not settled"

    async def missing(self, site: str) -> str:
        """What keeps this one site from being the writer or a follower that counts; empty when nothing does. While etcd does not answer,
        by what the databases say of themselves."""
        control, facts = await self.control(), await self.facts()
        return absence_by_rows(self.service, site, facts) if control is None else _absence(site, control.posture, facts)

    async def close(self) -> None:
        """End every connection."""
        await self._etcd.close()
        await asyncio.gather(*(database.close() for database in self._databases.values()))


def _absence(site: str, posture: Posture, facts: Mapping[str, NodeFacts]) -> str:
    writer = facts.get(posture.writer)
    if writer is None or writer.role is not Role.WRITER or writer.epoch != posture.reign:
        return f"{posture.writer} is not yet the writer of epoch {posture.reign}"
    said = _not_following(posture.service, site, writer, facts)
    if not said and site not in (posture.writer, *posture.must_cut):
        return f"{site} does not count for acknowledgements yet"
    return said


def absence_by_rows(service: str, site: str, facts: Mapping[str, NodeFacts]) -> str:
    """The same without etcd.

    1. aws dies; gcp writes in epoch 3, azure counts, aws is back and not yet copied. 2. etcd loses its majority and the run ends. 3.
    Were every ledger taken for one that owes everything, what aws lacks of epoch 3 would be told as lost. A site that does not answer
    may write in a later epoch; then nobody counts there who answers, and nothing was acknowledged that these would have to hold.
    """
    reign = max((one.epoch for one in facts.values()), default=0)
    writers = [one for one in facts.values() if one.role is Role.WRITER and one.epoch == reign]
    if len(writers) != 1:
        return f"etcd does not answer, and {len(writers)} sites write in epoch {reign}"
    return _not_following(service, site, writers[0], facts)


def _not_following(service: str, site: str, writer: NodeFacts, facts: Mapping[str, NodeFacts]) -> str:
    """What keeps a site from being this writer, or from counting for it."""
    if site == writer.site:
        return ""
    node, stream = facts.get(site), naming.stream(service, writer.epoch, writer.site, SiteName(site))
    if node is None or node.role is not Role.FOLLOWER:
        return f"{site} is {node.role if node else 'silent'}, not yet a follower"
    if not any(one.name == stream and one.seeded and one.running for one in node.subscriptions):
        return f"{site} does not stream from {writer.site} yet"
    return "" if stream in writer.ack_slots else f"{site} does not count for acknowledgements yet"


def _node(site: str, cabling: Cabling, passwords: Passwords) -> Node:
    address = Address(
        host=LOCAL,
        port=cabling.direct(site, Door.DATABASE),
        database=naming.database(passwords.service),
        user=naming.control_role(passwords.service),
        password=passwords.control,
    )
    return Node(service=passwords.service, site=SiteName(site), sessions=Sessions(address, site=site), publishers={})
