"""What is to be done and what holds it back, from what nodes say."""

from dataclasses import replace

import pytest

from workload.schema.errors import Refused
from workload.schema.migration import Migration, parse
from workload.schema.node import NodeState, Record, Stream
from workload.schema.outlook import (
    Uses,
    absences,
    begun,
    contradictions,
    differences,
    held_back,
    objections,
    order_of,
    pending,
    reign_of,
    steps,
    stream_of,
    told_as,
    unseeded,
    uses_of,
    writer_of,
)

ADD, REMOVE = parse(
    {
        "0001_expand_a.sql": "COMMENT ON COLUMN a.b IS 'x'; COMMENT ON COLUMN a.c IS 'y';",
        "0002_contract_b.sql": "-- after: 0001\nALTER TABLE a.b DROP COLUMN IF EXISTS c;",
    }
)
FILES = (ADD, REMOVE)
SITES = frozenset({"aws", "azure", "gcp"})


def record(one: Migration, done: int) -> Record:
    """What a node has of a migration."""
    return Record(number=one.number, name=one.name, kind=str(one.kind), digest=one.digest, steps=len(one.statements), done=done)


def follower(site: str, **changes: object) -> NodeState:
    """A follower of azure's, well."""
    stream = Stream(name=f"s_{site}", epoch=3, publisher="azure", enabled=True, tables=frozenset({"a.b"}))
    return replace(
        NodeState(site=site, role="follower", epoch=3, pinned=True, fingerprint="f", streams=(stream,)),
        **changes,  # type: ignore[arg-type]
    )


AZURE = NodeState(site="azure", role="writer", epoch=3, pinned=True, fingerprint="f")
WELL = {"aws": follower("aws"), "azure": AZURE, "gcp": follower("gcp")}


def refusals(states: dict[str, NodeState]) -> list[str]:
    """Guards that hold everything back."""
    return [refusal.guard for refusal in objections(FILES, states, SITES)]


def test_additions_reach_followers_first_and_removals_the_writer() -> None:
    """A writer sends the columns it has, and a follower that lacks one stops."""
    assert order_of(ADD, WELL) == ("aws", "gcp", "azure")
    assert order_of(REMOVE, WELL) == ("azure", "aws", "gcp")


def test_what_one_node_lacks_is_pending() -> None:
    """Done is what is done everywhere."""
    half = {**WELL, "aws": follower("aws", records={1: record(ADD, 1)})}
    assert pending(FILES, half) == FILES
    done = {site: replace(state, records={1: record(ADD, 2)}) for site, state in WELL.items()}
    assert pending(FILES, done) == (REMOVE,)


def test_a_fleet_that_is_well_is_held_back_by_nothing() -> None:
    """Every node answers, one writes, the others stream."""
    assert refusals(WELL) == []


@pytest.mark.parametrize(
    ("guard", "changed"),
    [
        ("one-reign", follower("aws", pinned=False)),
        ("one-reign", follower("aws", epoch=2)),
        ("one-reign", follower("aws", role="fenced")),
        ("one-reign", follower("aws", streams=(replace(follower("aws").streams[0], enabled=False),))),
        ("one-reign", follower("aws", streams=(replace(follower("aws").streams[0], publisher="gcp"),))),
        ("same-files", follower("aws", records={1: replace(record(ADD, 2), digest="other")})),
        ("same-files", follower("aws", records={9: replace(record(ADD, 2), number=9)})),
    ],
)
def test_a_node_that_is_not_well_holds_everything_back(guard: str, changed: NodeState) -> None:
    """It would miss what the others get, or has what nobody here knows."""
    assert refusals({**WELL, "aws": changed}) == [guard]


def test_a_node_that_does_not_answer_holds_everything_back() -> None:
    """It would stop at the first row of the new form, when it is back."""
    assert refusals({site: state for site, state in WELL.items() if site != "gcp"}) == ["every-node"]


def test_an_addition_needs_no_stream_and_a_removal_does() -> None:
    """A node that waits for its copy lacks a table that its subscription will name; a copy may bring what is to be removed."""
    waiting = {**WELL, "aws": follower("aws", streams=())}
    assert refusals(waiting) == [] and set(reign_of(waiting)) == SITES
    assert list(unseeded(ADD, waiting)) == []
    (refusal,) = unseeded(REMOVE, waiting)
    assert refusal.guard == "one-reign" and "aws waits to be seeded" in refusal.value
    assert list(unseeded(REMOVE, WELL)) == []


def test_what_was_begun_is_what_a_node_of_the_reign_has_and_another_has_not() -> None:
    """The highest number that one has done; nothing when all stand alike, and nothing of a removal."""
    ahead = {**WELL, "aws": follower("aws", records={1: record(ADD, 1)})}
    assert begun(ADD, ahead) == 1
    assert begun(ADD, WELL) == 0
    assert begun(REMOVE, {**WELL, "azure": replace(AZURE, records={2: record(REMOVE, 1)})}) == 0


