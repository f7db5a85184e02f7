"""The election: who is proven to hold every acknowledged payment, and who of them is wanted."""

from dataclasses import replace

import pytest

from controller.core.candidates import is_cut, rank_candidates
from controller.core.model import Epoch, Lsn, Position, Posture, Site
from controller.core.plans import Plan, PlanKind
from tests.unit.core.worlds import AWS, AZURE, GCP, plan, posture

REIGN = Epoch(4)


def read(site: Site, lsn: int, publisher: Site = AZURE, epoch: Epoch = REIGN) -> Position:
    """A position as a cut answers it."""
    return Position(site=site, publisher=publisher, epoch=epoch, lsn=Lsn(lsn))


def ranked(
    *positions: Position, kind: PlanKind = PlanKind.FAILOVER, given: Posture | None = None, **changes: object
) -> list[Site]:
    """Candidates after these cuts, best first."""
    made: Plan = replace(plan(kind, positions=positions), **changes)  # type: ignore[arg-type]
    return [candidate.site for candidate in rank_candidates(made, given or posture())]


def test_the_member_that_has_everything_wins_when_every_member_was_read() -> None:
    """R + W > N: any one member may have acknowledged, so the highest of all has it all."""
    assert ranked(read(AWS, 10), read(GCP, 20)) == [GCP]
    assert ranked(read(AWS, 20), read(GCP, 10)) == [AWS]


def test_equal_members_go_by_name() -> None:
    """Every controller elects the same one."""
    assert ranked(read(GCP, 20), read(AWS, 20)) == [AWS, GCP]


def test_one_member_of_two_proves_nothing() -> None:
    """The other one may alone have what was acknowledged last."""
    assert ranked(read(AWS, 99)) == []
    assert ranked() == []


def test_a_member_that_an_operator_waived_is_not_waited_for() -> None:
    """And whatever only it had is lost, by name."""
    assert ranked(read(AWS, 10), waived=frozenset({GCP})) == [AWS]


def test_a_waived_member_that_was_read_still_counts() -> None:
    """Waiving permits its absence; it does not throw its word away."""
    assert ranked(read(AWS, 10), read(GCP, 20), waived=frozenset({GCP})) == [GCP]


def test_somebody_outside_the_set_never_wins_by_position() -> None:
    """It may be far ahead by name of the same stream, and yet nobody waited for it."""
    assert ranked(read(AWS, 10), read(GCP, 99), given=posture(must_cut=frozenset({AWS}))) == [AWS]


@pytest.mark.parametrize(
    "foreign",
    [read(GCP, 99, epoch=Epoch(3)), read(GCP, 99, publisher=AWS), read(GCP, 0)],
    ids=["another epoch", "another publisher", "nothing applied"],
)
def test_positions_that_do_not_compare_take_no_part(foreign: Position) -> None:
    """Such a member was cut, so the set is complete; it does not win, however large its number."""
    assert ranked(read(AWS, 10), foreign) == [AWS]


def test_nobody_wins_from_nothing() -> None:
    """All members applied nothing of this reign: an empty position is no proof."""
    assert ranked(read(AWS, 0), read(GCP, 0)) == []


def test_an_unsettled_writer_is_the_only_proof() -> None:
    """Nobody has confirmed its marker: it may be the only place where an earlier reign's payments are."""
    unsettled = posture(must_cut=frozenset({AZURE, AWS, GCP}))
    assert ranked(read(AWS, 10), read(GCP, 20), given=unsettled) == []
    assert ranked(read(AWS, 10), read(GCP, 20), given=unsettled, waived=frozenset({AZURE})) == [GCP]
    writer = read(AZURE, 30)
    assert ranked(read(AWS, 10), read(GCP, 20), writer, given=unsettled, level=frozenset()) == [AZURE]
    assert ranked(read(AWS, 10), read(GCP, 20), writer, given=unsettled, level=frozenset({AWS})) == [AWS, AZURE]


def test_the_fenced_writer_is_proof_enough_without_the_members() -> None:
    """Its own log is complete; so is a member that it saw confirm its last byte, once that member was cut."""
    writer = read(AZURE, 30)
    assert ranked(writer) == [], "nobody asked it yet who is level"
    assert ranked(writer, level=frozenset()) == [AZURE]
    assert ranked(writer, level=frozenset({AWS})) == [AZURE], "aws is level, and its stream may still run"
    assert ranked(writer, read(AWS, 20), level=frozenset({AWS})) == [AWS, AZURE]


def test_a_failover_keeps_the_writer_it_leaves_for_last() -> None:
    """Whatever the names."""
    assert ranked(read(AZURE, 30), read(GCP, 20), level=frozenset({GCP})) == [GCP, AZURE]


def test_a_switchover_prefers_its_target_then_gives_back() -> None:
    """Nobody asked for a third site."""
    level = (read(AZURE, 30), read(AWS, 20), read(GCP, 20))
    lagging = (read(AZURE, 30), read(AWS, 20), read(GCP, 10))
    everybody, only_aws = frozenset({AWS, GCP}), frozenset({AWS})
    assert ranked(*level, kind=PlanKind.SWITCHOVER, subject=GCP, level=everybody)[:2] == [GCP, AZURE]
    assert ranked(*lagging, kind=PlanKind.SWITCHOVER, subject=GCP, level=only_aws)[:2] == [AZURE, AWS]


def test_a_site_is_cut_when_its_position_was_read() -> None:
    """And not before."""
    made = plan(PlanKind.FAILOVER, positions=(read(AWS, 10),))
    assert is_cut(made, AWS)
    assert not is_cut(made, GCP)


def test_every_candidate_names_its_proof() -> None:
    """An operator reads why it was safe."""
    made = plan(PlanKind.FAILOVER, positions=(read(AWS, 10), read(GCP, 10), read(AZURE, 30)), level=frozenset({AWS}))
    proofs = {candidate.site: candidate.proof for candidate in rank_candidates(made, posture())}
    assert proofs.keys() == {AWS, GCP, AZURE}
    assert all(proofs.values())
