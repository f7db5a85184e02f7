"""Spare subscriptions: made in peace, so that attaching a sibling dials nobody while payments wait."""

from dataclasses import replace

import pytest

from controller.core import naming
from controller.core.model import Epoch, Site
from controller.core.plans import PlanKind
from controller.errors import TrimaranError
from controller.postgres import promote, slots
from controller.postgres.node import Node
from tests.protocol.trio import AWS, AZURE, GCP, SITES, Trio

STREAM = "SELECT subslotname, subenabled FROM pg_subscription WHERE subname = %s"


def behind_a_wall(trio: Trio, site: Site, publisher: Site) -> Node:
    """The site's node, whose server cannot reach the publisher."""
    return replace(trio.nodes[site], publishers={publisher: replace(trio.nodes[site].publishers[publisher], port=1)})


async def test_attaching_with_a_spare_dials_nobody(trio: Trio) -> None:
    """With its spare the sibling follows at once, even while the publisher cannot be dialled; without it the very same step fails."""
    control = await trio.claim(PlanKind.FAILOVER, AZURE)
    assert control.ownership is not None
    node, token = behind_a_wall(trio, AWS, GCP), control.ownership.token
    stream = naming.stream(trio.service, Epoch(2), GCP, AWS)
    await promote.follow(node, token=token, epoch=Epoch(2), publisher=GCP)
    assert await trio.sql(AWS, STREAM, stream) == [(stream, True)]
    assert await trio.sql(AWS, "SELECT FROM trimaran.spares() WHERE publisher = 'gcp'") == []
    await trio.sql(AWS, "SELECT trimaran.drop_subscriptions(NULL)")
    with pytest.raises(TrimaranError):
        await promote.follow(node, token=token, epoch=Epoch(2), publisher=GCP)


async def test_a_spare_that_misses_a_table_is_not_used(trio: Trio) -> None:
    """A table was published after the spare was made. Attached with it, the sibling would skip the table's rows for ever, and every
    health check would be green; so it dials, and the rows arrive."""
    for site in SITES:
        await trio.sql(site, "CREATE TABLE ledger.refund (id bigint PRIMARY KEY)")
        await trio.sql(site, f"GRANT SELECT ON ledger.refund TO {naming.stream_role(trio.service)}")
        await trio.sql(site, f"ALTER PUBLICATION {naming.publication(trio.service)} ADD TABLE ledger.refund")
    for site in (AWS, GCP):
        assert {complete for (complete,) in await trio.sql(site, "SELECT complete FROM trimaran.spares()")} == {False}
    trio.lose(AZURE)
    await trio.carry(PlanKind.FAILOVER, AZURE)
    winner = await trio.writer()
    await trio.sql(winner, "INSERT INTO ledger.refund VALUES (1)")
    assert await trio.pay(winner)
    assert await trio.sql(GCP if winner == AWS else AWS, "SELECT id FROM ledger.refund") == [(1,)]


async def test_spares_are_made_anew_in_each_reign(trio: Trio) -> None:
    """The caretaker's round replaces what is old or incomplete, and a second round changes nothing."""
    await trio.carry(PlanKind.SWITCHOVER, AWS)
    for site in SITES:
        others = frozenset(SITES) - {site, AWS}
        await slots.keep_spares(trio.nodes[site], Epoch(2), others)
        assert await slots.keep_spares(trio.nodes[site], Epoch(2), others) == ()
        assert sorted(await trio.sql(site, "SELECT name, complete FROM trimaran.spares()")) == [
            (naming.spare_stream(trio.service, Epoch(2), other, site), True) for other in sorted(others)
        ]
    await trio.carry(PlanKind.SWITCHOVER, GCP)
    assert not await trio.left_behind()
    assert await trio.pay()
    await trio.await_equal()


async def test_a_subscription_of_somebody_else_is_left_alone(trio: Trio) -> None:
    """An analyst's own subscription in the same database is no stream of ours: a failover neither counts nor drops it."""
    for site in SITES:
        await trio.sql(
            site,
            f"CREATE SUBSCRIPTION {trio.service}_analytics_{site} CONNECTION 'host=127.0.0.1 user=x password=y' "
            f"PUBLICATION nothing WITH (connect = false, slot_name = NONE)",
        )
    trio.lose(AZURE)
    await trio.carry(PlanKind.FAILOVER, AZURE)
    for site in (AWS, GCP):
        foreign = f"{trio.service}_analytics_{site}"
        assert await trio.sql(site, "SELECT subenabled FROM pg_subscription WHERE subname = %s", foreign) == [(False,)]
        await trio.sql(site, f"DROP SUBSCRIPTION {foreign}")
    assert await trio.pay()
    await trio.start(AZURE)
    await trio.sql(AZURE, f"DROP SUBSCRIPTION {trio.service}_analytics_{AZURE}")
