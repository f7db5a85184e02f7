"""Where the services of one fleet write, and what is said when that is not the same place."""

from datetime import timedelta

from controller.core.fleet import Fleet, Whereabouts, told
from controller.core.model import Epoch
from tests.unit.core.worlds import AWS, AZURE

PAYMENTS = Whereabouts(service="payments", writer=AWS, reign=Epoch(2), age=timedelta(0))
VAULT = Whereabouts(service="vault", writer=AWS, reign=Epoch(2), age=timedelta(0))
LEFT = Whereabouts(service="vault", writer=AZURE, reign=Epoch(1), plan="failover", age=timedelta(0))
LOST = Whereabouts(service="screener", writer=None)


def test_services_that_write_at_one_site_are_together_and_nothing_is_said() -> None:
    """Calm takes no line on anybody's screen."""
    fleet = Fleet(own=PAYMENTS, others=(VAULT,))
    assert fleet.together is True and told(fleet) == ""


def test_a_half_moved_fleet_says_who_writes_where_and_what_is_under_way() -> None:
    """The person on call sees at once whether it ends by itself."""
    fleet = Fleet(own=PAYMENTS, others=(LEFT, LOST))
    assert fleet.together is False
    assert told(fleet) == (
        "half-moved: payments writes at aws in epoch 2, but vault writes at azure in epoch 1, failover under way"
    )


def test_what_nobody_knows_is_neither_together_nor_apart() -> None:
    """A service whose loop has not been answered yet may write anywhere, and so may the own one."""
    assert Fleet(own=PAYMENTS, others=(VAULT, LOST)).together is None
    fleet = Fleet(own=LOST, others=(VAULT,))
    assert fleet.together is None and told(fleet) == "unknown: nobody here knows where screener writes"