def test_while_a_node_is_away_only_what_was_begun_is_done() -> None:
    """gcp, elected, lacks what aws has, and nobody else is asked to begin."""
    half = {"aws": follower("aws", records={1: record(ADD, 1)}), "azure": AZURE}
    assert list(steps(FILES, half, SITES)) == [(ADD, 0, "azure")]
    whole = list(steps(FILES, {**half, "gcp": follower("gcp")}, SITES))
    assert whole[:2] == [(ADD, 0, "gcp"), (ADD, 0, "azure")] and len(whole) == 8


@pytest.mark.parametrize(
    "other",
    [follower("gcp", epoch=2), follower("gcp", role="fenced"), follower("gcp", pinned=False)],
    ids=["old", "fenced", "moved"],
)
def test_a_node_of_another_reign_is_away(other: NodeState) -> None:
    """What was begun is completed without it, as without one that is silent."""
    states = {**WELL, "gcp": other}
    assert set(reign_of(states)) == {"aws", "azure"}
    assert [refusal.guard for refusal in absences(states, SITES)] == ["one-reign"]
    assert list(contradictions(FILES, states)) == []


@pytest.mark.parametrize(
    "wrong", [{"gcp": follower("gcp", epoch=4)}, {"azure": replace(AZURE, pinned=False)}], ids=["later", "moved"]
)
def test_nothing_is_completed_when_the_writer_may_be_another_one(wrong: dict[str, NodeState]) -> None:
    """gcp knows a later reign than azure writes: azure is an old writer, and its tables are nobody's measure."""
    assert [refusal.guard for refusal in contradictions(FILES, {**WELL, **wrong})] == ["one-reign"]


@pytest.mark.parametrize("roles", [("follower", "follower"), ("writer", "writer")], ids=["nobody", "two"])
def test_without_one_writer_there_is_no_order(roles: tuple[str, str]) -> None:
    """A failover is under way; who comes first is not known."""
    states = {"aws": follower("aws", role=roles[0]), "azure": replace(AZURE, role=roles[1])}
    with pytest.raises(Refused):
        writer_of(states)


def test_the_writer_of_the_highest_reign_is_the_writer() -> None:
    """An old one that nobody has fenced yet is none."""
    assert writer_of({**WELL, "gcp": follower("gcp", role="writer", epoch=2)}).site == "azure"


def test_a_stream_is_the_reigns_own_and_alive() -> None:
    """Its name is the slot's on the writer."""
    assert stream_of(WELL["aws"], AZURE) == "s_aws"
    assert stream_of(WELL["aws"], replace(AZURE, epoch=4)) is None


@pytest.mark.parametrize(
    ("uses", "value"),
    [
        (Uses(versions=frozenset(), unknown=frozenset()), "no process"),
        (Uses(versions=frozenset({0, 1}), unknown=frozenset()), "schema 0 is in use"),
        (Uses(versions=frozenset({1}), unknown=frozenset({"psql"})), "unknown version: psql"),
    ],
)
def test_a_removal_waits_for_every_version_in_use(uses: Uses, value: str) -> None:
    """Old code, code that nobody knows, and no code seen at all: three answers, none of them yes."""
    refusal = held_back(REMOVE, uses)
    assert refusal is not None and value in refusal.value and refusal.way_out


def test_a_removal_goes_ahead_when_all_code_is_new_enough() -> None:
    """And an addition needs no leave."""
    assert held_back(REMOVE, Uses(versions=frozenset({1, 2}), unknown=frozenset())) is None
    assert held_back(ADD, Uses(versions=frozenset(), unknown=frozenset({"psql"}))) is None


def test_processes_tell_their_version_by_the_name_they_log_in_with() -> None:
    """What nobody can read is unknown; the longest name there may be still tells."""
    name = told_as("payments", 12)
    states = [follower("aws", processes=(name, name)), follower("gcp", processes=(told_as("payments", 11), "payments-service"))]
    assert uses_of(states) == Uses(versions=frozenset({11, 12}), unknown=frozenset({"payments-service"}))
    assert len(told_as("p" * 20, 10**9 - 1)) < 64
    assert uses_of([follower("aws", processes=("schema=3 or so",))]).versions == frozenset()


def test_differences_are_told_line_by_line() -> None:
    """Against the writer, both ways; an equal node has none."""
    states = {
        "aws": follower("aws", lines=frozenset({"table a", "index old"})),
        "azure": replace(AZURE, lines=frozenset({"table a", "column new"})),
        "gcp": follower("gcp", lines=frozenset({"table a", "column new"})),
    }
    assert differences(states) == {"aws": ("- column new", "+ index old")}
