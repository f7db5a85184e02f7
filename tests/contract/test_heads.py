"""Places where signed heads are kept: nodes in memory and on real PostgreSQL 18."""

import pytest

from controller.core.model import Site
from controller.errors import TrimaranError
from controller.ports_audit import HeadCopy, HeadName
from tests.contract.database_worlds import DatabaseWorld, Postgres
from tests.protocol.trio import AWS, AZURE, GCP

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
