"""Schemas in decisions: a planned move needs equal ones, an election prefers them, and no payment is given up for one."""

import json
from dataclasses import replace

import pytest

from controller.coordination.codec import decode, encode
from controller.core.candidates import rank_candidates
from controller.core.claims import claim
from controller.core.guards import review
from controller.core.model import Aged, Epoch, Lsn, NodeFacts, Position, Site, Trigger, Verdict
from controller.core.plans import Plan, PlanKind
from controller.core.proposals import Failover, Grow, Switchover
from controller.core.schema_guard import claimed_schemas, difference, distance, schema
from tests.unit.core.worlds import AWS, AZURE, DEAD, FRESH, GCP, STALE, START, World, decided, follower, plan, posture, writing

MOVE = Switchover(to=AWS, trigger=Trigger.OPERATOR, because="maintenance", by="kim")
LEAVE = Failover(site=AZURE, weights=None, trigger=Trigger.AUTOMATIC, because="azure is failing")


def world(**schemas: str) -> World:
    """A world in which these sites have these schemas, and the others `s1`."""
    nodes = {AWS: follower(AWS), AZURE: writing(), GCP: follower(GCP)}
    return World(facts={site: replace(facts, schema=schemas.get(site, "s1")) for site, facts in nodes.items()})


def read(site: Site, lsn: int) -> Position:
    """A position as a cut answers it."""
    return Position(site=site, publisher=AZURE, epoch=Epoch(4), lsn=Lsn(lsn))


def elected(*positions: Position, **schemas: str) -> Site:
    """Who is elected after these cuts, among nodes of these schemas."""
    made: Plan = replace(plan(PlanKind.FAILOVER, positions=positions), schemas={Site(site): one for site, one in schemas.items()})
    return rank_candidates(made, posture())[0].site


def test_a_forgotten_migration_holds_a_switchover_back() -> None:
    """aws lacks what azure has: the refusal names both, and the way out. Without the guard nothing else would refuse."""
    reviewed = review(MOVE, world(aws="s0").seen())
    (refusal,) = reviewed.refusals
    assert refusal.guard == "schema"
    assert "aws has schema s0" in refusal.value and "azure has s1" in refusal.value
    assert "trimaran schema status --service payments" in refusal.way_out


def test_another_followers_schema_holds_nothing_back() -> None:
    """The move is to aws; what gcp lacks is gcp's to mend."""
    assert review(MOVE, world(gcp="s0").seen()).refusals == ()


@pytest.mark.parametrize("site", ["aws", "azure"])
def test_an_unknown_schema_is_not_taken_for_an_equal_one(site: str) -> None:
    """A planned move can wait until both have told theirs."""
    (refusal,) = review(MOVE, world(**{site: ""}).seen()).refusals
    assert refusal.guard == "schema" and f"the schema of {site} is not known" in refusal.value


def test_two_unknown_schemas_are_not_equal() -> None:
    """Nothing equals nothing, as text; that would be no comparison."""
    (refusal,) = review(MOVE, world(aws="", azure="").seen()).refusals
    assert "aws and azure" in refusal.value


def test_what_a_node_told_long_ago_is_not_known() -> None:
    """A migration may have run since."""
    old = World()
    snapshot = replace(old.snapshot(), facts={**old.snapshot().facts, AWS: Aged(value=follower(AWS), age=STALE)})
    assert schema(MOVE, replace(old.seen(), snapshot=snapshot)).verdict is Verdict.REFUSED
    young = replace(snapshot, facts={**snapshot.facts, AWS: Aged(value=follower(AWS), age=FRESH)})
    assert schema(MOVE, replace(old.seen(), snapshot=young)).verdict is Verdict.ALLOWED


def test_an_operator_may_move_to_another_schema_by_name() -> None:
    """Half of an additive migration is done, and the writer's cloud is about to be serviced: a person may decide that."""
    reviewed = review(MOVE, world(aws="s2").seen(), frozenset({"schema"}))
    assert reviewed.refusals == ()
    assert any(reason.guard == "schema" and reason.value.startswith("overridden: ") for reason in reviewed.reasons)


def test_no_failover_is_held_back_by_a_schema() -> None:
    """Nobody has azure's schema, and azure is dead: payments go on with what there is, and the record says so."""
    lost = replace(DEAD, facts={AWS: follower(AWS, schema="s0"), GCP: follower(GCP, schema="s2"), AZURE: writing()})
    reason = schema(LEAVE, lost.seen())
    assert reason.verdict is Verdict.ALLOWED
    assert reason.value == "azure has schema s1, aws s0 and gcp s2"
    assert not [one for one in review(LEAVE, lost.seen()).refusals if one.guard == "schema"]


def test_repairs_need_no_schema() -> None:
    """A node that grows in does not write."""
    assert schema(Grow(site=GCP, because=""), world(gcp="s0").seen()).verdict is Verdict.ALLOWED


def test_among_equals_the_old_writers_schema_wins() -> None:
    """aws would win by name; its migration was forgotten, and every payment would fail there."""
    assert elected(read(AWS, 20), read(GCP, 20), aws="s0", azure="s1", gcp="s1") == GCP
    assert elected(read(AWS, 20), read(GCP, 20), aws="s1", azure="s1", gcp="s1") == AWS


