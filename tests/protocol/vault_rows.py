"""Rows of the vault as the service writes them, with made-up keys and ciphertext."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

from tests.protocol.vault_site import AZURE, Sites, order
from workload.durable.session import Connection
from workload.vault import sealing, store
from workload.vault.model import LockedKey, Outcome, Sealed
from workload.vault.numbers import Kind
from workload.vault.sealing import Binding
from workload.vault.wrapping import Wrapped

SOON = timedelta(seconds=10)
MATERIAL = bytes(range(32))


def locked(subject: UUID | None = None, clouds: tuple[str, ...] = ("aws", "azure", "gcp")) -> LockedKey:
    """A data key with made-up wraps."""
    id = uuid4()
    wraps = tuple(Wrapped(cloud=cloud, kek=f"{cloud}/1", ciphertext=uuid4().bytes) for cloud in clouds)
    return LockedKey(id=id, subject=subject or uuid4(), check=sealing.check(MATERIAL, id), wraps=wraps)


async def founded(session: Connection, **given: object) -> LockedKey:
    """A data key in the database."""
    key = locked(**given)  # type: ignore[arg-type]
    is_founded, evidence = await store.found_key(session, AZURE, key, SOON)
    assert is_founded and evidence.row == key.id
    return key


async def tokenized(
    session: Connection, key: LockedKey, *, idempotency: UUID | None = None, digest: bytes = b"digest", caller: str = "shop"
) -> tuple[Outcome, UUID | None]:
    """One call as the service makes it."""
    binding = Binding(token=uuid4(), kind=Kind.CARD, subject=key.subject, data_key=key.id)
    sealed = Sealed(binding=binding, number=b"sealed number", hint=b"sealed hint", digest=digest)
    wanted, access = replace(order(key.subject, key=idempotency), caller=caller), uuid4()
    answer, evidence = await store.tokenize(session, AZURE, wanted, sealed, access, SOON)
    told = answer.outcome in (Outcome.CREATED, Outcome.REPLAYED, Outcome.KEY_REUSED)
    assert evidence.row == (access if told else None), "an answer rests on the row that says who had it"
    return answer.outcome, answer.token.id if answer.token else None


async def kept(session: Connection, key: LockedKey) -> UUID:
    """A token of this key."""
    outcome, token = await tokenized(session, key)
    assert outcome is Outcome.CREATED and token
    return token


async def waiting(sites: Sites, function: str) -> None:
    """Return once a call of this function waits for a lock."""
    query = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ %s"
    for _ in range(500):
        if await sites.ask(AZURE, query, f"FROM vault.{function}", role="postgres"):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{function} did not wait")
