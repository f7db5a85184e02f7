"""What the authorities said after the decision is counted from the clients' record, each authority for itself."""

import pytest

from lab.reconcile_answers import Answers, answers
from lab.reconcile_recovery import recovery
from lab.record import Acknowledged, Answered, Enrolled, Failed, Habit, Line, Offered, Unanswered

DEAD, ALIVE = "192.0.2.2", "192.0.2.1"
PLACES = ("azuredns", "clouddns", "route53")


def said(authority: str, address: str | None, t: float) -> Answered:
    return Answered(device=0, name="n", authority=authority, address=address, ttl=2.0, t=t)


LINES: tuple[Line, ...] = (
    said("route53", DEAD, 9.0),
    said("route53", DEAD, 10.0),
    said("route53", ALIVE, 10.4),
    said("route53", DEAD, 10.6),
    said("route53", ALIVE, 12.0),
    said("clouddns", ALIVE, 11.0),
    Unanswered(device=0, name="n", authority="azuredns", t=11.5),
    said("route53", DEAD, 20.0),
    Unanswered(device=0, name="n", authority="azuredns", t=21.0),
)


def found() -> dict[str, Answers]:
    return dict(answers(LINES, authorities=PLACES, stale={DEAD}, begin=10.0, end=20.0))


def test_stale_answers_are_counted_from_the_decision_to_the_healing() -> None:
    """One at the moment of the decision counts, those before it and from the healing on do not."""
    route53 = found()["route53"]
    assert (route53.answered, route53.stale, route53.unanswered) == (4, 2, 0)
    assert route53.last_stale == pytest.approx(0.6)
    assert route53.share == 0.5


def test_an_authority_that_said_nothing_stale_has_no_last_moment() -> None:
    """No stale answer is not one after 0 s."""
    assert found()["clouddns"] == Answers(answered=1, stale=0, last_stale=None, unended=False, unanswered=0)


def test_a_silent_authority_has_no_share_and_its_silence_is_counted() -> None:
    """Nothing answered is not nothing stale."""
    assert found()["azuredns"] == Answers(answered=0, stale=0, last_stale=None, unended=False, unanswered=1)
    assert found()["azuredns"].share is None


@pytest.mark.parametrize(("t", "unended"), [(17.9, False), (18.1, True)])
def test_stale_answers_up_to_the_healing_have_not_ended(t: float, unended: bool) -> None:
    """Healing ended them: how long they would have gone on is not known, and the last moment must not look like an end."""
    lines = [said("route53", DEAD, t), said("route53", ALIVE, 19.0)]
    assert answers(lines, authorities=(), stale={DEAD}, begin=10.0, end=20.0)["route53"].unended is unended


def test_an_answer_without_an_address_is_none() -> None:
    """It names no dead site and no living one, and must not make the stale share smaller."""
    lines = [said("route53", DEAD, 11.0), said("route53", None, 12.0)]
    told = answers(lines, authorities=(), stale={DEAD}, begin=10.0, end=20.0)["route53"]
    assert (told.share, told.unanswered) == (1.0, 1)


def test_an_authority_that_nobody_expected_is_told_too() -> None:
    """Whatever is on the record is in the report."""
    assert "other" in answers([said("other", ALIVE, 11.0)], authorities=(), stale={DEAD}, begin=10.0, end=20.0)


def test_clients_that_ignore_ttls_are_a_group_of_their_own() -> None:
    """They wait for the edge or the healing, whatever the TTL of their name; the honest ones' figures are not touched."""
    lines: list[Line] = [
        Enrolled(device=0, name="n", habit=Habit.HONEST, t=0.0),
        Enrolled(device=1, name="n", habit=Habit.IGNORES_TTL, t=0.0),
    ]
    for device, back in ((0, 12.0), (1, 17.5)):
        key = f"k{device}"
        lines += [
            Offered(key=key, device=device, name="n", debtor="a", creditor="b", amount=1, currency="EUR", t=10.1),
            Failed(key=key, attempt=1, site="azure", why="deadline", t=11.1),
            Acknowledged(key=key, attempt=2, payment="p", epoch=2, site="aws", status=201, latency=0.1, t=back),
        ]
    seen = recovery(lines, fault_at=10.0, epoch_before=1, until=17.0)
    assert (seen.clients.affected, seen.clients.healed_first) == (1, 0)
    assert seen.clients.max == pytest.approx(2.0)
    assert seen.by_name["n"] == seen.clients
    assert seen.ignoring_ttl is not None
    assert (seen.ignoring_ttl.affected, seen.ignoring_ttl.healed_first, seen.ignoring_ttl.max) == (1, 1, None)


def test_who_ignores_ttls_and_holds_a_living_address_is_no_evidence_of_stale_ones() -> None:
    """Both met the writer's pause; only the one that was sent to the dead site has a wait of that kind to tell."""
    lines: list[Line] = [Enrolled(device=device, name="n", habit=Habit.IGNORES_TTL, t=0.0) for device in (0, 1)]
    for device, site, back in ((0, "azure", 14.0), (1, "gcp", 12.0)):
        key = f"k{device}"
        lines += [
            Offered(key=key, device=device, name="n", debtor="a", creditor="b", amount=1, currency="EUR", t=10.1),
            Failed(key=key, attempt=1, site=site, why="deadline", t=11.1),
            Acknowledged(key=key, attempt=2, payment="p", epoch=2, site="aws", status=201, latency=0.1, t=back),
        ]
    seen = recovery(lines, fault_at=10.0, epoch_before=1, until=17.0, site="azure")
    assert seen.ignoring_ttl is not None
    assert (seen.ignoring_ttl.affected, seen.ignoring_ttl.max) == (1, pytest.approx(4.0))
    assert (seen.clients.affected, seen.clients.max) == (1, pytest.approx(2.0)), "judged all the same"


def test_nobody_who_ignores_ttls_is_not_nobody_affected() -> None:
    """Without any such client in the run nothing is known about them."""
    assert recovery([Enrolled(device=0, name="n", habit=Habit.HONEST, t=0.0)], fault_at=1.0, epoch_before=1).ignoring_ttl is None
