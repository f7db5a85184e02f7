"""The vault on two real databases and three key services: what it acknowledges is in two clouds, and what each absence costs."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from tests.protocol.vault_site import AWS, AZURE, GROUNDS, PLANTED, Sites, eventually, from_desk, kept, order, two_sites
from tests.unit.workload.asgi import ask
from workload.durable.errors import OutcomeUnknown, Unanswered
from workload.durable.evidence import Evidence
from workload.vault.errors import KeysOutOfReach
from workload.vault.model import Outcome
from workload.vault.numbers import Kind, read_number
from workload.vault.wiring import Assembly

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

NUMBER = read_number(Kind.CARD, PLANTED)
WRAPS = "SELECT cloud, kek FROM vault.wrap AS w JOIN vault.data_key AS k ON k.id = w.data_key WHERE k.subject = %s ORDER BY cloud"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sites() -> AsyncIterator[Sites]:
    """Azure writes, aws follows."""
    async with two_sites("vault-service") as sites:
        yield sites


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def far(sites: Sites) -> AsyncIterator[Assembly]:
    """The service in the other cloud than the writer's."""
    async with sites.service(AWS) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="module")
async def near(sites: Sites) -> AsyncIterator[Assembly]:
    """A fresh process beside the writer: no key in its memory. It repairs."""
    async with sites.service(AZURE, survey_interval=0.05, repair_interval=0.001, current_age=0.01) as service:
        yield service


async def test_an_acknowledged_token_is_in_the_other_cloud_already(sites: Sites, far: Assembly) -> None:
    """Token and all that opens it, looked up there at the moment the answer arrives, twenty times."""
    for _ in range(20):
        token = await kept(far)
        assert await sites.ask(AWS, "SELECT 1 FROM vault.token WHERE id = %s", token.id)
        assert len(await sites.ask(AWS, WRAPS, token.subject)) == 3


async def test_a_number_comes_back_from_any_process(far: Assembly, near: Assembly) -> None:
    """Kept in one cloud, revealed in another that never had the key."""
    token = await kept(far)
    assert (await near.vault.reveal(token.id, GROUNDS)).number == NUMBER
    described = (await near.vault.describe(token.id, "desk")).token
    assert described == token


async def test_a_number_is_not_given_out_before_its_trace_is_in_two_clouds(sites: Sites, far: Assembly, near: Assembly) -> None:
    """Nothing is replicated: the row is on the writer alone, nobody gets the number, and the key was not even opened."""
    token = await kept(far)
    async with sites.stream_cut():
        with pytest.raises(OutcomeUnknown):
            await near.vault.reveal(token.id, GROUNDS)
        assert near.keyring.cached == 0
        reveals = "SELECT reason FROM vault.access WHERE token = %s AND action = 'reveal'"
        assert await sites.ask(AZURE, reveals, token.id) == [(GROUNDS.reason,)]
        assert await sites.ask(AWS, reveals, token.id) == []
    assert (await near.vault.reveal(token.id, GROUNDS)).number == NUMBER


class Nothing:
    """A barrier that never holds anything back."""

    async def confirm(self, evidence: Evidence, deadline: timedelta) -> None:
        return


async def test_without_the_barrier_the_number_is_out_and_its_trace_is_not(sites: Sites, far: Assembly) -> None:
    """Negative proof: the test above can tell a vault that waits from one that does not."""
    token = await kept(far)
    async with sites.service(AZURE, durably=lambda durability: Nothing()) as liar:
        async with sites.stream_cut():
            assert (await liar.vault.reveal(token.id, GROUNDS)).number == NUMBER
            assert await sites.ask(AWS, "SELECT 1 FROM vault.access WHERE token = %s AND action = 'reveal'", token.id) == []


