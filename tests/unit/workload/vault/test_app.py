"""The HTTP door: who may ask what, and that nothing a client sends comes back in an error."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI, Request
from starlette.types import Message, Receive, Scope, Send

from tests.unit.workload.asgi import Answer, ask
from workload.access.operations import Operations
from workload.durable.errors import NoWriter, OutcomeUnknown
from workload.vault.app import build
from workload.vault.callers import OPERATIONS
from workload.vault.errors import KeyLost, KeysOutOfReach, SealBroken
from workload.vault.model import Described, Erased, Grounds, Order, Outcome, Proof, Revealed, Token, Tokenized, Whose
from workload.vault.numbers import Kind, read_number
from workload.vault.paths import Paths

pytestmark = pytest.mark.asyncio

PLANTED = "4111111111111111"
TOKEN, SUBJECT, KEY = (UUID(int=number, version=4) for number in (0xA1, 0xA2, 0xA3))
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SHOWN = Token(id=TOKEN, kind=Kind.CARD, subject=SUBJECT, epoch=1, created_at=NOW, last_four="1111")
PROOF = Proof(
    id=KEY,
    subject=SUBJECT,
    data_key=KEY,
    clouds=("aws", "gcp"),
    wraps_digest=b"\x01" * 32,
    tokens=1,
    grounds=Grounds(caller="desk", reason="customer-request"),
    epoch=1,
    erased_at=NOW,
)
BODY = {"subject": str(SUBJECT), "kind": "card", "number": PLANTED}
ALL = frozenset({"vault:tokenize", "vault:reveal", "vault:read", "vault:subject", "vault:erase"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Somebody:
    """A caller."""

    subject: str
    scopes: frozenset[str]


class Stage:
    """The door over a vault whose answers the test decides."""

    def __init__(self, scopes: frozenset[str] = ALL) -> None:
        self.scopes = scopes
        self.asked: list[object] = []
        self.fails: Exception | None = None
        self.outcome: Outcome | None = None
        self.app = Paths(build_for(self))

    def who(self, request: Request) -> Somebody:
        """The same for every request."""
        return Somebody(subject="desk", scopes=self.scopes)

    def note(self, *asked: object) -> None:
        """What the service was asked."""
        self.asked.append(asked)
        if self.fails is not None:
            raise self.fails

    async def tokenize(self, order: Order) -> Tokenized:
        self.note(order)
        return Tokenized(outcome=self.outcome) if self.outcome else Tokenized(outcome=Outcome.CREATED, token=SHOWN)

    async def reveal(self, token: UUID, grounds: Grounds) -> Revealed:
        self.note(token, grounds)
        number = read_number(Kind.CARD, PLANTED)
        return Revealed(outcome=self.outcome) if self.outcome else Revealed(outcome=Outcome.FOUND, number=number)

    async def describe(self, token: UUID, caller: str) -> Described:
        self.note(token, caller)
        return Described(outcome=self.outcome) if self.outcome else Described(outcome=Outcome.FOUND, token=SHOWN)

    async def whose(self, token: UUID) -> Whose:
        self.note(token)
        return Whose(outcome=self.outcome) if self.outcome else Whose(outcome=Outcome.FOUND, subject=SUBJECT)

    async def erase(self, subject: UUID, grounds: Grounds) -> Erased:
        self.note(subject, grounds)
        return Erased(outcome=self.outcome) if self.outcome else Erased(outcome=Outcome.ERASED, proof=PROOF)

    async def erasure(self, id: UUID) -> Proof | None:
        self.note(id)
        return None if self.outcome else PROOF

    async def prove_write_path(self) -> None:
        self.note()

    async def keep(self, body: object = BODY, **headers: str) -> Answer:
        """POST /v1/tokens."""
        return await ask(self.app, "POST", "/v1/tokens", body, {"idempotency-key": str(KEY), **headers})


def build_for(stage: Stage) -> FastAPI:
    """The application over this stage."""
    vault: Any = stage
    return build(vault, vault, who=stage.who, site="aws", metrics=lambda: b"", situation=dict)


REQUESTS: Mapping[str, tuple[str, str, object]] = {
    "vault:tokenize": ("POST", "/v1/tokens", BODY),
    "vault:reveal": ("POST", f"/v1/tokens/{TOKEN}/reveal", {"reason": "dispute"}),
    "vault:read": ("GET", f"/v1/tokens/{TOKEN}", None),
    "vault:subject": ("GET", f"/v1/tokens/{TOKEN}/subject", None),
    "vault:erase": ("DELETE", f"/v1/subjects/{SUBJECT}", {"reason": "customer-request", "by": "Jo Doe"}),
}


async def request(stage: Stage, scope: str) -> Answer:
    """The operation that needs this scope."""
    method, target, body = REQUESTS[scope]
    return await ask(stage.app, method, target, body, {"idempotency-key": str(KEY)})


@pytest.mark.parametrize("scope", REQUESTS)
async def test_every_operation_needs_its_own_scope(scope: str) -> None:
    """With it alone it is done, with all the others it is not, and the vault is not even asked."""
    allowed, refused = Stage(frozenset({scope})), Stage(ALL - {scope})
    assert (await request(allowed, scope)).status in (200, 201) and len(allowed.asked) == 1
    answer = await request(refused, scope)
    assert (answer.status, answer.body["type"]) == (403, "urn:trimaran:problem:insufficient-scope")
    assert f'scope="{scope}"' in answer.headers["www-authenticate"] and refused.asked == []


async def test_whoever_checks_tokens_knows_every_operation_and_its_scope() -> None:
    """What is not listed there may nobody do, and a scope that differs would let in whom the vault then turns away."""
    operations = Operations(OPERATIONS)
    for scope, (method, target, _) in REQUESTS.items():
        assert operations.scope(method, target.partition("?")[0]) == scope
    assert operations.scope("GET", f"/v1/erasures/{KEY}") == "vault:read"
    documented = build_for(Stage()).openapi()["paths"]
    listed = {(one.method.lower(), one.path) for one in OPERATIONS}
    assert {(method, path) for path, methods in documented.items() for method in methods if path.startswith("/v1/")} == listed


async def test_proofs_need_the_scope_to_read() -> None:
    """The proof names the subject."""
    target = f"/v1/erasures/{KEY}"
    assert (await ask(Stage(frozenset({"vault:read"})).app, "GET", target)).body["wraps_sha256"] == "01" * 32
    assert (await ask(Stage(ALL - {"vault:read"}).app, "GET", target)).status == 403


async def test_who_and_why_reach_the_vault() -> None:
    """The caller's name comes from its token, never from the request."""
    stage = Stage()
    await request(stage, "vault:reveal")
    await request(stage, "vault:erase")
    await request(stage, "vault:read")
    assert stage.asked == [
        (TOKEN, Grounds(caller="desk", reason="dispute")),
        (SUBJECT, Grounds(caller="desk", by="Jo Doe", reason="customer-request")),
        (TOKEN, "desk"),
    ]


