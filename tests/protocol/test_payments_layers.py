"""One payments process with every layer on, from TLS to traces, as an edge speaks to it; and what each layer turns away."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import aiohttp
import pytest
import pytest_asyncio

from lab.spans import read_spans, rows, tree
from tests.protocol.layers_world import EDGE, SCREENING, THUMBPRINT, Fleet, ask_port, asked, fleets, kind
from tests.protocol.payments_site import ACCOUNTS, AWS, AZURE, Answer, Service, Sites, eventually, two_sites
from workload.schema.baseline import version
from workload.schema.migration import read_migrations

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sites() -> AsyncIterator[Sites]:
    """Azure writes, aws follows and serves."""
    async with two_sites("payments-layers") as sites:
        yield sites


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(sites: Sites) -> AsyncIterator[Fleet]:
    """Everybody else."""
    async with fleets(sites.workspace) as fleet:
        yield fleet


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(sites: Sites, fleet: Fleet) -> AsyncIterator[Service]:
    """With everything on."""
    tables = fleet.tables(
        "payments",
        limits='client_header = "client-cert-thumbprint"\nclient = { per_second = 1000, burst = 1000 }',
        screening="deadline = 2",
        screening__callee=fleet.callee("screening"),
        vault="deadline = 2",
        vault__callee=fleet.callee("vault"),
        telemetry=fleet.telemetry(),
    )
    async with sites.service(AWS, tables=tables, client=fleet.client()) as service:
        await eventually(service.is_ready)
        yield service


async def pay(service: Service, headers: dict[str, str], key: str = "", **body: object) -> Answer:
    """A payment with these headers beside its key."""
    pair = {"debtor": str(ACCOUNTS[0]), "creditor": str(ACCOUNTS[1])}
    sent = {"Idempotency-Key": key or str(uuid4()), **headers}
    return await service._ask("POST", "/v1/payments", json={"amount": 1, "currency": "EUR", **pair, **body}, headers=sent)


def port(service: Service) -> int:
    """Where it listens."""
    url = service.http._base_url
    assert url is not None and url.port is not None
    return url.port


async def numbers(service: Service) -> str:
    """Its metrics."""
    return str((await service.get("/metrics")).body["text"])


async def test_one_payment_goes_through_every_layer(service: Service, fleet: Fleet) -> None:
    """Known by its certificate and token, counted, screened, durable, and told as one trace over both services."""
    headers = {**fleet.shown("merchant"), "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    answer = await pay(service, headers)
    assert (answer.status, answer.body["status"]) == (201, "completed"), answer.body

    async def is_told() -> bool:
        return {"POST /v1/payments", "POST /v1/scores", "barrier"} <= {
            span.name for span in read_spans(fleet.spans.read_text().splitlines(keepends=True)) if span.trace == TRACE
        }

    await eventually(is_told)
    lines = rows(tree(read_spans(fleet.spans.read_text().splitlines(keepends=True)), TRACE))
    assert [(line.depth, line.name, line.where) for line in lines] == [
        (0, "POST /v1/payments", "payments aws"),
        (1, "call", "payments aws"),
        (2, "POST /v1/scores", "screening aws"),
        (1, "database", "payments aws"),
        (2, "statement", "payments aws"),
        (1, "barrier", "payments aws"),
    ]
    said = await numbers(service)
    for line in (
        'payments_requests_total{method="POST",route="/v1/payments",status="2xx"}',
        'payments_screened_total{said="pass"}',
        'payments_calls_total{outcome="answered",service="screening"}',
        'payments_served_seconds_count{rank="new"}',
    ):
        assert line in said
    assert TRACE in service.process.log.read_text(), "a line of the log leads to the trace"


@pytest.mark.parametrize(
    ("client", "token", "status", "expected"),
    [("thief", "merchant", 401, "wrong-certificate"), ("desk", "desk", 403, "missing-scope")],
)
async def test_who_may_not_pay_is_refused(
    service: Service, fleet: Fleet, client: str, token: str, status: int, expected: str
) -> None:
    """A stolen token over another certificate, and a client without the scope: RFC 6750's answers, and nothing was done."""
    answer = await pay(service, fleet.shown(client, token))
    assert (answer.status, kind(answer.body), answer.body["outcome"]) == (status, expected, "nothing-happened")
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="payments"')
    assert f'payments_access_refused_total{{kind="{expected}"}}' in await numbers(service)


async def test_without_a_token_only_the_process_itself_may_be_asked_about(service: Service, fleet: Fleet) -> None:
    """Health, readiness and metrics over the service's own port; 401 for everything else, also what is no route."""
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await service.get(path)).status == 200
    for path in (f"/v1/payments/{uuid4()}", "/v1/reviews", "/openapi.json", "/v2"):
        answer = await service.get(path)
        assert (answer.status, kind(answer.body)) == (401, "no-token"), path
    assert (await pay(service, {THUMBPRINT: fleet.thumbprint("merchant")})).status == 401