async def test_what_no_other_cloud_holds_is_not_acknowledged(sites: Sites, far: Assembly) -> None:
    """Neither key nor token; the same idempotency key settles it afterwards, with one token."""
    wanted = order()
    async with sites.stream_cut():
        with pytest.raises(Unanswered):
            await far.vault.tokenize(wanted)
        assert far.keyring.at_hand(wanted.subject) is None, "a key that may die with its writer seals nothing"
    answer = await far.vault.tokenize(wanted)
    assert answer.token
    rows = await sites.ask(AWS, "SELECT id FROM vault.token WHERE idempotency_key = %s", wanted.key)
    assert rows == [(answer.token.id,)]
    assert (await far.vault.tokenize(wanted)).outcome is Outcome.REPLAYED


@pytest.mark.parametrize("alone", ["aws", "azure", "gcp"])
async def test_any_one_cloud_can_serve_when_the_others_are_gone(sites: Sites, far: Assembly, near: Assembly, alone: str) -> None:
    """Their key services are black holes; a process without the key opens it by the one that is left."""
    token = await kept(far)
    async with sites.clouds_gone(*sites.clouds.keys() - {alone}):
        assert (await near.vault.reveal(token.id, GROUNDS)).number == NUMBER


async def test_without_two_clouds_known_subjects_go_on_and_new_ones_wait(sites: Sites, far: Assembly) -> None:
    """A key that only one cloud can open would die with it."""
    token = await kept(far)
    async with sites.clouds_gone("aws", "gcp"):
        again = await far.vault.tokenize(order(token.subject, number="5555555555554444"))
        assert again.outcome is Outcome.CREATED
        assert (await far.vault.reveal(token.id, GROUNDS)).number == NUMBER
        with pytest.raises(KeysOutOfReach, match=r"not ready within 0\.6 s"):
            await far.vault.tokenize(order())


async def test_with_no_cloud_at_all_what_is_at_hand_is_served(sites: Sites, far: Assembly, near: Assembly) -> None:
    """And what is not is refused as such, with everything but the digits described."""
    token = await kept(far)
    async with sites.clouds_gone(*sites.clouds):
        assert (await far.vault.reveal(token.id, GROUNDS)).number == NUMBER
        with pytest.raises(KeysOutOfReach):
            await near.vault.reveal(token.id, GROUNDS)
        described = (await near.vault.describe(token.id, "desk")).token
        assert described and (described.id, described.last_four) == (token.id, None)


async def test_a_missing_wrap_is_added_when_its_cloud_is_back(sites: Sites, far: Assembly, near: Assembly) -> None:
    """By the process beside the writer; the added wrap alone opens the key."""
    async with sites.clouds_gone("gcp"):
        token = await kept(far)
        assert [cloud for cloud, _ in await sites.ask(AZURE, WRAPS, token.subject)] == ["aws", "azure"]

    async def whole() -> bool:
        return len(await sites.ask(AZURE, WRAPS, token.subject)) == 3

    await eventually(whole)
    near.keyring.drop(token.subject)
    async with sites.clouds_gone("aws", "azure"):
        assert (await near.vault.reveal(token.id, GROUNDS)).number == NUMBER


async def test_rotation_wraps_anew_without_touching_data(sites: Sites, far: Assembly, near: Assembly) -> None:
    """Every wrap of the cloud gets its new version; tokens, data keys and traces stay as they were; the old version may then go."""
    token = await kept(far)
    data = (
        "SELECT (SELECT array_agg(t ORDER BY t.id) FROM vault.token AS t)::text,"
        " (SELECT array_agg(k ORDER BY k.id) FROM vault.data_key AS k)::text"
    )
    before = await sites.ask(AZURE, data)
    sites.clouds["aws"].rotate()
    old = "SELECT 1 FROM vault.wrap WHERE cloud = 'aws' AND kek <> %s"
    kek = f"aws/vault/{len(sites.clouds['aws'].versions)}"

    async def rotated() -> bool:
        return not await sites.ask(AZURE, old, kek)

    await eventually(rotated, patience=30)
    assert await sites.ask(AZURE, data) == before
    near.keyring.drop(token.subject)
    async with sites.clouds_gone("azure", "gcp"):
        assert (await near.vault.reveal(token.id, GROUNDS)).number == NUMBER


