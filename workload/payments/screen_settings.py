"""What the payments service needs to know to have payments screened."""

from datetime import timedelta

from workload.calls.settings import CalleeSettings
from workload.durable.settings import Seconds, Table
from workload.payments.screen import Default


class ScreeningTable(Table):
    """`[screening]`. Without the table nothing is screened, and nothing is ever held."""

    callee: CalleeSettings
    default: Default = Default.PASS
    """What becomes of payments while nobody screens them."""
    deadline: Seconds = timedelta(seconds=0.06)
    """For profile and score together. Together with `tuning.request_deadline` it must stay below the clients' own deadline."""