@pytest.mark.parametrize("scope", REQUESTS)
async def test_no_answer_may_be_stored_by_a_cache(scope: str) -> None:
    """A number in a cache is a number that nobody erases."""
    assert (await request(Stage(), scope)).headers["cache-control"] == "no-store"


async def test_whoever_wants_the_subject_learns_nothing_of_the_number() -> None:
    """Not its kind, not its last four."""
    assert (await request(Stage(), "vault:subject")).body == {"token": str(TOKEN), "subject": str(SUBJECT)}


async def test_a_proof_says_what_it_does_not_prove() -> None:
    """Copies, and who wrote it."""
    told = (await request(Stage(), "vault:erase")).body["does_not_prove"]
    assert "copies" in told and "not signed" in told


async def test_only_a_reveal_shows_the_number() -> None:
    """All other answers hold its last four at most."""
    stage = Stage()
    shown = {scope: json.dumps((await request(stage, scope)).body) for scope in REQUESTS}
    assert [scope for scope, text in shown.items() if PLANTED in text] == ["vault:reveal"]


def spoiled() -> list[tuple[str, str, object, dict[str, str]]]:
    """Requests that are wrong in one way each, with a card number wherever a client may put one."""
    key = {"idempotency-key": str(KEY)}
    bodies: list[object] = [
        {**BODY, "number": PLANTED[:-1] + "2"},
        {**BODY, "number": int(PLANTED)},
        {**BODY, "number": [PLANTED]},
        {**BODY, "number": PLANTED * 5},
        {**BODY, "kind": PLANTED},
        {**BODY, "kind": "iban"},
        {**BODY, "subject": PLANTED},
        {**BODY, PLANTED: 1},
        {PLANTED: PLANTED},
        [PLANTED],
        PLANTED,
        int(PLANTED),
        None,
    ]
    found: list[tuple[str, str, object, dict[str, str]]] = [("POST", "/v1/tokens", body, key) for body in bodies]
    found += [
        ("POST", "/v1/tokens", BODY, {"idempotency-key": PLANTED}),
        ("POST", "/v1/tokens", BODY, {}),
        ("GET", f"/v1/tokens/{PLANTED}", None, {}),
        ("POST", f"/v1/tokens/{PLANTED}/reveal", {"reason": "dispute"}, {}),
        ("GET", f"/{PLANTED}", None, {}),
        ("PUT", "/v1/tokens", BODY, {}),
        ("POST", f"/v1/tokens/{TOKEN}/reveal", {"reason": PLANTED}, {}),
        ("POST", f"/v1/tokens/{TOKEN}/reveal", {"reason": "dispute", PLANTED: 1}, {}),
        ("DELETE", f"/v1/subjects/{SUBJECT}?reason={PLANTED}", None, {}),
        ("DELETE", f"/v1/subjects/{SUBJECT}", {"reason": f"said {PLANTED}"}, {}),
        ("DELETE", f"/v1/subjects/{SUBJECT}", {"reason": "dispute", "by": PLANTED}, {}),
        ("DELETE", f"/v1/subjects/{SUBJECT}", {"reason": "dispute", "by": "MT84MALT011000012345MTLCAST001S"}, {}),
        ("DELETE", f"/v1/subjects/{PLANTED}", {"reason": "dispute"}, {}),
        ("DELETE", f"/v1/subjects/{SUBJECT}", {"reason": "dispute", "by": "Jo\x00Doe"}, {}),
    ]
    return found


