"""What payments makes of the vault's word about a token: only the vault's own, and nothing but the subject."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.unit.workload.asgi import Answer, ask
from tests.unit.workload.payments.desk import BODY, ID, ORDER, Desk, Reviewer, decided
from workload.calls.answer import Answered, Question, Reason, Unavailable
from workload.calls.deadline import ending
from workload.payments import ledger
from workload.payments.model import Order, Outcome
from workload.payments.sources import MOST_REMEMBERED, CalledVault, NoTimeLeft, Nowhere, PatientSources, VaultOutOfReach

pytestmark = pytest.mark.asyncio

TOKEN, SUBJECT = UUID(int=5), UUID(int=6)
PROBLEM = "urn:trimaran:problem:"


class Vault:
    """Answers as a test says, and remembers what it was asked."""

    def __init__(self, outcome: Answered | Unavailable) -> None:
        self.outcome = outcome
        self.asked: list[Question] = []

    async def ask(self, question: Question) -> Answered | Unavailable:
        self.asked.append(question)
        return self.outcome

    def sources(self) -> CalledVault:
        """As payments asks it."""
        return CalledVault(self, timedelta(seconds=0.3))


def said(status: int, **body: object) -> Answered:
    """An answer."""
    return Answered(status=status, body=json.dumps(body).encode(), headers={}, site="aws")


async def test_a_known_token_is_its_subjects() -> None:
    """Asked within the deadline, of any site, as often as it takes; neither kind nor last digits are kept."""
    vault = Vault(said(200, token=str(TOKEN), subject=str(SUBJECT)))
    assert await vault.sources().subject(TOKEN) == SUBJECT
    (question,) = vault.asked
    assert (question.method, question.path, question.content) == ("GET", f"/v1/tokens/{TOKEN}/subject", None)
    assert (question.within, question.idempotent, question.elsewhere) == (timedelta(seconds=0.3), True, True)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (said(404, type=f"{PROBLEM}unknown-token"), Outcome.UNKNOWN_SOURCE),
        (said(410, type=f"{PROBLEM}erased"), Outcome.ERASED_SOURCE),
    ],
)
async def test_what_the_vault_refuses_is_refused(answer: Answered, outcome: Outcome) -> None:
    """For good: its word is durable."""
    assert await Vault(answer).sources().subject(TOKEN) is outcome


@pytest.mark.parametrize(
    "answer",
    [
        said(404, type=f"{PROBLEM}not-found"),
        said(404, detail="no such page"),
        said(410, type=f"{PROBLEM}unknown-token"),
        said(200, token=str(TOKEN)),
        Answered(status=200, body=b"<html>", headers={}, site="aws"),
        said(401, type=f"{PROBLEM}no-token"),
        said(403, type=f"{PROBLEM}missing-scope"),
        said(429, type=f"{PROBLEM}too-many-requests"),
        Unavailable(reason=Reason.SILENT, detail="aws: no answer within 0.300 s", reached=True),
        Unavailable(reason=Reason.OPEN, detail="it has not answered lately"),
    ],
)
async def test_whatever_is_not_the_vaults_word_is_no_answer(answer: Answered | Unavailable) -> None:
    """A proxy's 404 turns no good token away for good, and nothing that was answered is repeated."""
    with pytest.raises(VaultOutOfReach) as caught:
        await Vault(answer).sources().subject(TOKEN)
    assert str(TOKEN) not in str(caught.value)


async def test_a_client_whose_time_is_over_is_told_that_and_not_that_the_vault_is_gone() -> None:
    """504, with nothing begun: whoever counts 503s would look for a fault at a vault that nobody asked."""
    vault = Vault(Unavailable(reason=Reason.OVER, detail="the time was over before the call"))
    with pytest.raises(NoTimeLeft) as caught:
        await vault.sources().subject(TOKEN)
    answer = await pay(Counter(decided("unknown_source", None), subject=caught.value))
    assert (answer.status, answer.body["type"], answer.body["outcome"]) == (504, f"{PROBLEM}deadline-over", "nothing-happened")


async def test_without_a_vault_nobody_can_say() -> None:
    """A process that has none serves known tokens alone."""
    with pytest.raises(VaultOutOfReach, match="no vault"):
        await Nowhere().subject(TOKEN)