async def test_without_a_certificate_of_the_fleet_nobody_is_heard(service: Service, fleet: Fleet) -> None:
    """Neither over TLS without one, nor without TLS: the connection ends, the health check too."""
    assert (await ask_port(fleet, port(service), "/healthz"))[0] == 200
    assert (await ask_port(fleet, port(service), "/healthz", name=None))[0] == 0
    with pytest.raises(aiohttp.ClientConnectionError):
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port(service)}/healthz"):
            pass


@pytest.mark.parametrize("name", [SCREENING, "trimaran://edge/gcp"], ids=["another service", "another site's edge"])
async def test_a_header_that_only_the_edge_may_set_is_refused_from_others(service: Service, fleet: Fleet, name: str) -> None:
    """With the merchant's own token and its right thumbprint: from anybody but this site's edge it is a forgery."""
    headers = {name.replace("-", "_"): value for name, value in fleet.shown("merchant").items()}
    for path in ("/healthz", f"/v1/accounts/{ACCOUNTS[0]}"):
        status, body = await ask_port(fleet, port(service), path, name=name, **headers)
        assert (status, kind(body)) == (401, "wrong-certificate")
    assert "only this site's edge" in str(body["detail"])


async def test_each_client_has_a_rate_of_its_own(sites: Sites, fleet: Fleet) -> None:
    """The merchant's is used up and its neighbour's is not; clients without a certificate share one, and are turned away before any
    token is looked at."""
    limits = 'client_header = "client-cert-thumbprint"\nclient = { per_second = 0.01, burst = 3 }'
    async with sites.service(AWS, tables=fleet.tables("payments", limits=limits), client=fleet.client()) as small:
        await eventually(small.is_ready)
        statuses = [(await pay(small, fleet.shown("merchant"))).status for _ in range(4)]
        assert statuses == [201, 201, 201, 429]
        assert (await pay(small, fleet.shown("shop"))).status == 201
        unknown = {"Authorization": "Bearer x"}
        assert [(await pay(small, unknown)).status for _ in range(4)] == [401, 401, 401, 429]
        assert (await small.get("/healthz")).status == 200


async def test_known_tokens_pay_on_while_the_vault_is_gone(service: Service, fleet: Fleet, sites: Sites) -> None:
    """The vault is asked about a token once; then the ledger knows it, at every site. About a new one nobody can say: 503, nothing
    happened, and the same key goes through when the vault is back."""
    token, other, subject = str(uuid4()), str(uuid4()), str(uuid4())
    fleet.vault.subjects |= {token: subject, other: subject}
    fleet.vault.asked.clear()
    shown = fleet.shown("merchant")
    assert (await pay(service, shown, source=token)).status == 201
    assert [one["token"] for one in fleet.vault.asked] == [token]
    assert int(fleet.vault.asked[0]["deadline-ms"]) <= 2000 and fleet.vault.asked[0]["traceparent"].startswith("00-")
    fleet.vault.is_gone = True
    try:
        for _ in range(3):
            assert (await pay(service, shown, source=token)).status == 201
        assert len(fleet.vault.asked) == 1, "nobody was asked"
        key = str(uuid4())
        refused = await pay(service, shown, key, source=other)
        assert (refused.status, kind(refused.body)) == (503, "vault-out-of-reach")
        assert refused.headers["Retry-After"] in ("1", "2")
        assert refused.body["outcome"] == "nothing-happened"
        assert await sites.ask(AZURE, "SELECT FROM ledger.payment WHERE idempotency_key = %s", key) == []
        assert (await pay(service, shown)).status == 201, "without a source nobody needs a vault"
    finally:
        fleet.vault.is_gone = False
    assert (await pay(service, shown, key, source=other)).status == 201
    kept = await sites.ask(AZURE, "SELECT count(*), count(DISTINCT subject) FROM ledger.source WHERE subject = %s", UUID(subject))
    assert kept == [(5, 1)]


async def test_nobody_pays_from_a_token_that_the_vault_has_not_or_has_no_more(service: Service, fleet: Fleet) -> None:
    """422 either way: the vault has said so, and repeating changes nothing."""
    gone = str(uuid4())
    fleet.vault.erased.add(gone)
    for source, expected in ((str(uuid4()), "unknown-source"), (gone, "erased-source")):
        answer = await pay(service, fleet.shown("merchant"), source=source)
        assert (answer.status, kind(answer.body)) == (422, expected)
    assert (await pay(service, fleet.shown("merchant"), source="4111111111111111")).status == 422