def test_no_payment_is_given_up_for_a_schema() -> None:
    """aws alone has the last acknowledged payment: it wins with whatever schema it has."""
    assert elected(read(AWS, 21), read(GCP, 20), aws="s0", azure="s1", gcp="s1") == AWS


def test_the_unknown_stand_between_equal_and_other() -> None:
    """Not known is no accusation and no recommendation."""
    assert elected(read(AWS, 20), read(GCP, 20), aws="s0", azure="s1") == GCP
    assert elected(read(AWS, 20), read(GCP, 20), azure="s1", gcp="s1") == GCP
    assert elected(read(AWS, 20), read(GCP, 20), aws="s0", gcp="s1") == AWS, "the writer's is not known: names decide"


def test_the_old_writer_stays_last_however_equal_its_own_schema_is() -> None:
    """A failover leaves it; that it has the schema of itself is no merit."""
    fenced = Position(site=AZURE, publisher=AZURE, epoch=Epoch(4), lsn=Lsn(30))
    made = plan(PlanKind.FAILOVER, positions=(read(AWS, 30), fenced), level=frozenset({AWS}))
    made = replace(made, schemas={AWS: "s0", AZURE: "s1"})
    assert [one.site for one in rank_candidates(made, posture())] == [AWS, AZURE]


def test_the_target_of_a_switchover_stays_wanted() -> None:
    """Its guard was asked before; an operator who overrode it is not overruled by the election."""
    fenced = Position(site=AZURE, publisher=AZURE, epoch=Epoch(4), lsn=Lsn(30))
    made = plan(PlanKind.SWITCHOVER, subject=AWS, positions=(read(AWS, 30), fenced), level=frozenset({AWS}))
    made = replace(made, schemas={AWS: "s2", AZURE: "s1"})
    assert rank_candidates(made, posture())[0].site == AWS


def test_a_claim_carries_what_every_node_told_last() -> None:
    """The writer is dead and its last word is old; whoever takes the plan over still knows it."""
    told = {AWS: follower(AWS, schema="s0"), AZURE: writing(), GCP: follower(GCP, schema="")}
    seen = replace(World(), facts=told).snapshot()
    old = replace(seen, facts={**seen.facts, AZURE: Aged(value=told[AZURE], age=10 * STALE)})
    assert claimed_schemas(LEAVE, old) == {AWS: "s0", AZURE: "s1"}
    assert claimed_schemas(Grow(site=GCP, because=""), old) is None
    claimed = claim(LEAVE, posture(), by="controller-aws", at=START, schemas=claimed_schemas(LEAVE, old)).plan
    assert claimed is not None and claimed.schemas == {AWS: "s0", AZURE: "s1"}


def test_a_plan_that_elects_nobody_can_be_read_by_controllers_of_the_version_before() -> None:
    """They refuse a field that they would lose: one Return claimed by the first new controller, and the others read nothing any more."""
    assert "schemas" not in json.loads(encode(plan(PlanKind.RETURN)))
    electing = replace(plan(PlanKind.FAILOVER), schemas={AWS: "s0"})
    assert json.loads(encode(electing))["schemas"] == {"aws": "s0"}
    assert decode(Plan, encode(electing), key="/plan") == electing


@pytest.mark.parametrize("site", ["aws", "azure", "gcp"])
def test_a_migration_under_way_anywhere_holds_a_planned_move_back(site: str) -> None:
    """Equal now is not equal at the next statement; an election goes by the fingerprints all the same."""
    moving = world(**{site: "s1 migrating"})
    (refusal,) = review(MOVE, moving.seen()).refusals
    assert refusal.guard == "schema" and f"under way on {site}" in refusal.value and "trimaran-schema" in refusal.way_out
    assert claimed_schemas(LEAVE, moving.snapshot()) == {AWS: "s1", AZURE: "s1", GCP: "s1"}


def test_a_move_to_nowhere_is_not_told_to_be_no_move() -> None:
    """Another guard refuses it; this one has nothing to compare, and says so."""
    reason = schema(replace(MOVE, to=Site("mars")), world().seen())
    assert reason.verdict is Verdict.ALLOWED and "mars is no site" in reason.value


def test_a_winner_with_another_schema_is_told() -> None:
    """In the journal with the election, and in status as long as the plan runs."""
    made = replace(plan(PlanKind.FAILOVER), schemas={AWS: "s0", AZURE: "s1", GCP: "s1"})
    assert difference(made) == ""
    assert difference(replace(made, winner=AWS)) == "aws has schema s0, azure s1 and gcp s1"
    assert difference(replace(made, winner=GCP)) == "gcp has schema s1, aws s0"
    assert difference(replace(made, winner=AWS, schemas={})) == ""
    assert [distance(made, AZURE, site) for site in (GCP, AWS, Site("elsewhere"))] == [0, 2, 1]


def test_a_decision_tells_what_the_guard_saw() -> None:
    """An automatic failover's record holds the difference, long before anybody asks."""
    facts: dict[Site, NodeFacts] = {AWS: follower(AWS, schema="s0"), GCP: follower(GCP), AZURE: writing()}
    decision = decided(replace(DEAD, facts=facts))
    assert isinstance(decision.proposal, Failover)
    assert any(reason.guard == "schema" and "aws s0" in reason.value for reason in decision.reasons)