async def test_the_digest_of_an_order_without_a_source_is_what_it_was() -> None:
    """Keys of before mean the payments of before; another source is another payment."""
    digest = "ef5d8f6fba7201ada4cf4bcfd5474b95adeefcdfb06c91bc07604a9bab616857"
    orders = [ORDER, *(Order(**{**asked(ORDER), "source": source}) for source in (TOKEN, SUBJECT))]
    assert len({one.digest for one in orders}) == 3
    assert ORDER.digest.hex() == digest


def asked(order: Order) -> dict[str, Any]:
    """Its fields."""
    return {name: getattr(order, name) for name in ("key", "debtor", "creditor", "amount", "currency")}


class Counter(Desk):
    """A desk whose writer answers one thing after the other, and which has sources of its own."""

    def __init__(self, *answers: Any, subject: UUID | Outcome | VaultOutOfReach) -> None:
        super().__init__(answers[0])
        self.answers_left, self.told = list(answers), subject
        self.subjects = 0
        self.payments._sources = self

    async def run(self, work: Callable[..., Any], deadline: object) -> Any:
        """The session."""
        self.asked += 1
        return self.answers_left.pop(0)

    async def subject(self, token: UUID) -> UUID | Outcome:
        """The vault."""
        self.subjects += 1
        if isinstance(self.told, VaultOutOfReach):
            raise self.told
        return self.told


async def pay(desk: Desk, **changes: object) -> Answer:
    """From the token."""
    return await ask(desk.app, "POST", "/v1/payments", {**BODY, "source": str(TOKEN), **changes}, {"Idempotency-Key": "k"})


async def test_the_vault_is_asked_only_about_what_the_ledger_does_not_know() -> None:
    """Once known it is one trip to the writer as ever; unknown, the writer is asked again with the vault's word."""
    known = Counter(decided("created"), subject=SUBJECT)
    assert ((await pay(known)).status, known.subjects, known.asked) == (201, 0, 1)
    new = Counter(decided("unknown_source", None), decided("created"), subject=SUBJECT)
    answer = await pay(new)
    assert (answer.status, answer.body["id"], new.subjects, new.asked) == (201, str(ID), 1, 2)


@pytest.mark.parametrize(
    ("told", "status", "expected"),
    [
        (Outcome.UNKNOWN_SOURCE, 422, "unknown-source"),
        (Outcome.ERASED_SOURCE, 422, "erased-source"),
        (VaultOutOfReach("the vault was asked whose the source is: silent"), 503, "vault-out-of-reach"),
    ],
)
async def test_without_the_vaults_word_nothing_is_written(told: Any, status: int, expected: str) -> None:
    """Refused for good, by the writer's word after the vault's, or to be tried again; either way nothing was written."""
    desk = Counter(decided("unknown_source", None), decided("unknown_source", None), subject=told)
    answer = await pay(desk)
    assert (answer.status, answer.body["type"], desk.asked) == (status, f"{PROBLEM}{expected}", 1 if status == 503 else 2)
    assert answer.headers.get("retry-after") in (("1", "2") if status == 503 else (None,))


@pytest.mark.parametrize("gone", [Outcome.UNKNOWN_SOURCE, Outcome.ERASED_SOURCE])
async def test_a_payment_that_a_twin_made_meanwhile_is_not_denied(gone: Outcome) -> None:
    """The first attempt is on its way to the vault; the second was told whose the token is, and paid, and its answer was lost; then the
    subject was erased. The first is answered with the payment that exists, and not that there is none."""
    desk = Counter(decided("unknown_source", None), decided("replayed"), subject=gone)
    answer = await pay(desk)
    assert (answer.status, answer.body["id"], answer.headers["idempotent-replayed"]) == (201, str(ID), "true")


async def test_what_the_ledger_says_of_a_source_goes_before_the_vaults_word() -> None:
    """Both rest on what is durable; the ledger's is the one that keeps payments out."""
    desk = Counter(decided("unknown_source", None), decided("erased_source", None), subject=Outcome.UNKNOWN_SOURCE)
    assert (await pay(desk)).body["type"] == f"{PROBLEM}erased-source"


