"""What the databases prove about a control plane that is lost: certain, or refused with guard, value, limit and way out."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from controller.core.model import Epoch, NodeFacts, Posture, Role, Site, Slot, Subscription, Token
from controller.core.naming import stream
from controller.core.rebuild import CLAIMS, LAST, RANGE, Heard, Held, Office, Rebuilding, describe, next_order, rebuild
from tests.unit.core.worlds import AWS, AZURE, GCP, SITES, follower, posture, writing

FIRST = posture(epoch=Epoch(1), reign=Epoch(1))
NOTHING = Held(posture=None, latest=Token(7))
BOTH = tuple(stream("payments", Epoch(4), AZURE, site) for site in (AWS, GCP))


def writer(site: Site = AZURE, reign: int = 4, row: tuple[Site, ...] = (AWS, GCP), **changes: Any) -> NodeFacts:
    """In office, with these members."""
    slots = tuple(stream("payments", Epoch(reign), site, member) for member in row)
    return writing(site, reign, **{"ack_slots": slots, **changes})


def decided(*facts: NodeFacts, confirmed: tuple[Site, ...] = (), held: Held = NOTHING, **more: Any) -> Rebuilding:
    """What follows from what these say; the others are silent."""
    heard = Heard(sites=frozenset(SITES), facts={one.site: one for one in facts}, confirmed=frozenset(confirmed))
    return rebuild("payments", heard, held, FIRST, **more)


def proven(rebuilding: Rebuilding) -> Posture:
    """The posture; fails with the refusals."""
    assert rebuilding.posture is not None, rebuilding.refusals
    return rebuilding.posture


def refusing(rebuilding: Rebuilding) -> set[str]:
    """Guards that said no, each of them with a value, a limit and a way out."""
    assert rebuilding.posture is None
    assert all(one.value and one.limit and one.way_out for one in rebuilding.refusals)
    return {one.guard for one in rebuilding.refusals}


def test_a_fleet_that_is_well_is_proven_as_it_is() -> None:
    """The writer, its row as what must be cut, weights of the settings, tokens above every promise, epochs above every trace."""
    found = decided(writer(), follower(AWS), follower(GCP), confirmed=(AWS,))
    written = proven(found)
    assert (written.writer, written.reign, written.must_cut, written.settled) == (AZURE, 4, {AWS, GCP}, True)
    assert (written.weights, written.mode, written.level) == (FIRST.weights, FIRST.mode, frozenset())
    assert written.tokens_above == RANGE == found.promise
    assert written.epoch == 4 + CLAIMS
    assert found.office is Office.WRITES and "see trimaran status" in next_order(found)


def test_a_silent_follower_is_cut_all_the_same() -> None:
    """It stands in the row, so it may have acknowledged; another member's word is enough to know the row."""
    assert proven(decided(writer(), follower(AWS), confirmed=(AWS,))).must_cut == {AWS, GCP}


def test_two_silent_sites_may_be_a_later_reign() -> None:
    """Writer and member of epoch 5, both behind a cut: whoever is heard knows nothing of it."""
    assert "heard-from" in refusing(decided(writer(), confirmed=(AWS,)))
    assert "heard-from" in refusing(decided())


def test_a_member_that_was_being_taken_out_is_not_forgotten() -> None:
    """gcp has left the row, and aws has not what gcp alone confirmed: gcp and the writer itself must be cut too."""
    row = writer(row=(AWS,))
    assert proven(decided(row, follower(AWS), follower(GCP), confirmed=(AWS,))).must_cut == {AWS}
    assert proven(decided(row, follower(AWS), follower(GCP))).must_cut == {AWS, AZURE, GCP}


def test_a_silent_site_outside_of_the_row_keeps_it_from_being_known() -> None:
    """It may be the member that was being taken out; nobody in the row proves that it has all."""
    row = writer(row=(AWS,))
    assert refusing(decided(row, follower(AWS))) == {"provable-ack-set"}
    assert proven(decided(row, follower(AWS), confirmed=(AWS,))).must_cut == {AWS}


def test_a_writer_that_counts_nobody_is_its_own_proof() -> None:
    """As after the last member was taken out: nothing is acknowledged, and followers may grow in."""
    assert proven(decided(writer(row=()), follower(AWS), follower(GCP))).must_cut == {AZURE}


