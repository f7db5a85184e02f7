"""What is asked and answered, as its OpenAPI document shows it."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from detection.profile import MEMORY, Profile
from detection.streaming import WIDEST, Level
from workload.amounts import WHOLE

Amount = Annotated[int, Field(strict=True, gt=0, le=2**53), WHOLE]
Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Given(BaseModel):
    """Nothing unknown in it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class OrderBody(Given):
    """What is to be paid."""

    debtor: UUID
    creditor: UUID
    amount: Amount
    """Minor units."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    """ISO 4217."""


class LevelBody(Given):
    """Median and median absolute deviation, of logarithms."""

    median: Annotated[Finite, Field(ge=-100, le=100)]
    spread: Annotated[Finite, Field(gt=0, le=WIDEST)]
    """Also below what is learnt today: a ledger that learnt by other constants is no reason to screen nothing."""

    def level(self) -> Level:
        """As the detector takes it."""
        return Level(median=self.median, spread=self.spread)


class ProfileBody(Given):
    """The debtor's habits as of its last payment."""

    weight: Annotated[Finite, Field(ge=0, le=MEMORY)]
    amount: LevelBody
    pace: LevelBody
    recent: Annotated[Finite, Field(ge=0, le=1e12)]
    idle: Annotated[Finite, Field(ge=0, le=1e12)]
    """Seconds since that payment."""

    def profile(self) -> Profile:
        """As the detector takes it."""
        return Profile(weight=self.weight, amount=self.amount.level(), pace=self.pace.level(), recent=self.recent)


class Question(Given):
    """The body of `POST /v1/scores`."""

    order: OrderBody
    profile: ProfileBody | None = None
    """None: the debtor has never paid."""


class ScoreBody(BaseModel):
    """How unusual the payment is for its debtor."""

    score: float
    """Robust standard deviations above what is usual; 0 when there is nothing notable."""
    reasons: list[str]
    """In words, the weightiest first; also why an account is not judged."""
    advice: Literal["pass", "hold"]
