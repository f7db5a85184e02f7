"""A node that stays away: what is kept for it on the survivors' disks, and for how long."""

from controller.core.model import Lsn, Site
from tests.unit.crew import Crew, crew
from tests.unit.stage import AWS, AZURE, GCP

WAITING = {AZURE: "payments_e1_azure_gcp", AWS: "payments_spare_e1_aws_gcp"}
LIMIT = 1 << 30


def held(given: Crew) -> set[Site]:
    """Survivors that still hold log back for gcp."""
    return {site for site, name in WAITING.items() if name in given.stage.world.servers[site].slots}


async def test_the_log_is_let_go_at_the_limit_once_nobody_counts_on_the_node() -> None:
    """gcp's cloud is down for nineteen hours. Its confirmation no longer counts; at the limit both survivors let go, and say so."""
    async with crew() as given:
        await given.crash(GCP)
        await given.live(15)
        assert GCP not in (await given.stage.control()).posture.must_cut
        assert held(given) == {AZURE, AWS}, "below the limit it comes back without a copy"
        for site in WAITING:
            server = given.stage.world.servers[site]
            server.flushed = Lsn(server.flushed + LIMIT)
        await given.live(3)
        assert held(given) == set()
        said = [str(entry) for entry in given.logs if isinstance(entry, dict) and entry["event"] == "spare slots"]
        for name in WAITING.values():
            assert any(f"dropped {name}: it held back more than {LIMIT} bytes" in one for one in said)


async def test_the_log_of_a_member_is_never_let_go() -> None:
    """gcp is slow, not gone: it counts, whatever the disk says; a person is told."""
    async with crew() as given:
        given.stage.world.held.add(GCP)
        await given.live(2)
        server = given.stage.world.servers[AZURE]
        server.flushed = Lsn(server.flushed + LIMIT)
        await given.live(3)
        assert GCP in (await given.stage.control()).posture.must_cut
        assert WAITING[AZURE] in server.slots
