"""A fleet that moved in part is told, with who moved first and how long the other took."""

from typing import Any

import pytest

from lab.half_moved import HalfMoved, ServiceMove, broken_move, half_moved


def move(service: str, first: float | None, **changes: Any) -> ServiceMove:
    """One service that moved from azure to aws."""
    usual: dict[str, Any] = {"writer_before": "azure", "writer_after": "aws", "epoch_before": 1, "epoch_after": 2}
    return ServiceMove(**{**usual, "service": service, "first_acknowledged": first, **changes})


@pytest.mark.parametrize("turned", [False, True])
def test_between_the_first_and_the_last_the_fleet_is_half_moved(turned: bool) -> None:
    """Whichever of them is told of first."""
    moves = [move("payments", 1.5), move("vault", 2.25), move("third", 2.0)]
    found = half_moved(moves[::-1] if turned else moves, "azure")
    assert found == HalfMoved(first="payments", last="vault", begin=1.5, end=2.25)
    assert found.seconds == 0.75


def test_a_fleet_of_which_one_never_moved_stays_half_moved() -> None:
    """However late the other one did."""
    found = half_moved([move("payments", None), move("vault", 2.0)], "azure")
    assert found == HalfMoved(first="vault", last="payments", begin=2.0, end=None)
    assert found.seconds is None


@pytest.mark.parametrize(
    "moves",
    [
        [],
        [move("payments", 1.0)],
        [move("payments", None), move("vault", None)],
        [move("payments", 1.0), move("vault", None, writer_before="gcp")],
    ],
)
def test_a_fleet_that_has_no_two_halves_is_not_half_moved(moves: list[ServiceMove]) -> None:
    """Alone, all down, or written elsewhere: nothing is half of anything."""
    assert half_moved(moves, "azure") is None


def test_a_service_that_moved_as_it_must_broke_nothing() -> None:
    """Once, to another site; or not at all when another site writes it."""
    assert broken_move(move("vault", 2.0), "azure") == ()
    assert broken_move(move("vault", 2.0, writer_after=None, epoch_after=None), "azure") == ()
    assert broken_move(move("vault", None, writer_before="gcp", writer_after="gcp", epoch_after=1), "azure") == ()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (move("vault", None), "vault: nothing was acknowledged in a later epoch"),
        (move("vault", 2.0, writer_after="azure"), "vault: azure is the writer again"),
        (move("vault", 2.0, epoch_after=3), "the epoch went from 1 to 3"),
        (move("vault", 2.0, epoch_after=1), "the epoch went from 1 to 1"),
        (move("vault", 2.0, writer_before="gcp"), "vault moved though azure did not write it"),
    ],
)
def test_a_move_that_broke_a_promise_is_told(wrong: ServiceMove, said: str) -> None:
    """Alone, in words."""
    (told,) = broken_move(wrong, "azure")
    assert said in told