async def test_a_source_is_a_uuid_and_nothing_else() -> None:
    """A number that is put there is refused by its shape, and not repeated."""
    answer = await pay(Counter(decided("created"), subject=SUBJECT), source="4111111111111111")
    assert answer.status == 422 and "4111" not in str(answer.body)


@pytest.mark.parametrize(("amount", "status"), [(10**12 - 1, 201), (10**12, 422)])
async def test_no_amount_could_be_taken_for_a_card_number(amount: int, status: int) -> None:
    """Fewer than thirteen digits; what would be redacted in every log cannot be paid."""
    desk = Desk(decided("created"))
    assert (await ask(desk.app, "POST", "/v1/payments", {**BODY, "amount": amount}, {"Idempotency-Key": "k"})).status == status


@pytest.mark.parametrize(
    "key",
    [
        "order-4111111111111111",
        "4111-1111-1111-1111",
        "DE89370400440532013000",
        "custDE89370400440532013000-1",
        "cust-4111111111111111001",
        "14111111111111111",
        "20241118.4111111111111111",
        "order/4111/1111/1111/1111",
        "4111%201111%201111%201111",
        "4111-/-1111-/-1111-/-1111",
        "00000000-0000-0000-4111-111111111111",
    ],
)
async def test_a_key_in_which_a_number_stands_is_refused(key: str) -> None:
    """400, before anything is asked: keys are kept for ever. The number is not repeated."""
    desk = Desk(decided("created"))
    answer = await ask(desk.app, "POST", "/v1/payments", BODY, {"Idempotency-Key": key})
    assert (answer.status, answer.body["type"], desk.asked) == (400, f"{PROBLEM}malformed-request", 0)
    assert key not in str(answer.body)


async def test_a_number_where_none_belongs_is_not_repeated() -> None:
    """As a field's name, and in an address."""
    desk = Desk(decided("created"))
    body = {**BODY, "4111111111111111": 1}
    for method, path, sent in (("POST", "/v1/payments", body), ("GET", "/v1/payments/4111111111111111", None)):
        answer = await ask(desk.app, method, path, sent, {"Idempotency-Key": "k"})
        assert answer.status in (400, 422) and "4111" not in str(answer.body) and "[redacted]" in str(answer.body)


PROOF = {
    "id": str(ID),
    "subject_digest": "\\x" + "ab" * 32,
    "accounts": 1,
    "profiles": 0,
    "sources": 2,
    "caller": "maria for kim",
    "reason": "request",
    "epoch": 3,
    "at": "2026-01-02T03:04:05+00:00",
    "ended_at": "2026-01-02T03:04:06+00:00",
}


@pytest.mark.parametrize(("outcome", "replayed"), [("erased", None), ("replayed", "true")])
async def test_an_erasure_answers_its_proof(outcome: str, replayed: str | None) -> None:
    """Durable as everything, with who asked for whom."""
    desk = Desk(((outcome, PROOF, 3, 11, 1), "COMMIT", ("0/10", ["slot"])), reviewer=Reviewer())
    body = {"reason": "request of the subject", "by": "kim"}
    answer = await ask(desk.app, "DELETE", f"/v1/subjects/{SUBJECT}", body)
    assert (answer.status, answer.body["proof"], answer.body["subject_sha256"]) == (200, str(ID), "ab" * 32)
    assert answer.headers.get("idempotent-replayed") == replayed and len(desk.confirmed) == 1


