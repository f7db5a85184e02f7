"""People are told what the journal says, once, whoever dies in between; and nothing waits for it."""

from controller.core.messages import Action, Severity
from tests.unit.newsroom import newsroom
from tests.unit.stage import AZURE


async def test_a_dead_cloud_is_one_incident_from_the_decision_to_the_settled_end() -> None:
    """Opened with the decision and what follows, told of once by three controllers, and ended when everything is as before."""
    async with newsroom() as room:
        await room.crash(AZURE)
        await room.crew.live(20)
        (opened,) = room.told(Action.OPEN)
        assert opened.severity is Severity.CRITICAL
        assert "automatic failover from azure" in opened.title and "azure's database is failing" in opened.why
        assert opened.command == "trimaran status --service payments --watch" and "elected" in opened.then
        assert any("failover done" in one.title for one in room.told(Action.UPDATE))
        assert not room.told(Action.RESOLVE), "azure is still gone"
        room.heal(AZURE)
        await room.crew.live(60)
        (ended,) = room.told(Action.RESOLVE)
        assert ended.incident == opened.incident and ended.severity is Severity.CRITICAL
        assert len(room.told(Action.OPEN)) == 1
        ids = [one.id for one in room.told()]
        assert len(ids) == len(set(ids)), "nothing twice"