@pytest.mark.parametrize(("method", "target", "body", "headers"), spoiled())
async def test_no_error_repeats_what_was_sent(method: str, target: str, body: object, headers: dict[str, str]) -> None:
    """A client error in the shape of every other one, with no digit of what was planted."""
    stage = Stage()
    answer = await ask(stage.app, method, target, body, headers)
    assert 400 <= answer.status < 500 and answer.body["status"] == answer.status
    assert answer.headers["content-type"] == "application/problem+json"
    text = json.dumps(answer.body) + json.dumps(answer.headers)
    assert PLANTED[:8] not in text and stage.asked == []


@pytest.mark.parametrize(
    "text", [f'{{"number": {PLANTED}', f'{{"{PLANTED}', PLANTED + "x", f'{{"number": "\\x{PLANTED}"}}', "\xff"]
)
async def test_broken_json_is_not_repeated_either(text: str) -> None:
    """Nor the place where it broke off."""
    stage = Stage()

    async def replaced(scope: Scope, receive: Receive, send: Send) -> None:
        async def body() -> Message:
            return {"type": "http.request", "body": text.encode("latin-1"), "more_body": False}

        await stage.app(scope, body, send)

    answer = await ask(replaced, "POST", "/v1/tokens", None, {"idempotency-key": str(KEY), "content-length": "9"})
    assert answer.status in (400, 422) and answer.body["outcome"] == "nothing-happened"
    assert PLANTED[:8] not in json.dumps(answer.body) and stage.asked == []


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(Outcome.KEY_REUSED, 422), (Outcome.UNKNOWN_TOKEN, 404), (Outcome.UNKNOWN_SUBJECT, 404), (Outcome.ERASED, 410)],
)
@pytest.mark.parametrize("scope", REQUESTS)
async def test_refusals_have_a_word_of_their_own(scope: str, outcome: Outcome, status: int) -> None:
    """The last part of the type."""
    stage = Stage()
    stage.outcome = outcome
    answer = await request(stage, scope)
    assert (answer.status, answer.body["type"]) == (status, f"urn:trimaran:problem:{outcome.value.replace('_', '-')}")


