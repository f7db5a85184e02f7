"""Chores beside the plans: spare slots stay short and exact, authorities are brought up to date, and no plan is disturbed."""

from controller.core.model import Lsn, Site
from controller.providers.memory.server import RECORD, LogicalSlot
from tests.unit.crew import Crew, crew
from tests.unit.stage import AWS, AZURE, GCP, GROUP, SITES


def spare(given: Crew, holder: Site, sibling: Site, epoch: int = 1) -> LogicalSlot | None:
    """A spare slot as it is."""
    return given.stage.world.servers[holder].slots.get(f"payments_spare_e{epoch}_{holder}_{sibling}")


def told(given: Crew, event: str) -> list[object]:
    """What was logged under this name."""
    return [entry for entry in given.logs if isinstance(entry, dict) and entry["event"] == event]


async def test_spare_slots_stay_short_under_load() -> None:
    """A failover has to read them: a few seconds of payments, however long the load lasts."""
    async with crew() as given:
        await given.live(30)
        for holder, sibling in ((AWS, GCP), (GCP, AWS)):
            slot = spare(given, holder, sibling)
            assert slot is not None
            held = given.stage.world.servers[holder].flushed - slot.confirmed
            assert 0 < held < 60 * RECORD, "twenty payments a second, tended once a second"


async def test_a_short_spare_slot_still_proves_a_lagging_sibling() -> None:
    """gcp falls behind; its position stays in aws's spare slot, and it is re-parented without a copy."""
    async with crew() as given:
        await given.live(5)
        given.stage.world.held.add(GCP)
        await given.live(5)
        await given.crash(AZURE)
        given.stage.world.held.clear()
        await given.live(8)
        assert (await given.stage.control()).posture.must_cut == {GCP}
        assert await given.stage.left_behind() == []
        assert await given.stage.promises() == ()


async def test_slots_of_a_closed_reign_are_dropped_and_new_spare_slots_made() -> None:
    """After a switchover every node has what the new reign needs, and nothing of the old one."""
    async with crew() as given:
        await given.ask("switchover", to="aws")
        await given.live(6)
        for holder, sibling in ((AZURE, GCP), (GCP, AZURE)):
            assert spare(given, holder, sibling, epoch=2) is not None
        names = {name for server in given.stage.world.servers.values() for name in server.slots}
        assert not {name for name in names if "_e1_" in name}


async def test_nothing_is_tended_before_the_reign_is_settled() -> None:
    """Until a follower holds the marker, slots of the old reign are what attaches the others."""
    async with crew() as given:
        given.stage.world.held.add(GCP)
        await given.crash(AZURE)
        await given.live(8)
        control = await given.stage.control()
        assert control.posture.writer == AWS
        assert not control.posture.settled
        assert spare(given, AWS, GCP) is not None
        given.stage.world.held.clear()
        await given.live(10)
        assert (await given.stage.control()).posture.settled
        assert spare(given, AWS, GCP) is None


async def test_nothing_is_tended_beside_a_plan() -> None:
    """A plan may be reading those very slots."""
    async with crew() as given:
        given.hold("cut", AZURE)
        await given.ask("switchover", to="aws")
        await given.live(1)
        assert (await given.stage.control()).plan is not None
        slot = spare(given, AWS, GCP)
        assert slot is not None
        stood = slot.confirmed
        await given.live(5)
        assert slot.confirmed == stood
        given.hold("cut", AZURE, calls=0)
        await given.live(6)
        assert (await given.stage.control()).posture.writer == AWS


async def test_an_authority_that_was_out_of_reach_is_brought_up_to_date() -> None:
    """The failover did not wait for it; once it answers, it learns the weights, from one controller only."""
    async with crew() as given:
        given.stage.dns.zone.hanging = True
        await given.crash(AZURE)
        await given.live(8)
        assert (await given.stage.control()).posture.writer == AWS
        given.stage.dns.zone.hanging = False
        sent = given.stage.dns.zone.changes_sent
        await given.live(15)
        assert (await given.stage.dns.read())[GROUP][AZURE] == 0.0
        assert given.stage.dns.zone.changes_sent == sent + 1


async def test_what_somebody_changed_by_hand_is_put_right() -> None:
    """The posture says what the authority should answer."""
    async with crew() as given:
        given.stage.dns.set_by_hand(GROUP, {GCP: 0.0})
        await given.live(7)
        shares = (await given.stage.dns.read())[GROUP]
        assert {round(shares[site], 3) for site in SITES} == {0.333}
        assert told(given, "authority reconciled")


async def test_a_failing_chore_is_told_and_tried_again() -> None:
    """And the other chores go on."""
    async with crew() as given:
        given.stage.dns.zone.hanging = True
        await given.live(15)
        assert told(given, "chore")
        slot = spare(given, AWS, GCP)
        assert slot is not None
        assert given.stage.world.servers[AWS].flushed - slot.confirmed < 60 * RECORD
        given.stage.dns.set_by_hand(GROUP, {GCP: 0.0})
        given.stage.dns.zone.hanging = False
        await given.live(12)
        assert (await given.stage.dns.read())[GROUP][GCP] > 0


async def test_a_slot_that_holds_back_too_much_is_told_before_the_disk_is_full() -> None:
    """By its name and its bytes."""
    async with crew() as given:
        assert not told(given, "slot retention")
        server = given.stage.world.servers[AZURE]
        given.stage.world.held.add(GCP)
        server.flushed = Lsn(server.flushed + (1 << 30))
        await given.live(2)
        assert any("payments_e1_azure_gcp" in str(entry) for entry in told(given, "slot retention"))
