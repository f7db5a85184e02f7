"""What a controller believes, as numbers: what is unknown has none."""

from datetime import timedelta

import pytest
import structlog
from structlog.testing import capture_logs

from controller.providers.memory.probe import Behaviour
from tests.unit.core.worlds import AWS, AZURE, GCP
from tests.unit.room import Room, room

pytestmark = pytest.mark.asyncio

OF = 'service="payments"'


def health(told: dict[str, float], site: str, vantage: str) -> float | None:
    """Of a site's database, as one vantage says."""
    return told.get(f'trimaran_health{{part="database",{OF},site="{site}",vantage="{vantage}"}}')


async def test_each_vantage_has_its_own_word_and_all_have_one_together() -> None:
    """gcp's database hangs: 1 becomes 0 for each vantage and for all of them; the others stay at 1."""
    async with room() as given:
        before = await given.numbers()
        assert [health(before, "gcp", vantage) for vantage in ("aws", "azure", "gcp")] == [1, 1, 1]
        given.nodes[GCP].probe.behaviour = Behaviour.HANGS
        await given.tick(30)
        told = await given.numbers()
        assert [health(told, "gcp", vantage) for vantage in ("aws", "azure", "gcp")] == [0, 0, 0]
        assert told[f'trimaran_agreed_health{{part="database",{OF},site="gcp"}}'] == 0
        assert told[f'trimaran_agreed_health{{part="database",{OF},site="aws"}}'] == 1


async def test_what_is_unknown_has_no_number() -> None:
    """A vantage that fell silent, and lag while the writer does not say: an alert on 0 would page for what nobody knows."""
    async with room() as given:
        before = await given.numbers()
        assert before[f'trimaran_lag_bytes{{{OF},site="aws"}}'] == 100
        await given.post({"id": "p-1", "verb": "pause", "by": "ann", "reason": "so that nobody moves"})
        await given.tick(3)
        given.links[GCP].reachable = False
        given.nodes[AZURE].probe.behaviour = Behaviour.HANGS
        await given.tick(40)
        told = await given.numbers()
        assert health(told, "aws", "aws") == 1 and health(told, "aws", "gcp") is None
        assert f'trimaran_lag_bytes{{{OF},site="aws"}}' not in told
        assert not [name for name in told if name.startswith("trimaran_confirms")]


async def test_guards_that_would_hold_a_failover_back_are_named() -> None:
    """Nothing in calm; the pause of an operator by name, with its end."""
    async with room() as given:
        held = f'trimaran_failover_held{{guard="pause",{OF}}}'
        calm = await given.numbers()
        assert held not in calm and calm[f"trimaran_paused{{{OF}}}"] == 0
        until = given.clock.now() + timedelta(hours=1)
        await given.post(
            {"id": "p-1", "verb": "pause", "by": "ann", "reason": "patching", "arguments": {"until": until.isoformat()}}
        )
        waiting = await given.numbers()
        await given.tick(3)
        told = await given.numbers()
        assert told[held] == 1 and told[f"trimaran_paused{{{OF}}}"] == 1
        assert told[f"trimaran_pause_ends_seconds{{{OF}}}"] == pytest.approx(until.timestamp())
        assert waiting[f"trimaran_requests_waiting{{{OF}}}"] == 0 and told[f"trimaran_requests_waiting{{{OF}}}"] == 0


async def test_without_etcd_a_failover_is_held_by_the_majority() -> None:
    """What was allowed a minute ago is not allowed now."""
    async with room() as given:
        given.links[AWS].reachable = False
        await given.tick(40)
        told = await given.numbers()
        assert told[f'trimaran_failover_held{{guard="quorum-or-hold",{OF}}}'] == 1


async def test_a_failover_is_timed_by_whoever_made_it() -> None:
    """Detection, steps and the plan are counted at one controller, and at no other: sums over the three are right."""
    async with room() as given:
        given.kill(AZURE)
        await given.tick(60)
        posture = await given.posture()
        assert posture.writer != AZURE
        counted = [await given.numbers(site) for site in (AWS, AZURE, GCP)]

        def times(name: str) -> list[float]:
            return [told.get(name, 0.0) for told in counted]

        assert sorted(times(f"trimaran_detection_seconds_count{{{OF}}}")) == [0, 0, 1]
        (spent,) = (told for told in times(f"trimaran_detection_seconds_sum{{{OF}}}") if told)
        assert 0.2 < spent < 3.0, "three misses of a probe, by the test's own clock"
        assert sorted(times(f'trimaran_step_seconds_count{{kind="failover",{OF},step="open"}}')) == [0, 0, 1]
        assert sorted(times(f'trimaran_plan_seconds_count{{kind="failover",outcome="done",{OF}}}')) == [0, 0, 1]


async def test_a_refusal_is_counted_once() -> None:
    """Three controllers see it; the one that writes it down counts it."""
    async with room() as given:
        before = sum([await refusals(given, site) for site in (AWS, AZURE, GCP)])
        await given.post({"id": "s-1", "verb": "switchover", "by": "ann", "reason": "", "arguments": {"to": "azure"}})
        await given.tick(10)
        _, told = await given.get("/v1/services/payments/journal")
        (entry,) = (one for one in told["entries"] if one["body"].get("request") == "s-1")
        guards = [reason["guard"] for reason in entry["body"]["reasons"] if reason["verdict"] == "refused"]
        assert guards and sum([await refusals(given, site) for site in (AWS, AZURE, GCP)]) - before == len(guards)


async def refusals(given: Room, site: str) -> float:
    """Of all guards, at one controller."""
    told = await given.numbers(site)  # type: ignore[arg-type]
    return sum(value for name, value in told.items() if name.startswith("trimaran_guard_refusals_total"))


async def test_what_is_logged_while_a_plan_is_carried_out_names_it() -> None:
    """Also by whoever is called, and by tasks that are started for it."""
    async with room() as given:
        with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
            given.kill(AZURE)
            await given.tick(60)
        said = [one for one in logs if one["event"] == "performing"]
        assert said and all(one["plan"].startswith("failover-e2-") for one in said if one["step"] == "open")
