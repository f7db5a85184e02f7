"""Where the money of a payment comes from: a token of the vault, which says whose it is and not what number stands behind it.

Only about a token that no payment came from yet is the vault asked; every other one the ledger knows. So payments from known tokens go on
while the vault is gone.
"""

from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

from workload.calls.answer import Answered, Outcome, Question, Reason, Unavailable
from workload.calls.deadline import budget
from workload.calls.lasting import Lasting
from workload.durable.errors import NothingHappened
from workload.payments import model

GONE = {404: ("unknown-token", model.Outcome.UNKNOWN_SOURCE), 410: ("erased", model.Outcome.ERASED_SOURCE)}
"""What the vault says of a token that nobody can pay from: status, end of the problem's type, and what becomes of the order."""


class VaultOutOfReach(NothingHappened):
    """Nobody can say whose this source is: no payment came from it yet, and the vault does not answer."""


class NoTimeLeft(VaultOutOfReach):
    """The vault was not asked: its client's own time was over before. Whether it can answer was not seen."""


class Sources(Protocol):
    """Knows whose a token is."""

    async def subject(self, token: UUID) -> UUID | model.Outcome:
        """The subject, or why nobody can pay from it. Raises VaultOutOfReach, within a deadline of its own."""


class Calls(Protocol):
    """Asks the vault, by mutual TLS, within the deadline that the question names."""

    async def ask(self, question: Question) -> Outcome:
        """Does not raise."""


class Nowhere:
    """Sources of a process that has no vault to ask."""

    async def subject(self, token: UUID) -> UUID | model.Outcome:  # noqa: ARG002
        """Nobody can say."""
        raise VaultOutOfReach("no payment came from this source yet, and this process has no vault to ask whose it is")


class Described(BaseModel):
    """An answer of `GET /v1/tokens/{token}/subject`."""

    model_config = ConfigDict(extra="ignore")

    subject: UUID


class Refusal(BaseModel):
    """A problem document of the vault's."""

    model_config = ConfigDict(extra="ignore")

    type: str


class CalledVault:
    """Sources by asking the vault over the network. Any of its sites may answer: all have the same tokens."""

    def __init__(self, calls: Calls, deadline: timedelta) -> None:
        self._calls, self._deadline = calls, deadline

    async def subject(self, token: UUID) -> UUID | model.Outcome:
        """See `Sources`."""
        path = f"/v1/tokens/{token}/subject"
        question = Question(method="GET", path=path, within=self._deadline, idempotent=True, elsewhere=True)
        answer = await self._calls.ask(question)
        if isinstance(answer, Unavailable) and answer.reason is Reason.OVER:
            raise NoTimeLeft(f"the vault was to be asked whose the source is: {answer.detail}")
        if isinstance(answer, Unavailable):
            raise VaultOutOfReach(f"the vault was asked whose the source is: {answer.reason}: {answer.detail}")
        return _read(answer)


REMEMBERED = timedelta(seconds=5)
"""How long an answer is kept for the next attempt of the same payment: the longest that clients pause, twice, and some more. In that
time an erasure in the vault alone keeps nobody from paying, as it never does once the ledger knows the source; one in payments does."""
MOST_REMEMBERED = 1000


class PatientSources:
    """Sources of which the answer is there for whoever asks next, when it came too late for whoever asked first.

    A payment waits for the vault between two trips to the writer. While the ways are slow all three do not fit into the second that a
    client has, and each attempt would begin with the question again.
    """

    def __init__(self, asked: Sources, *, deadline: timedelta, monotonic: Callable[[], float]) -> None:
        """`deadline`: of one question, whoever waits for it."""
        self._asked, self._deadline, self._monotonic = asked, deadline, monotonic
        self._questions: Lasting[UUID | model.Outcome] = Lasting(
            longest=deadline, monotonic=monotonic, crowded=VaultOutOfReach, expected=(VaultOutOfReach,)
        )
        self._remembered: OrderedDict[UUID, tuple[UUID, float]] = OrderedDict()

    async def subject(self, token: UUID) -> UUID | model.Outcome:
        """See `Sources`."""
        found = self._remembered.get(token)
        if found is not None and self._monotonic() < found[1]:
            return found[0]
        patience = budget(self._deadline, self._monotonic())
        if patience <= timedelta(0):
            raise NoTimeLeft("the vault was to be asked whose the source is: the time was over before")
        try:
            return await self._questions.join(token, lambda: self._ask(token), patience)
        except TimeoutError:
            raise VaultOutOfReach("the vault was asked whose the source is, and has not answered yet") from None

    async def _ask(self, token: UUID) -> UUID | model.Outcome:
        answer = await self._asked.subject(token)
        if isinstance(answer, UUID):
            # What it refuses is asked again: no payment comes of that, and only its newest word may be final.
            self._remembered[token] = (answer, self._monotonic() + REMEMBERED.total_seconds())
            self._remembered.move_to_end(token)
            while len(self._remembered) > MOST_REMEMBERED:
                self._remembered.popitem(last=False)
        return answer


def _read(answer: Answered) -> UUID | model.Outcome:
    """Only what the vault itself says counts: a 404 of somebody who has no such route would turn good tokens away for good."""
    try:
        if answer.status == 200:
            return Described.model_validate_json(answer.body).subject
        if answer.status in GONE:
            kind, outcome = GONE[answer.status]
            if Refusal.model_validate_json(answer.body).type.endswith(f":{kind}"):
                return outcome
    except ValidationError as error:
        raise VaultOutOfReach("the vault was asked whose the source is: an answer that cannot be read") from error
    raise VaultOutOfReach(f"the vault was asked whose the source is: HTTP {answer.status}")