async def test_of_whom_nothing_is_held_is_forgotten_all_the_same() -> None:
    """404, in the words that whoever carries out erasures looks for, with the proof that keeps it so."""
    proof = {**PROOF, "accounts": 0, "sources": 0}
    desk = Desk((("unknown_subject", proof, 3, 11, 1), "COMMIT", ("0/10", ["slot"])), reviewer=Reviewer())
    answer = await ask(desk.app, "DELETE", f"/v1/subjects/{SUBJECT}", {"reason": "request of the subject"})
    assert (answer.status, answer.body["type"]) == (404, f"{PROBLEM}unknown-subject")
    assert (answer.body["erasure"]["proof"], answer.body["erasure"]["sources"]) == (str(ID), 0) and len(desk.confirmed) == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reason": "ticket 17"},
        {"reason": "ok", "by": "kim"},
        {"reason": "request", "by": "4111 1111 1111 1111"},
        {"reason": "request", "by": "123456789"},
        {"reason": "request", "by": "DE89370400440532013000"},
        {"reason": "request", "by": "GB57TESTABCDEFGHIJKLMN"},
        {"reason": "request", "by": "\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669"},
    ],
)
async def test_a_reason_and_a_name_hold_no_number(body: dict[str, str]) -> None:
    """They stay for ever."""
    desk = Desk(None, reviewer=Reviewer())
    assert (await ask(desk.app, "DELETE", f"/v1/subjects/{SUBJECT}", body)).status == 422
    assert desk.asked == 0


async def test_keys_are_looked_up_among_payments_and_held_ones() -> None:
    """One question with one parameter, as whoever asks it has one."""
    assert ledger.KNOWS.count("%s") == 1 and "ledger.held" in ledger.KNOWS and "ledger.payment" in ledger.KNOWS


class Slowly:
    """A vault that answers when it is told."""

    def __init__(self, answer: UUID | Outcome | Exception = SUBJECT) -> None:
        self.answer, self.go, self.asked, self.now = answer, asyncio.Event(), 0, 100.0

    async def subject(self, token: UUID) -> UUID | Outcome:
        """Whatever it is that was asked for."""
        assert token == TOKEN
        self.asked += 1
        await self.go.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def patient(self, deadline: timedelta = timedelta(seconds=5)) -> PatientSources:
        """As payments asks it."""
        return PatientSources(self, deadline=deadline, monotonic=lambda: self.now)


async def test_an_answer_that_came_too_late_is_there_for_the_next_attempt() -> None:
    """The question outlives the attempt that asked it, and is not asked again. While the ways are slow every attempt would be too short."""
    vault = Slowly()
    sources = vault.patient()
    with ending(vault.now + 0.005), pytest.raises(VaultOutOfReach, match="not answered yet"):
        await sources.subject(TOKEN)
    vault.go.set()
    await asyncio.sleep(0)
    assert await sources.subject(TOKEN) == SUBJECT
    assert vault.asked == 1


async def test_nothing_is_asked_for_whose_time_is_over() -> None:
    """And nothing is said of the vault, which nobody asked."""
    vault = Slowly()
    with ending(vault.now), pytest.raises(NoTimeLeft):
        await vault.patient().subject(TOKEN)
    assert vault.asked == 0


async def test_an_answer_is_remembered_for_a_moment() -> None:
    """Long enough for the attempts of one payment, and no longer."""
    vault = Slowly()
    vault.go.set()
    sources = vault.patient()
    for moment, asked in ((100.0, 1), (104.9, 1), (105.0, 2)):
        vault.now = moment
        assert (await sources.subject(TOKEN), vault.asked) == (SUBJECT, asked)


@pytest.mark.parametrize("word", [Outcome.ERASED_SOURCE, VaultOutOfReach("no")], ids=["refused", "failed"])
async def test_only_an_answer_that_lets_pay_is_remembered(word: Outcome | Exception) -> None:
    """What is refused ends the payment, and only the newest word may; what failed may be well again."""
    vault = Slowly(word)
    vault.go.set()
    sources = vault.patient()
    for asked in (1, 2):
        if isinstance(word, Exception):
            with pytest.raises(VaultOutOfReach):
                await sources.subject(TOKEN)
        else:
            assert await sources.subject(TOKEN) is word
        assert vault.asked == asked


async def test_no_more_answers_are_remembered_than_may_be() -> None:
    """The oldest goes."""
    seen: list[UUID] = []

    class Everybody:
        async def subject(self, token: UUID) -> UUID | Outcome:
            seen.append(token)
            return SUBJECT

    sources = PatientSources(Everybody(), deadline=timedelta(seconds=5), monotonic=lambda: 100.0)
    tokens = [UUID(int=number) for number in range(MOST_REMEMBERED + 1)]
    for token in (*tokens, tokens[-1], tokens[0]):
        await sources.subject(token)
    assert seen == [*tokens, tokens[0]]
