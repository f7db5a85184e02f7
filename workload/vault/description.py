"""What the vault answers, for its OpenAPI document. Numbers in examples are test numbers that no bank issues."""

from datetime import datetime
from uuid import UUID

from workload.openapi import probes
from workload.openapi.answer import Answer, Described, Descriptions, Refusal, Told
from workload.openapi.layers import DURABLE
from workload.openapi.problems import MissingScope
from workload.vault.model import DOES_NOT_PROVE, Outcome
from workload.vault.numbers import Kind
from workload.vault.problems import describe_refusal

SAYS = """Keeps card and account numbers, and gives tokens for them.

A token says nothing about its number. Only a reveal shows a number, with a scope of its own, and only after who asked and why is on
record in two clouds. No answer, error or log repeats what was sent. Erasing a subject destroys the key that all its numbers are sealed
with."""

TAGS = {
    "tokens": "Numbers in, tokens out, and back.",
    "erasures": "Forgetting somebody, provably.",
    **probes.TAGS,
}

CARD = "4111111111111111"
"""A test number of the card schemes."""
ACCOUNT = "GB29NWBK60161331926819"
"""The example of the IBAN registry (ISO 13616) for the United Kingdom."""
TOKEN, SUBJECT = "7c1a9e4e-0f5d-4b5c-9a52-3f1f3a6f7b10", "5b0e0d4c-3f57-4c0b-8d43-0c5f2a9e6d11"
ERASURE = "01890a5d-ac96-774b-bcce-b302099a8057"
REASON = "chargeback dispute"
SHOWN = {
    "token": TOKEN,
    "kind": "card",
    "subject": SUBJECT,
    "last_four": CARD[-4:],
    "epoch": 3,
    "created_at": "2026-01-02T03:04:05.678901+00:00",
}
PROOF = {
    "proof": ERASURE,
    "subject": SUBJECT,
    "data_key": "01890a5d-ac96-774b-bcce-b302099a8058",
    "clouds": ["aws", "azure", "gcp"],
    "wraps_sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "tokens": 2,
    "caller": "desk",
    "by": "Jo Doe",
    "reason": "customer request",
    "epoch": 3,
    "erased_at": "2026-01-02T04:00:00+00:00",
    "does_not_prove": DOES_NOT_PROVE,
}


class TokenDocument(Told):
    """Everything about a number but the number."""

    token: UUID
    kind: Kind
    subject: UUID
    last_four: str | None
    """Null when no cloud in reach opens it."""
    epoch: int
    """Reign of the writer that admitted it."""
    created_at: datetime


class SubjectDocument(Told):
    """Whose a token is."""

    token: UUID
    subject: UUID


class NumberDocument(Told):
    """The number itself."""

    token: UUID
    kind: Kind
    number: str
    """Without separators, in upper case."""


class ProofDocument(Told):
    """An erasure as it is on record."""

    proof: UUID
    subject: UUID
    data_key: UUID
    clouds: list[str]
    """Whose wraps of the key were destroyed."""
    wraps_sha256: str
    """Of the destroyed wraps in order of cloud: cloud, name of the key-encryption key, ciphertext, each after its length in four bytes."""
    tokens: int
    """How many can be opened no more."""
    caller: str
    by: str | None
    reason: str
    epoch: int
    erased_at: datetime
    does_not_prove: str


class BrokenRule(Told):
    """Why a text is no number."""

    rule: str | None = None


class ReadyVaultDocument(probes.ReadyDocument):
    """A write has just gone through: the writer took it, and the barrier opened."""

    cached_keys: int


class UnreadyVaultDocument(probes.UnreadyDocument):
    """The same, when it has not."""

    cached_keys: int | None = None


def _refused(outcome: Outcome, says: str) -> Refusal:
    problem = describe_refusal(outcome)
    return Refusal(status=problem.status, kind=problem.kind, says=says)


ERASED = _refused(Outcome.ERASED, "the subject was erased; nothing opens its numbers again")
UNKNOWN_TOKEN = _refused(Outcome.UNKNOWN_TOKEN, "there is no such token")
FORBIDDEN = Refusal(
    status=403, kind="insufficient-scope", says="the caller does not have the scope of this operation", members=MissingScope
)
SEAL_BROKEN = Refusal(status=500, kind="seal-broken", says="a row was changed or moved: a person must act")
SEALED = (
    Refusal(status=503, kind="keys-out-of-reach", says="too few clouds' key services answered in time; nothing happened"),
    Refusal(status=500, kind="key-lost", says="every cloud answered and none opens the key: a person must act"),
    SEAL_BROKEN,
)
EVERY = (FORBIDDEN, *DURABLE)
KEPT = ("Served-By", "Cache-Control")
WHERE = {"token": "$response.body#/token"}

