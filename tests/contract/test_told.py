"""An edge that a balancer tells of clients' certificates, on real HAProxy: who is believed, and what the safeguards are worth.

The test is the balancer: it says in plain HTTP what one says behind which TLS has ended.
"""

import base64
import json
from collections.abc import AsyncIterator, Mapping
from hashlib import sha256
from typing import Any

import pytest
import pytest_asyncio

from controller.core.model import Health
from edge.certified import DIGEST, DOOR, PRESENT, VERIFIED, WORD
from tests.contract.access_worlds import World, worlds
from tests.contract.edge_worlds import DRAIN, PAYMENTS
from tests.contract.test_access import kind
from tests.contract.test_access import told as thumbprint

pytestmark = pytest.mark.asyncio(loop_scope="module")

KNOWN, NEXT = "first-word-of-the-door", "second-word-of-the-door"
ASKED = f"req.hdr({WORD}) -m str -f"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def built() -> AsyncIterator[World]:
    """aws ends clients' TLS itself, google's edge is told."""
    async with worlds("told", "aws", "gcp", told={"gcp": f"{KNOWN}\n{NEXT}\n"}) as given:
        yield given


@pytest_asyncio.fixture(loop_scope="module")
async def house(built: World) -> World:
    """The same, found well."""
    await built.edges.until("gcp", {"payments/local": Health.HEALTHY, "payments/peer-aws": Health.HEALTHY})
    return built


def digest(world: World, client: str, *, padded: bool = True) -> str:
    """What a balancer says of the client's certificate."""
    text = base64.b64encode(sha256(world.issuing.clients[client].der).digest()).decode()
    return text if padded else text.rstrip("=")


def said(world: World, client: str, **changed: str) -> dict[str, str]:
    """By a balancer that has seen this client's certificate."""
    headers = {WORD: KNOWN, DOOR: "clients", PRESENT: "true", VERIFIED: "true", DIGEST: digest(world, client)}
    return headers | changed


async def pay(world: World, headers: Mapping[str, str] | list[tuple[str, str]], site: str = "gcp") -> tuple[int, dict[str, Any]]:
    """With the merchant's token, at the door without TLS."""
    pairs = [*(headers.items() if isinstance(headers, Mapping) else headers)]
    pairs += [("Connection", "close"), ("Idempotency-Key", "k"), ("Authorization", f"Bearer {await world.token()}")]
    url = f"http://{world.edges.settings[site].clients}{PAYMENTS}"
    async with world.http.post(url, data=b"{}", headers=pairs) as answer:
        return answer.status, json.loads(await answer.text())


@pytest.mark.parametrize("padded", [True, False], ids=["padded", "not padded"])
async def test_what_is_told_is_what_an_edge_would_have_seen(house: World, padded: bool) -> None:
    """The same certificate, by both ways: the service hears the same, and the token that is bound to it opens."""
    direct = await house.pay("aws", await house.token(), "merchant")
    heard = await pay(house, said(house, "merchant", **{DIGEST: digest(house, "merchant", padded=padded)}))
    assert (direct[0], heard[0]) == (201, 201)
    assert heard[1]["told"] == direct[1]["told"] == thumbprint(house, "merchant")["Client-Cert-Thumbprint"]
    assert heard[1]["client"] == "merchant" and heard[1]["site"] == "gcp"


async def test_the_word_may_change_while_both_are_known(house: World) -> None:
    """Edges learn the new one before the balancer says it."""
    assert (await pay(house, said(house, "merchant", **{WORD: NEXT})))[0] == 201


@pytest.mark.parametrize("word", [None, "", "wrong", KNOWN.upper(), f"{KNOWN}x"])
async def test_who_does_not_know_the_word_is_nobody_and_sends_no_payment(house: World, word: str | None) -> None:
    """Whatever it says of a certificate; the service never hears of it."""
    headers = said(house, "merchant")
    del headers[WORD]
    answer = await pay(house, headers | ({} if word is None else {WORD: word}) | thumbprint(house, "merchant"))
    assert (answer[0], kind(answer)) == (403, "tls-required")