def test_a_copy_that_is_not_whole_is_never_cut() -> None:
    """Its position may be the highest, and its tables half empty: it would win an election that it must not win."""
    half = follower(GCP)
    half = replace(half, subscriptions=tuple(replace(one, seeded=False) for one in half.subscriptions))
    assert proven(decided(writer(row=(AWS,)), follower(AWS), half)).must_cut == {AWS, AZURE}
    assert proven(decided(follower(AWS), half)).must_cut == {AWS, AZURE}


def test_a_silent_writer_must_be_cut_with_everybody_who_follows_it() -> None:
    """Nobody knows its row; whoever has a whole copy may be in it."""
    found = decided(follower(AWS), follower(GCP))
    assert proven(found).must_cut == {AWS, AZURE, GCP} and not proven(found).settled
    assert found.office is Office.SILENT and "failover --from azure" in next_order(found)
    emptied = follower(AWS, subscriptions=())
    assert refusing(decided(emptied, follower(GCP, subscriptions=()))) == {"one-latest-writer"}


def test_who_was_elected_and_had_not_opened_is_the_writer() -> None:
    """gcp follows aws in epoch 5, which aws itself does not stand in yet: gcp was attached behind the election."""
    found = decided(follower(AWS), follower(GCP, AWS, 5), writer())
    assert (proven(found).writer, proven(found).reign, proven(found).must_cut) == (AWS, 5, {AWS, GCP})
    assert found.office is Office.ELECTED and "nobody writes" in next_order(found)


def test_a_writer_that_was_closed_is_cut_itself() -> None:
    """A switchover had begun. Nobody writes, and its own log is complete."""
    found = decided(writer(role=Role.FENCED), follower(AWS), follower(GCP))
    assert proven(found).must_cut == {AWS, AZURE, GCP} and found.office is Office.CLOSED


def test_a_writer_on_another_timeline_proves_nothing_by_itself() -> None:
    """What followers confirm to it says nothing, so everybody is cut; an empty row is no proof either."""
    moved = writer(pinned=False)
    assert proven(decided(moved, follower(AWS), follower(GCP), confirmed=(AWS,))).must_cut == {AWS, AZURE, GCP}
    empty = replace(moved, ack_slots=())
    assert proven(decided(empty, follower(AWS), follower(GCP))).must_cut == {AWS, AZURE, GCP}


def test_an_old_writer_that_believes_in_itself_is_no_rival() -> None:
    """azure was left in epoch 4 and is back; aws writes in 5."""
    written = proven(decided(writer(), writer(AWS, 5, (GCP,)), follower(GCP, AWS, 5), confirmed=(GCP,)))
    assert (written.writer, written.reign, written.must_cut) == (AWS, 5, {GCP})


@pytest.mark.parametrize(
    "facts", [(writer(), writer(AWS, 4)), (writer(), follower(AWS, GCP)), (follower(AWS, AZURE), follower(GCP, AWS))]
)
def test_nodes_that_contradict_each_other_are_left_alone(facts: tuple[NodeFacts, ...]) -> None:
    """Two writers of one epoch, by their own rows or by their followers' streams."""
    assert "one-latest-writer" in refusing(decided(*facts))


def test_a_member_that_the_settings_do_not_know_refuses() -> None:
    """A slot of the row belongs to a site that nobody asks: it would not be cut."""
    strange = stream("payments", Epoch(4), AZURE, Site("mars"))
    found = decided(writer(ack_slots=(*BOTH, strange)), follower(AWS), follower(GCP), confirmed=(AWS,))
    assert refusing(found) == {"provable-ack-set"}


def test_an_etcd_that_knows_as_much_is_not_touched() -> None:
    """Whatever the databases prove, it knows more: claims, pauses, plans."""
    held = Held(posture=posture(), latest=Token(10))
    assert refusing(decided(writer(), follower(AWS), follower(GCP), confirmed=(AWS,), held=held)) == {"etcd-is-behind"}


