"""Notaries on a stage, and what is done to the journal behind their backs."""

from datetime import timedelta

from controller.audit.keys import PublicKey, ring
from controller.audit.notary import Notary
from controller.coordination.codec import decode, encode
from controller.coordination.heads import EtcdHeads
from controller.coordination.layout import Keys
from controller.coordination.transaction import Put, Txn
from controller.core.heads import Rhythm, SignedHead
from controller.core.model import JournalEntry, Site
from controller.ports import Draft
from controller.providers.memory.anchor import MemoryAnchor
from controller.providers.memory.database import MemoryDatabase
from tests.unit.audit.ground import KEYS, SIGNERS
from tests.unit.stage import AWS, SERVICE, AllSeeing, Stage

RHYTHM = Rhythm(entries=20, every=timedelta(minutes=10))


def board(stage: Stage) -> EtcdHeads:
    """Heads in etcd."""
    return EtcdHeads(AllSeeing(stage.etcd))


def copy_of(stage: Stage, site: Site = AWS) -> MemoryDatabase:
    """A site's node."""
    return MemoryDatabase(stage.world, site, stage.clock)


def notary(stage: Stage, site: Site = AWS, *anchors: MemoryAnchor, keys: tuple[PublicKey, ...] = KEYS) -> Notary:
    """That of a site's controller, as it starts."""
    return Notary(
        service=SERVICE,
        signer=SIGNERS[site],
        ring=ring(keys),
        coordination=stage.reader,
        board=board(stage),
        copy=copy_of(stage, site),
        clock=stage.clock,
        rhythm=RHYTHM,
        anchors=anchors,
    )


async def journaled(stage: Stage, count: int, kind: str = "said") -> None:
    """So many entries more."""
    for _ in range(count):
        await stage.reader.commit(await stage.control(), journal=[Draft(kind=kind, body={})])


def rewrite(stage: Stage, entries: list[JournalEntry]) -> None:
    """Somebody who holds etcd puts these in place of what is there."""
    for entry in entries:
        stage.etcd.transact(Txn(writes=(Put(key=Keys(SERVICE).entry(entry.sequence), value=encode(entry)),)))


async def heads(stage: Stage, site: Site | None = None) -> list[SignedHead]:
    """In etcd, or in a site's node."""
    found = await (copy_of(stage, site).kept_heads() if site else board(stage).heads(SERVICE))
    return [decode(SignedHead, text, key="a head") for text in found.values()]


async def end(stage: Stage) -> int:
    """Number of the journal's last entry."""
    return (await stage.reader.journal(SERVICE))[-1].sequence