async def test_who_is_forgotten_pays_no_more_from_any_token(service: Service, fleet: Fleet) -> None:
    """The proof is the same however often it is asked for, with who asked; their tokens are unknown, and cannot be made known."""
    token, subject = str(uuid4()), str(uuid4())
    fleet.vault.subjects[token] = subject
    key = str(uuid4())
    assert (await pay(service, fleet.shown("merchant"), key, source=token)).status == 201
    desk = {name.replace("-", "_"): value for name, value in fleet.shown("desk").items()}
    order = {"reason": "request of the subject", "by": "kim"}
    path = f"/v1/subjects/{subject}"
    status, proof = await ask_port(fleet, port(service), path, "DELETE", EDGE, order, **desk)
    assert (status, proof["sources"], proof["caller"]) == (200, 1, "desk for kim")
    assert (await ask_port(fleet, port(service), path, "DELETE", EDGE, order, **desk))[1] == proof
    status, body = await ask_port(fleet, port(service), f"/v1/subjects/{uuid4()}", "DELETE", EDGE, order, **desk)
    assert (status, kind(body), body["erasure"]["sources"]) == (404, "unknown-subject", 0)
    answer = await pay(service, fleet.shown("merchant"), source=token)
    assert (answer.status, kind(answer.body)) == (422, "erased-source")
    assert (await pay(service, fleet.shown("merchant"), key, source=token)).status == 201, "what was paid stays paid"
    merchant = {name.replace("-", "_"): value for name, value in fleet.shown("merchant").items()}
    assert (await ask_port(fleet, port(service), path, "DELETE", EDGE, order, **merchant))[0] == 403


async def test_an_erasure_by_the_vault_alone_is_not_complete(service: Service, fleet: Fleet) -> None:
    """The ledger knows the token, so nobody asks the vault, and the person pays on until payments is asked to forget too. That is why
    `trimaran erase` is done only when both have answered."""
    token, subject = str(uuid4()), str(uuid4())
    fleet.vault.subjects[token] = subject
    assert (await pay(service, fleet.shown("merchant"), source=token)).status == 201
    fleet.vault.erased.add(token)
    assert (await pay(service, fleet.shown("merchant"), source=token)).status == 201
    desk = {name.replace("-", "_"): value for name, value in fleet.shown("desk").items()}
    order = {"reason": "request of the subject"}
    assert (await ask_port(fleet, port(service), f"/v1/subjects/{subject}", "DELETE", EDGE, order, **desk))[0] == 200
    answer = await pay(service, fleet.shown("merchant"), source=token)
    assert (answer.status, kind(answer.body)) == (422, "erased-source")


async def test_a_reviewer_is_known_by_its_token(sites: Sites, fleet: Fleet) -> None:
    """Screening is out of reach and the default is to hold: 202, listed for whoever has the scope, and approved in its name."""
    nobody = sites.workspace.port()
    tables = fleet.tables("payments", screening='default = "hold"', screening__callee=fleet.callee("screening", nobody))
    async with sites.service(AWS, tables=tables, client=fleet.client()) as careful:
        await eventually(careful.is_ready)
        held = await pay(careful, fleet.shown("merchant"))
        assert (held.status, held.body["status"]) == (202, "held")
        word = {"verdict": "approve", "reason": "called her"}
        path = f"/v1/reviews/{held.body['id']}"
        refused = await careful._ask("POST", path, json=word, headers=fleet.shown("merchant"))
        assert (refused.status, kind(refused.body)) == (403, "missing-scope")
        decided = await careful._ask("POST", path, json=word, headers=fleet.shown("desk"))
        assert (decided.status, decided.body["decided"]["by"]) == (200, "desk")
        paid = await careful._ask("GET", f"/v1/payments/{held.body['id']}", headers=fleet.shown("desk"))
        assert paid.body["status"] == "completed"


async def test_databases_know_for_which_schema_a_process_was_written(service: Service, sites: Sites) -> None:
    """Every session says so, or no column could ever be removed: nobody would know who still needs it."""
    names = "SELECT DISTINCT application_name FROM pg_stat_activity WHERE usename = 'payments_app'"
    expected = f"payments-service schema={version(read_migrations('payments'))}"
    for site in (AZURE, AWS):
        assert await sites.ask(site, names, role="postgres") == [(expected,)]


async def test_a_key_that_holds_a_card_number_is_not_kept(service: Service, fleet: Fleet) -> None:
    """400, and the answer does not repeat it, nor what stands where it does not belong."""
    for key, body in (("order-4111111111111111", {}), (str(uuid4()), {"4111111111111111": 1})):
        answer = await pay(service, fleet.shown("merchant"), key, **body)
        assert answer.status in (400, 422) and "4111" not in str(answer.body)
    assert "4111111111111111" not in service.process.log.read_text()


async def test_screening_answers_payments_and_nobody_else(fleet: Fleet) -> None:
    """By the certificate alone; the edge has none of its scopes."""
    order = {"debtor": str(ACCOUNTS[0]), "creditor": str(ACCOUNTS[1]), "amount": 1, "currency": "EUR"}
    for name, expected in (("trimaran://service/payments", 200), (EDGE, 401), ("trimaran://service/webhooks", 401)):
        assert (await asked(fleet, "screening", "/v1/scores", "POST", name, {"order": order}))[0] == expected