@pytest.mark.parametrize(
    ("failure", "status", "kind", "outcome"),
    [
        (KeysOutOfReach("no cloud"), 503, "keys-out-of-reach", "nothing-happened"),
        (KeyLost("none opens"), 500, "key-lost", "nothing-happened"),
        (SealBroken("not of this row"), 500, "seal-broken", "nothing-happened"),
        (NoWriter("none"), 503, "no-writer", "nothing-happened"),
        (OutcomeUnknown("lost"), 503, "outcome-unknown", "unknown"),
    ],
)
async def test_failures_say_what_may_be_believed(failure: Exception, status: int, kind: str, outcome: str) -> None:
    """And when it is worth asking again."""
    stage = Stage()
    stage.fails = failure
    answer = await request(stage, "vault:reveal")
    told = (answer.status, answer.body["type"], answer.body["outcome"], "retry-after" in answer.headers)
    assert told == (status, f"urn:trimaran:problem:{kind}", outcome, status == 503)


async def test_a_defect_tells_nothing() -> None:
    """Not the message of whatever was raised: it may quote a number."""
    stage, sent = Stage(), list[Message]()
    stage.fails = RuntimeError(PLANTED)

    async def overheard(scope: Scope, receive: Receive, send: Send) -> None:
        async def hear(message: Message) -> None:
            sent.append(message)

        await stage.app(scope, receive, hear)

    with pytest.raises(RuntimeError):
        await ask(overheard, "POST", "/v1/tokens", BODY, {"idempotency-key": str(KEY)})
    body = b"".join(message.get("body", b"") for message in sent)
    assert json.loads(body)["type"] == "urn:trimaran:problem:defect" and PLANTED.encode() not in body


async def test_probes_are_open_and_tell_no_secrets() -> None:
    """Health and readiness need no scope."""
    stage = Stage(frozenset())
    assert (await ask(stage.app, "GET", "/healthz")).status == 200
    assert (await ask(stage.app, "GET", "/readyz")).body["ready"] is True
    assert (await ask(stage.app, "GET", "/metrics")).status == 200
    stage.fails = NoWriter("none")
    assert (await ask(stage.app, "GET", "/readyz")).status == 503


@pytest.mark.parametrize(
    "padded", ["00000000-0000-0000-4111-111111111111", f"{PLANTED:0>32}", "41111111-1111-1111-8000-000000000000"]
)
async def test_no_number_passes_for_a_uuid(padded: str) -> None:
    """Key and subject are stored as they are, and shown, also after an erasure: a number with zeros around it is refused, unrepeated."""
    stage = Stage()
    as_key, as_subject = await stage.keep(**{"idempotency-key": padded}), await stage.keep({**BODY, "subject": padded})
    assert (as_key.status, as_key.body["type"]) == (400, "urn:trimaran:problem:malformed-request")
    assert (as_subject.status, as_subject.body["type"]) == (422, "urn:trimaran:problem:invalid-content")
    assert "4111" not in f"{as_key.body}{as_subject.body}" and stage.asked == []


@pytest.mark.parametrize("number", ["135412345678911", "122000000000003", "000000000000", "000000000000000000"])
async def test_a_number_that_no_log_would_hide_is_not_taken_in(number: str) -> None:
    """422: the second wall would not know it."""
    stage = Stage()
    answer = await stage.keep({**BODY, "number": number})
    assert (answer.status, answer.body["type"], stage.asked) == (422, "urn:trimaran:problem:not-a-number", [])