@pytest.mark.parametrize(
    ("known", "latest"),
    [
        (posture(epoch=Epoch(3), reign=Epoch(3)), 10),
        (posture(), 9),
        (posture(must_cut=frozenset({AWS})), 10),
        (posture(writer=AWS, must_cut=frozenset({AZURE, GCP})), 10),
    ],
)
def test_an_etcd_from_the_past_is_found(known: Posture, latest: int) -> None:
    """By a higher epoch, a newer promise, a member that it would not cut, another writer; what an operator wanted by it is kept."""
    held = Held(posture=replace(known, drained=frozenset({GCP})), latest=Token(latest))
    written = proven(decided(writer(), follower(AWS), follower(GCP), confirmed=(AWS,), held=held))
    assert (written.writer, written.reign, written.must_cut, written.drained) == (AZURE, 4, {AWS, GCP}, {GCP})


def test_a_second_loss_takes_the_next_range() -> None:
    """Nodes hold a promise of the first; so does a rebuild that was interrupted behind it."""
    promised = [replace(one, token=Token(RANGE + 5)) for one in (writer(), follower(AWS), follower(GCP))]
    assert proven(decided(*promised, confirmed=(AWS,))).tokens_above == 2 * RANGE
    spent = [replace(one, token=Token(LAST - 1)) for one in promised]
    assert refusing(decided(*spent, confirmed=(AWS,))) == {"tokens-left"}


def test_an_epoch_that_left_a_trace_is_never_handed_out_again() -> None:
    """A slot of epoch 9 on one node is all that is left of a claim."""
    slot = Slot(name="payments_e9_aws_gcp", active=False, confirmed=writer().flushed, retained_bytes=0, lost=False)
    traced = follower(AWS, slots=(slot,))
    assert proven(decided(writer(), traced, follower(GCP), confirmed=(AWS,))).epoch == 9 + CLAIMS


def test_what_nobody_knows_is_said() -> None:
    """Whoever confirms reads what the settings stand in for."""
    found = decided(writer(), follower(AWS), confirmed=(AWS,))
    told = "\n".join(describe(found))
    assert "unknown: weights, drains, mode and pause of before" in told and "unknown: what gcp holds, which is silent" in told
    assert describe(decided()) == ()


def _stands(site: Site) -> some.SearchStrategy[NodeFacts]:
    """Anything a node may say, likely or not."""

    def said(role: Role, epoch: int, follows: Site, row: frozenset[Site], *, pinned: bool, seeded: bool, token: int) -> NodeFacts:
        name = stream("payments", Epoch(epoch), follows, site)
        streams = (Subscription(name=name, enabled=True, running=True, seeded=seeded, position=FIRST_LSN),)
        return follower(
            site,
            reign=epoch,
            role=role,
            pinned=pinned,
            token=Token(token),
            subscriptions=streams if role is Role.FOLLOWER and follows != site else (),
            ack_slots=tuple(stream("payments", Epoch(epoch), site, member) for member in sorted(row - {site})),
        )

    return some.builds(
        said,
        some.sampled_from(Role),
        some.integers(1, 3),
        some.sampled_from(SITES),
        some.frozensets(some.sampled_from(SITES)),
        pinned=some.booleans(),
        seeded=some.booleans(),
        token=some.integers(0, 3 * RANGE),
    )


FIRST_LSN = follower(AWS).subscriptions[0].position


@given(
    facts=some.tuples(*(some.none() | _stands(site) for site in SITES)),
    confirmed=some.frozensets(some.sampled_from(SITES)),
    latest=some.integers(0, 2 * RANGE),
)
def test_whatever_nodes_say_a_posture_covers_it(
    facts: tuple[NodeFacts | None, ...], confirmed: frozenset[Site], latest: int
) -> None:
    """Everybody who counts in the writer's row is cut, tokens and epochs are above all that was heard, and nobody wrote later."""
    said = [one for one in facts if one is not None]
    found = decided(*said, confirmed=tuple(confirmed), held=Held(posture=None, latest=Token(latest)))
    if found.posture is None:
        assert refusing(found)
        return
    written = found.posture
    assert len(said) >= 2 and written.must_cut <= frozenset(SITES)
    assert all(one.epoch <= written.reign < written.epoch and one.token < found.promise for one in said)
    assert latest < found.promise
    rivals = {one.site for one in said if one.epoch == written.reign and one.role is not Role.FOLLOWER}
    assert rivals <= {written.writer}
    for one in said:
        if one.site == written.writer and one.epoch == written.reign and one.role is not Role.FOLLOWER:
            row = {member for member in SITES if stream("payments", one.epoch, one.site, member) in one.ack_slots}
            assert row <= written.must_cut
            assert written.settled <= bool(confirmed & row and one.pinned)
