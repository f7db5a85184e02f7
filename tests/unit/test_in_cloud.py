"""A site's own in-cloud failover in the worst moment: what its log says afterwards is not what it said before."""

from controller.core.model import Site
from controller.core.plans import PlanKind
from tests.unit.stage import AWS, AZURE, GCP, Stage, staged
from tests.unit.test_interleavings import Course, Event


async def _play(stage: Stage, *events: Event) -> None:
    course = Course(stage)
    for event in events:
        await course.happen(event)


async def _acknowledged_by(stage: Stage, member: Site) -> None:
    """One payment of the writer, which one member alone confirms."""
    stage.paying = stage.world.live = False
    before = len(stage.world.acknowledged)
    await _play(stage, ("pay", AZURE), ("apply", member, 9), ("poll", AZURE))
    assert len(stage.world.acknowledged) == before + 1


def _loses_it(stage: Stage, site: Site) -> None:
    """Its in-cloud failover loses the last transaction, and log of its own grows past where that stood."""
    stage.world.fail_over_in_cloud(site, lose_last=True)
    for _ in range(9):
        stage.world.servers[site].commit()


async def test_a_writer_that_lost_a_payment_lets_nobody_leave_the_set() -> None:
    """aws alone confirmed it and is being taken out; gcp confirms the position and not the payment. Found by the model, in 11 steps."""
    async with staged() as stage:
        await _acknowledged_by(stage, AWS)
        await _play(stage, ("claim", PlanKind.SHRINK, AWS), ("pass", 0.2))
        assert stage.world.servers[AZURE].ack_slots == ("payments_e1_azure_gcp",)
        _loses_it(stage, AZURE)
        await _play(stage, ("apply", GCP, 9), ("pass", 6.0))
        assert (await stage.control()).posture.must_cut == {AWS, GCP}
        await _play(stage, ("claim", PlanKind.FAILOVER, AZURE), ("pass", 30.0))
        assert (await stage.control()).posture.writer == AWS
        assert stage.broken(AWS) == ()


async def test_a_fenced_writer_that_lost_a_payment_proves_nobody_level() -> None:
    """aws alone confirmed it and does not answer; the fenced writer would call gcp level, which has everything that is left."""
    async with staged() as stage:
        await _acknowledged_by(stage, AWS)
        stage.world.isolated.add(AWS)
        stage.world.servers[GCP].up = False
        await _play(stage, ("claim", PlanKind.FAILOVER, AZURE), ("pass", 0.3))
        plan = (await stage.control()).plan
        assert plan is not None and plan.position_of(AZURE) is not None
        _loses_it(stage, AZURE)
        stage.world.servers[GCP].up = True
        await _play(stage, ("apply", GCP, 9), ("pass", 30.0))
        assert (await stage.control()).posture.writer == AZURE
        stage.world.isolated.discard(AWS)
        await _play(stage, ("pass", 30.0))
        assert (await stage.control()).posture.writer == AWS
        assert stage.broken(AWS) == ()