async def test_an_erased_subject_is_erased_in_every_cloud(sites: Sites, far: Assembly, near: Assembly) -> None:
    """Also for a process that still has the key in its memory; the proof is the same everywhere."""
    token = await kept(far)
    assert far.keyring.at_hand(token.subject)
    erased = await near.vault.erase(token.subject, GROUNDS)
    assert erased.proof and erased.proof.clouds == ("aws", "azure", "gcp")
    assert (await far.vault.reveal(token.id, GROUNDS)).outcome is Outcome.ERASED
    assert (await far.vault.tokenize(order(token.subject))).outcome is Outcome.ERASED
    assert await far.vault.erasure(erased.proof.id) == erased.proof
    await sites.caught_up()
    for site in (AZURE, AWS):
        assert await sites.ask(site, WRAPS, token.subject) == []


async def test_over_http_from_token_to_proof(far: Assembly) -> None:
    """As a client sees it."""
    app, subject, key = from_desk(far.application), uuid4(), str(uuid4())
    body = {"subject": str(subject), "kind": "card", "number": "4111 1111 1111 1111"}
    made = await ask(app, "POST", "/v1/tokens", body, {"idempotency-key": key})
    again = await ask(app, "POST", "/v1/tokens", body, {"idempotency-key": key})
    assert (made.status, again.status, made.body) == (201, 201, again.body) and again.headers["idempotent-replayed"] == "true"
    read = await ask(app, "GET", made.headers["location"])
    assert (read.status, read.body) == (200, made.body) and read.body["last_four"] == "1111"
    whose = await ask(app, "GET", made.headers["location"] + "/subject")
    assert (whose.status, whose.body) == (200, {"token": made.body["token"], "subject": str(subject)})
    shown = await ask(app, "POST", made.headers["location"] + "/reveal", {"reason": "dispute"})
    assert (shown.status, shown.body["number"]) == (200, PLANTED)
    gone = await ask(app, "DELETE", f"/v1/subjects/{subject}", {"reason": "request of the subject", "by": "Jo Doe"})
    proof = await ask(app, "GET", gone.headers["content-location"])
    assert (gone.status, proof.status, proof.body) == (200, 200, gone.body) and proof.body["by"] == "Jo Doe"
    refused = await ask(app, "POST", made.headers["location"] + "/reveal", {"reason": "dispute"})
    assert (refused.status, refused.body["type"]) == (410, "urn:trimaran:problem:erased")


async def test_no_file_of_any_server_and_no_metric_ever_holds_the_number(
    sites: Sites, far: Assembly, capfd: pytest.CaptureFixture[str]
) -> None:
    """Tables, indexes, write-ahead log and server log of both databases; this process's log, metrics and situation."""
    token = await kept(far)
    await far.vault.reveal(token.id, GROUNDS)
    for number in (PLANTED, PLANTED[:-1]):
        body = {"subject": str(uuid4()), "kind": "card", "number": number}
        answer = await ask(from_desk(far.application), "POST", "/v1/tokens", body, {"idempotency-key": str(uuid4())})
        assert answer.status == (201 if number == PLANTED else 422), "it got past the door"
    for site in (AZURE, AWS):
        await sites.ask(site, "CHECKPOINT", role="postgres")
    holding = [path for path in await asyncio.to_thread(files, sites.workspace.path) if holds(path, token.id)]
    assert holding, "the search would not find anything: not even the token is there"
    assert not [path for path in await asyncio.to_thread(files, sites.workspace.path) if holds_number(path)]
    told = far.metrics.render().decode() + json.dumps(far.situation()) + "".join(capfd.readouterr())
    assert PLANTED not in told and PLANTED[:-1] not in told


def files(root: Path) -> list[Path]:
    """Every file below."""
    return [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]


def holds(path: Path, token: UUID) -> bool:
    """Does the file hold the token's bytes?"""
    with suppress(FileNotFoundError, PermissionError):
        return token.bytes in path.read_bytes()
    return False


def holds_number(path: Path) -> bool:
    """Does it hold the number, as text?"""
    with suppress(FileNotFoundError, PermissionError):
        return PLANTED[:-1].encode() in path.read_bytes()
    return False
