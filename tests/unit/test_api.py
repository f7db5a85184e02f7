"""What one controller tells people and machines: every fact with its age, stale answers labelled, wishes only passed on."""

import pytest

from controller.core.model import Health, Site
from tests.unit.core.worlds import AWS, AZURE, GCP
from tests.unit.room import Room, room

pytestmark = pytest.mark.asyncio

STATUS = "/v1/services/payments/status"
WISH = {"id": "w1", "verb": "switchover", "by": "test", "reason": "", "arguments": {"to": "aws"}}


async def ask(given: Room, verb: str = "switchover", **more: object) -> int:
    """Leave a wish with aws; answers the HTTP status."""
    return (await given.post({**WISH, "verb": verb, **more}))[0]


async def test_status_tells_everything_with_its_age() -> None:
    """Posture, health with every voice, positions, who was heard: all there, all young, nothing blocked."""
    async with room() as given:
        code, told = await given.get(STATUS)
        assert code == 200
        assert (told["stale"], told["majority"], told["plan"]) == (False, True, None)
        assert told["posture"]["writer"] == "azure" and told["posture"]["claimed_epoch"] == 1
        assert told["posture"]["since"].startswith("2026-01-01T00:00:00")
        assert set(told["sites"]) == {"aws", "azure", "gcp"} == set(told["vantages"])
        for site in told["sites"].values():
            assert site["node"]["age_s"] < 1
            for health in site["health"].values():
                assert health["health"] == "healthy" and health["age_s"] < 1 and len(health["voices"]) == 3
        assert told["sites"]["aws"]["node"]["lag_bytes"] == 100 and told["sites"]["azure"]["node"]["lag_bytes"] is None
        assert told["moves"] == {"switchover": {"aws": [], "gcp": []}, "failover": [], "automatic_failover": []}


async def test_status_says_what_blocks_a_move() -> None:
    """gcp is dead: a switchover to it is blocked by name, with the way out."""
    async with room() as given:
        given.kill(GCP)
        await given.tick(30)
        _, told = await given.get(STATUS)
        assert told["sites"]["gcp"]["health"]["database"]["health"] == Health.FAILING
        blocked = told["moves"]["switchover"]["gcp"]
        assert {"exactly-one-writer", "provable-durability"} <= {refusal["guard"] for refusal in blocked}
        assert all(refusal["value"] and refusal["limit"] and refusal["way_out"] for refusal in blocked)


async def test_without_the_majority_the_answer_is_labelled_stale_and_allows_nothing() -> None:
    """The posture ages visibly, what this vantage sees itself stays young, and every move is blocked."""
    async with room() as given:
        given.etcd.majority = False
        for _ in range(40):
            await given.clock.advance(given.loops[AWS].interval)
        _, told = await given.get(STATUS)
        assert told["stale"] and not told["majority"] and told["tick_age_s"] >= 4
        assert told["vantages"]["gcp"]["age_s"] >= 4 and told["sites"]["gcp"]["node"]["age_s"] < 1
        assert told["moves"]["failover"][0]["guard"] == "quorum-or-hold"


async def test_before_the_first_tick_nothing_is_claimed() -> None:
    """A controller that has read nothing says so, and serves no beacon."""
    async with room(founded=False) as given:
        assert (await given.get(STATUS))[0] == 503
        assert (await given.get("/beacon/payments/aws"))[0] == 503
        assert (await given.get("/healthz"))[0] == 200


async def test_unknown_things_are_problem_documents() -> None:
    """Unknown service, site, path: 404 with what there is instead."""
    async with room() as given:
        for path, word in (
            ("/v1/services/nope/status", "payments"),
            ("/beacon/payments/mars", "its own controller"),
            ("/nope", "/nope"),
        ):
            code, problem = await given.get(path)
            assert code == problem["status"] == 404 and word in problem["detail"]
        code, problem = await given.get("/v1/services/payments/journal?after=x")
        assert code == 400 and "whole number" in problem["detail"]
        assert (await given.get("/v1/services/payments/explain?at=2026-01-01T00:00:00"))[0] == 400


async def test_a_wish_is_left_in_etcd_once() -> None:
    """Accepted for deciding, not decided; the same id again is the same wish."""
    async with room() as given:
        assert [await ask(given), await ask(given)] == [202, 202]
        control = await given.stores[AWS].read("payments")
        assert control is not None
        assert [(wish.id, wish.verb, wish.by) for wish in control.requests] == [("w1", "switchover", "test")]


async def test_a_wish_without_the_majority_is_refused_with_the_reason() -> None:
    """503, and nothing is left behind to surprise anybody later."""
    async with room() as given:
        given.etcd.majority = False
        assert await ask(given) == 503
        given.etcd.majority = True
        control = await given.stores[AWS].read("payments")
        assert control is not None and control.requests == ()


@pytest.mark.parametrize(
    "more", [{"at": "2026-01-01T00:00:00"}, {"id": "a/b"}, {"by": ""}, {"arguments": {"to": 1}}, {"extra": "x"}]
)
async def test_an_unreadable_wish_is_not_passed_on(more: dict[str, object]) -> None:
    """400, and etcd holds no wish; an id with a slash could name another key."""
    async with room() as given:
        assert await ask(given, **more) == 400
        control = await given.stores[AWS].read("payments")
        assert control is not None and control.requests == ()


async def test_the_journal_is_given_as_it_is_and_as_sentences() -> None:
    """Entries after a number, and the last ones explained; up to a moment, too."""
    async with room() as given:
        _, journal = await given.get("/v1/services/payments/journal?after=0&limit=1")
        assert [entry["kind"] for entry in journal["entries"]] == ["founded"]
        given.kill(AZURE)
        await given.tick(30)
        _, told = await given.get("/v1/services/payments/explain?limit=1000")
        assert any("fail over from azure" in entry["said"] for entry in told["entries"])
        _, early = await given.get("/v1/services/payments/explain?at=2026-01-01T00:00:00%2B00:00")
        assert early["entries"][0]["kind"] == "founded" and not any("claim" in entry["kind"] for entry in early["entries"])


async def test_metrics_count_ticks_and_age_facts() -> None:
    """Ticks by result, epoch, ages, misses; a failed tick is counted as unanswered."""
    async with room() as given:
        given.kill(Site("gcp"))
        await given.tick(10)
        told = await given.numbers()
        assert told['trimaran_ticks_total{result="done",service="payments"}'] >= 20
        assert told['trimaran_posture_epoch{service="payments"}'] == 1
        assert told['trimaran_probe_misses{part="database",service="payments",site="gcp"}'] >= 1
        assert told['trimaran_writer{service="payments",site="azure"}'] == 1