async def test_without_the_word_anybody_would_be_any_client() -> None:
    """What the safeguard is worth: headers alone, no certificate, and the payment is made."""
    anybody = {f"acl balancer {ASKED}": f"acl balancer always_true\n    acl asked-before {ASKED}"}
    async with worlds("told-harm", "gcp", "azure", told={"gcp": KNOWN, "azure": KNOWN}, without=anybody) as given:
        headers = said(given, "merchant")
        del headers[WORD]
        status, answer = await pay(given, headers)
        assert (status, answer["client"]) == (201, "merchant")


async def test_past_the_door_that_is_shut_a_stranger_is_still_nobody() -> None:
    """The second safeguard: were `/v1/` open to whoever does not know the word, his headers would say nothing."""
    opened = {"!{ var(txn.told) -m bool }": "FALSE"}
    async with worlds("told-open", "gcp", "azure", told={"gcp": KNOWN, "azure": KNOWN}, without=opened) as given:
        headers = said(given, "merchant", **{WORD: "wrong"}) | thumbprint(given, "merchant")
        answer = await pay(given, headers)
        assert (answer[0], kind(answer)) == (401, "wrong-certificate")
        assert (await pay(given, said(given, "merchant")))[0] == 201


@pytest.mark.parametrize(
    "changed",
    [
        {PRESENT: "false"},
        {VERIFIED: "false"},
        {DIGEST: ""},
        {DIGEST: "c2hvcnQ="},
        {DIGEST: f"{'A' * 42}-="},
        {DIGEST: "0" * 64},
    ],
    ids=["none", "of somebody's authority", "no digest", "short", "another alphabet", "in hexadecimal"],
)
async def test_a_certificate_counts_only_when_the_balancer_verified_it(house: World, changed: dict[str, str]) -> None:
    """It lets through who has none, and who has one of another authority."""
    answer = await pay(house, said(house, "merchant", **changed))
    assert (answer[0], kind(answer)) == (401, "wrong-certificate")


@pytest.mark.parametrize("name", [PRESENT, VERIFIED, DIGEST])
@pytest.mark.parametrize("joined", [True, False], ids=["with a comma", "twice"])
async def test_nothing_counts_that_is_said_twice(house: World, name: str, joined: bool) -> None:
    """Were a balancer to add to what a client says, the client could choose."""
    headers = said(house, "merchant")
    headers[name], other = {
        PRESENT: ("true", "false"),
        VERIFIED: ("true", "false"),
        DIGEST: (digest(house, "merchant"), digest(house, "thief")),
    }[name]
    doubled = list((headers | {name: f"{headers[name]}, {other}"}).items()) if joined else [*headers.items(), (name, other)]
    answer = await pay(house, doubled)
    assert (answer[0], kind(answer)) == (401, "wrong-certificate")


async def test_a_stolen_token_opens_nothing_behind_the_balancer(house: World) -> None:
    """Another client's certificate, truly told."""
    answer = await pay(house, said(house, "thief") | thumbprint(house, "merchant"))
    assert (answer[0], kind(answer)) == (401, "wrong-certificate")


@pytest.mark.parametrize("door", ["peers", "agent", "", "clients, peers"])
async def test_what_came_by_another_door_of_the_balancer_is_not_taken_for_a_client(house: World, door: str) -> None:
    """What another site hands over would go back to it."""
    answer = await pay(house, said(house, "merchant", **{DOOR: door}))
    assert (answer[0], kind(answer)) == (503, "no-door")


async def test_the_site_itself_may_be_asked_about_by_anybody(house: World) -> None:
    """Probes of the platform know no word."""
    plain = f"http://{house.edges.settings['gcp'].clients}"
    for path in ("/healthz", "/readyz"):
        async with house.http.get(plain + path) as answer:
            assert answer.status == 200


async def test_what_the_told_edge_hands_over_keeps_its_clients_certificate() -> None:
    """The client came to gcp, aws pays: its service hears what gcp's balancer saw."""
    async with worlds("told-handed", "aws", "gcp", told={"gcp": KNOWN}) as given:
        await given.edges.runtime("gcp").set_weights({**DRAIN, "payments/peer-aws": 256})
        status, answer = await pay(given, said(given, "merchant"))
        assert (status, answer["site"], answer["client"]) == (201, "aws", "merchant")
