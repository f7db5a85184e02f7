"""Places where signed heads are kept: nodes in memory and on real PostgreSQL 18, etcd in memory and a real member."""

from collections.abc import AsyncIterator
from itertools import count

import pytest

from controller.coordination.etcd import Etcd
from controller.coordination.heads import EtcdHeads
from controller.coordination.store import Store
from controller.coordination.transaction import KeyValue, Put, Txn
from controller.core.model import Site
from controller.core.naming import key
from controller.errors import TrimaranError
from controller.ports_audit import HeadCopy, HeadName
from controller.providers.memory.coordination import MemoryEtcd, MemoryLink
from tests.contract.conftest import SteadyClock
from tests.contract.database_worlds import DatabaseWorld, Postgres
from tests.contract.test_coordination import first_posture
from tests.protocol.trio import AWS, AZURE, GCP

NUMBERS = count(1)

pytest_plugins = ("tests.contract.database_fixtures",)
pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(60)]


def name(sequence: int, controller: str = "aws", digest: str = "d") -> HeadName:
    """A head's name."""
    return HeadName(sequence=sequence, controller=controller, digest=digest)


def copy_at(three: DatabaseWorld, site: Site) -> HeadCopy:
    """A node as a place for heads."""
    return three.databases[site]  # type: ignore[return-value]


async def test_heads_are_kept_by_name_and_read_in_order(three: DatabaseWorld) -> None:
    """What stands under a name stays; two digests of one number by one controller both stay; nobody else has them, and the node is as it
    was."""
    copy, before = copy_at(three, AWS), await three.facts(AWS)
    assert await copy.kept_heads() == {}
    given = {name(2): "two", name(11): "eleven", name(2, "gcp"): "of gcp", name(2, "aws", "e"): "of a fork"}
    for _ in range(2):
        await copy.keep_heads(given)
    await copy.keep_heads({name(2): "another", name(1, "azure"): "one"})
    wanted = [(name(1, "azure"), "one"), (name(2), "two"), (name(2, "aws", "e"), "of a fork"), (name(2, "gcp"), "of gcp")]
    assert list((await copy.kept_heads()).items()) == [*wanted, (name(11), "eleven")]
    assert list((await copy.kept_heads(name(1, "azure"), 2)).items()) == wanted[1:3]
    after = await three.facts(AWS)
    assert (after.role, after.epoch, after.token, after.schema) == (before.role, before.epoch, before.token, before.schema)
    assert await copy_at(three, GCP).kept_heads() == {}


async def test_a_node_without_the_table_keeps_no_heads_and_is_failed_over_all_the_same(three: DatabaseWorld) -> None:
    """It was founded before there were heads. Keeping fails by name; cut, attach and open go on as ever, though its schema is another."""
    if isinstance(three, Postgres):
        for site in (AWS, AZURE):
            await three.trio.sql(site, "DROP TABLE trimaran.head")
        with pytest.raises(TrimaranError, match=r"trimaran\.head"):
            await copy_at(three, AWS).keep_heads({name(1): "one"})
        with pytest.raises(TrimaranError, match=r"trimaran\.head"):
            await copy_at(three, AWS).kept_heads()
    assert await three.pay(AZURE, "a")
    await three.level(AZURE, AWS, GCP)
    await three.fail_over()
    assert await three.pay(AWS, "b") and {"a", "b"} <= await three.keys(AWS)


# ------------------------------------------------------------------------------------------------ etcd


@pytest.fixture(params=["memory", "etcd"])
async def kv(request: pytest.FixtureRequest) -> AsyncIterator[KeyValue]:
    """etcd in memory, and a real member."""
    if request.param == "memory":
        yield MemoryLink(MemoryEtcd(clock=SteadyClock()))
        return
    etcd = Etcd(request.getfixturevalue("etcd_member").urls)
    yield etcd
    await etcd.close()


async def test_heads_in_etcd_are_read_in_order_and_replaced_by_name(kv: KeyValue) -> None:
    """Whatever else lies there hides none; receipts lie beside them; and a tick's own span has none of it."""
    board, service = EtcdHeads(kv), f"board{next(NUMBERS)}"
    assert await board.heads(service) == {} and await board.receipts(service) == {}
    await Store(kv, controller="aws", clock=SteadyClock()).found(first_posture(service))
    for stranger in range(5):
        await kv.transact(Txn(writes=(Put(key=key(service, f"heads/0{stranger}"), value="?"),)))
    given = {name(2): "two", name(11): "eleven", name(2, "gcp"): "of gcp", name(2, "aws", "e"): "of a fork"}
    for one, text in given.items():
        await board.post_head(service, one, text)
    await board.post_head(service, name(11), "eleven, signed again")
    wanted = [
        (name(2), "two"),
        (name(2, "aws", "e"), "of a fork"),
        (name(2, "gcp"), "of gcp"),
        (name(11), "eleven, signed again"),
    ]
    assert list((await board.heads(service)).items()) == wanted
    assert list((await board.heads(service, name(2), 2)).items()) == wanted[1:3]
    await board.post_receipt(service, name(2), "file-1", "noted")
    await board.post_receipt(service, name(11), "file-1", "noted again")
    receipts = await board.receipts(service)
    assert list(receipts.values()) == ["noted", "noted again"]
    assert list((await board.receipts(service, next(iter(receipts)))).values()) == ["noted again"]
    store = Store(kv, controller="aws", clock=SteadyClock())
    control = await store.read(service)
    assert control is not None and not [one for one in control.revisions if "head" in one and not one.endswith("journal_head")]
    assert [one.sequence for one in await store.journal(service)] == [1]