KEEP = Described(
    summary="Keep a number, and have a token for it",
    says="Once per key, for ever. A `card` has 13 to 19 digits, begins as cards do, and its last digit checks the others; an `iban`"
    " is checked as ISO 13616 says. Spaces and hyphens are passed over.",
    tag="tokens",
    answers={
        201: Answer(
            says="The number is sealed and kept in two clouds.",
            body=TokenDocument,
            headers=("Location", *KEPT),
            perhaps=("Idempotent-Replayed",),
            example=SHOWN,
            links={
                "describe_token": WHERE,
                "name_subject": WHERE,
                "give_number_out": WHERE,
                "erase_subject": {"id": "$response.body#/subject"},
            },
        )
    },
    refusals=(
        _refused(Outcome.KEY_REUSED, "this Idempotency-Key belongs to another number, subject or caller"),
        _refused(Outcome.UNKNOWN_KEY, "the subject's data key is not in the writer's database; nothing happened"),
        Refusal(status=422, kind="not-a-number", says="the text is no number of its kind; `rule` says why", members=BrokenRule),
        ERASED,
        *SEALED,
        *EVERY,
    ),
    parameters={"Idempotency-Key": "0b5f2a34-6c1d-4d3e-8f00-5d5a5e0c9d11"},
    bodies={
        "card": {"subject": SUBJECT, "kind": "card", "number": CARD},
        "account": {"subject": SUBJECT, "kind": "iban", "number": ACCOUNT},
    },
)

DESCRIBE = Described(
    summary="Describe a token",
    says="Who asked is on record before the last four characters are opened. They are left out when no cloud opens them.",
    tag="tokens",
    answers={200: Answer(says="Everything but the number.", body=TokenDocument, headers=KEPT, example=SHOWN)},
    refusals=(UNKNOWN_TOKEN, ERASED, SEAL_BROKEN, *EVERY),
    parameters={"token": TOKEN},
)

SUBJECT_OF = Described(
    summary="Whose is this token?",
    says="For services that have no use for digits: no key is touched, and nothing is told of the number, not even its kind.",
    tag="tokens",
    answers={
        200: Answer(says="The subject.", body=SubjectDocument, headers=KEPT, example={"token": TOKEN, "subject": SUBJECT}),
    },
    refusals=(UNKNOWN_TOKEN, ERASED, *EVERY),
    parameters={"token": TOKEN},
)

REVEAL = Described(
    summary="Have the number",
    says="The reason is kept with the caller's name, for years. It holds words only: no digit.",
    tag="tokens",
    answers={
        200: Answer(
            says="The number.", body=NumberDocument, headers=KEPT, example={"token": TOKEN, "kind": "card", "number": CARD}
        )
    },
    refusals=(UNKNOWN_TOKEN, ERASED, *SEALED, *EVERY),
    parameters={"token": TOKEN},
    bodies={"dispute": {"reason": REASON}},
)

ERASE = Described(
    summary="Forget somebody",
    says="Destroys every wrap of the subject's data key. Again answers the same proof. `by` names the person who wants it.",
    tag="erasures",
    answers={
        200: Answer(
            says="It is done, and on record in two clouds.",
            body=ProofDocument,
            headers=("Content-Location", *KEPT),
            perhaps=("Idempotent-Replayed",),
            example=PROOF,
            links={"read_proof": {"id": "$response.body#/proof"}},
        )
    },
    refusals=(_refused(Outcome.UNKNOWN_SUBJECT, "nothing was ever kept for this subject"), *EVERY),
    parameters={"id": SUBJECT},
    bodies={"request": {"reason": "customer request", "by": "Jo Doe"}},
)

READ_PROOF = Described(
    summary="Read the proof of an erasure",
    tag="erasures",
    answers={200: Answer(says="The proof.", body=ProofDocument, headers=KEPT, example=PROOF)},
    refusals=(Refusal(status=404, kind="unknown-erasure", says="there is no such erasure"), *EVERY),
    parameters={"id": ERASURE},
)

DESCRIPTIONS: Descriptions = {
    ("POST", "/v1/tokens"): KEEP,
    ("GET", "/v1/tokens/{token}"): DESCRIBE,
    ("GET", "/v1/tokens/{token}/subject"): SUBJECT_OF,
    ("POST", "/v1/tokens/{token}/reveal"): REVEAL,
    ("DELETE", "/v1/subjects/{id}"): ERASE,
    ("GET", "/v1/erasures/{id}"): READ_PROOF,
    **probes.durable(ReadyVaultDocument, UnreadyVaultDocument),
}
