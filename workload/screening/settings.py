"""What one process of the screening service needs to know. It has no database and no secret."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from detection.score import Limits
from workload.durable.settings import Seconds, Table
from workload.layer_settings import LayerSettings

_DEFAULTS = Limits()
Positive = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]


class Thresholds(Table):
    """`[limits]`: from where on a payment is held; see `detection/score.py` and `lab/bench_detection.py`."""

    hold_at: Positive = _DEFAULTS.hold_at
    known: Annotated[float, Field(ge=2, le=63)] = _DEFAULTS.known
    """A profile stands for 64 payments at most: above 63 a short rest would make every account an unknown one."""
    amount_spread: Positive = _DEFAULTS.amount_spread
    pace_spread: Positive = _DEFAULTS.pace_spread
    burst: Positive = _DEFAULTS.burst

    def limits(self) -> Limits:
        """As the detector takes them."""
        return Limits(
            hold_at=self.hold_at,
            known=self.known,
            amount_spread=self.amount_spread,
            pace_spread=self.pace_spread,
            burst=self.burst,
        )


class Settings(LayerSettings):
    """The whole file."""

    service: Literal["screening"]
    limits: Thresholds = Thresholds()
    max_in_flight: Annotated[int, Field(ge=1, le=10_000)] = 256
    body_deadline: Seconds = timedelta(seconds=1)
    """How long a request's body may take to arrive."""
