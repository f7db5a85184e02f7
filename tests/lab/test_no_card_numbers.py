"""No number is anywhere it does not belong: numbers are planted in a running lab, and then everything the lab holds is searched for them.

A number may be sent to `POST /v1/tokens` in the body's `number`, and comes back from a reveal. Everywhere else it is a mistake that clients
make, and it must be neither kept nor told: not in logs, traces, metrics, journals, reports, databases, their logs and write-ahead logs,
etcd, nor in the error that says that it was a mistake.

Whether the search can find anything is proven twice: every form in a file of its own, and, in the same lab, a text that is kept on purpose.
"""

import asyncio
import base64
import json
import mmap
import re
import ssl
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

import aiohttp
import psycopg
import pytest

from controller.probing.bearer import TokenEndpoint, client_context
from lab.addresses import LOCAL
from lab.cabling import CLIENTS, SITES, Door
from lab.door_settings import issuer_url
from lab.fleet import PAYMENTS, VAULT
from lab.laboratory import Laboratory, laboratory
from lab.papers import MERCHANTS, WALLETS
from lab.site_settings import HOSTS
from workload.telemetry.numbers import luhn_holds

pytestmark = pytest.mark.timeout(240)

COMMON = "41111111"
"""How all planted numbers begin, as the best known of all test numbers does. One look for each form of it finds whatever may be one."""
SIZE = 16
PUBLISHED = "4111111111111111"
CLIENT = {PAYMENTS: MERCHANTS[0], VAULT: WALLETS[0]}
"""Who plants it, by service."""

ACCOUNT = "GB82WEST12345698765432"
"""The registry's own example of an IBAN."""


def planted(number: int) -> str:
    """A card number of the test range, another one for every place where one is planted: what is found says where it came from."""
    digits = f"{COMMON}{(number * 7919 + 1234567) % 10**7:07d}"
    return next(f"{digits}{last}" for last in range(10) if luhn_holds(f"{digits}{last}"))


def forms(digits: str) -> Mapping[str, bytes]:
    """How a number may lie in a file: as text of several kinds, encoded, and as the numbers that databases store."""
    groups = [digits[at : at + 4] for at in range(0, len(digits), 4)]
    texts = {
        "plain": digits,
        "spaced": " ".join(groups),
        "dashed": "-".join(groups),
        "dotted": ".".join(groups),
        "url": quote(" ".join(groups)),
        "form": quote_plus(" ".join(groups)),
        "hexadecimal": digits.encode().hex(),
    }
    found = {name: text.encode() for name, text in texts.items()}
    found["two bytes a character"] = digits.encode("utf-16-le")
    for shift in range(3):  # a number may begin at any of three places within base64's groups
        encoded = base64.b64encode(b"\0" * shift + digits.encode())
        found[f"base64, {shift}"] = encoded[4 if shift else 0 : 4 * ((shift + len(digits)) // 3)]
    if digits.isdigit() and len(digits) % 4 == 0:
        found["numeric of PostgreSQL"] = b"".join(int(group).to_bytes(2, "little") for group in groups)
        found["packed"] = bytes.fromhex(digits)
    if len(digits) == SIZE:
        found |= {"integer": int(digits).to_bytes(8, "little"), "integer, the other way": int(digits).to_bytes(8, "big")}
    return found


def beginnings() -> Mapping[str, tuple[bytes, int]]:
    """What every planted number in that form has in common, and how many bytes of it stand before that."""
    lowest, highest = (int(COMMON + filler * (SIZE - len(COMMON))) for filler in "09")
    assert lowest >> 32 == highest >> 32
    upper = lowest >> 32
    whole = {"integer": (upper.to_bytes(4, "little"), 4), "integer, the other way": (upper.to_bytes(4, "big"), 0)}
    return {**{name: (form, 0) for name, form in forms(COMMON).items()}, **whole}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A number where it must not be."""

    place: str
    form: str
    digits: str
    around: bytes


def search(data: bytes | mmap.mmap, place: str, numbers: Sequence[str]) -> Iterator[Found]:
    """Every one of the numbers in every form."""
    exact = {digits: forms(digits) for digits in numbers}

    def found(at: int, name: str, digits: str) -> Found:
        return Found(place=place, form=name, digits=digits, around=bytes(data[max(at - 60, 0) : at + 60]))

    for name, (beginning, before) in beginnings().items():
        at = data.find(beginning)
        while at >= 0:
            start = at - before
            for digits in numbers:
                if (
                    digits.startswith(COMMON)
                    and start >= 0
                    and data[start : start + len(exact[digits][name])] == exact[digits][name]
                ):
                    yield found(start, name, digits)
            at = data.find(beginning, at + 1)
    for digits in numbers:
        if not digits.startswith(COMMON):
            yield from (found(at, name, digits) for name, form in exact[digits].items() if (at := data.find(form)) >= 0)


def search_files(root: Path, numbers: Sequence[str]) -> tuple[list[Found], int]:
    """Every file below `root`, and how many bytes that were. Files that end meanwhile are passed by."""
    found: list[Found] = []
    size = 0
    for path in sorted(root.rglob("*")):
        if not path.is_file() or path.is_symlink() or not path.stat().st_size:
            continue
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            size += len(data)
            found += search(data, str(path.relative_to(root)), numbers)
    return found, size


@pytest.mark.parametrize("digits", [planted(1), planted(77), PUBLISHED, ACCOUNT])
def test_the_search_finds_every_form(tmp_path: Path, digits: str) -> None:
    """Each in a file, at an odd place, among other things; and the neighbour of a number is not taken for it."""
    for number, form in enumerate(forms(digits).values()):
        (tmp_path / f"{number}").write_bytes(b"#" * 13 + form + b"\n")
    found, _ = search_files(tmp_path, [digits])
    assert {one.form for one in found} == set(forms(digits))
    assert search_files(tmp_path, [planted(2), planted(3)])[0] == []


@pytest.mark.parametrize("shift", range(4))
def test_the_search_finds_what_is_inside_of_base64(tmp_path: Path, shift: int) -> None:
    """Wherever the number stands in what was encoded."""
    digits = planted(5)
    (tmp_path / "token").write_bytes(base64.urlsafe_b64encode(b"x" * shift + b'{"number":"' + digits.encode() + b'"}'))
    assert [one.digits for one in search_files(tmp_path, [digits])[0]] == [digits]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """A request with a number where it does not belong; `{card}` stands for it."""

    name: str
    service: str
    method: str = "POST"
    path: str = "/v1/payments"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    is_refused: bool = True


PAYMENT = '{{"amount": 1, "currency": "EUR", "debtor": "{debtor}", "creditor": "{creditor}"}}'
UNKNOWN = f"/v1/payments/{uuid.UUID(int=1)}"
TRACE = "00-{card}0000000000000000-{card}-01"

PAYMENT_PLANTS = (
    Plant(name="key", service="payments", headers={"Idempotency-Key": "{card}"}, body=PAYMENT),
    Plant(name="key, grouped", service="payments", headers={"Idempotency-Key": "order-{dashed}"}, body=PAYMENT),
    Plant(name="path", service="payments", method="GET", path="/v1/payments/{card}"),
    Plant(name="path, deeper", service="payments", method="GET", path="/v1/{card}/payments"),
    Plant(name="account", service="payments", method="GET", path="/v1/accounts/{card}?card={card}"),
    Plant(name="malformed", service="payments", headers={"Idempotency-Key": "m-1"}, body='{{"amount": 1, "note": "{card}'),
    Plant(name="field", service="payments", headers={"Idempotency-Key": "m-2"}, body='{{"{card}": 1}}'),
    Plant(name="value", service="payments", headers={"Idempotency-Key": "m-3"}, body='{{"amount": "{spaced}", "currency": "{card}"}}'),
    Plant(name="debtor", service="payments", headers={"Idempotency-Key": "m-4"}, body='{{"amount": 1, "debtor": "{card}"}}'),
    Plant(name="amount", service="payments", headers={"Idempotency-Key": "m-5"}, body=PAYMENT.replace("1,", "{card},", 1)),
    Plant(name="method", service="payments", method="PAY{card}"),
    Plant(name="trace", service="payments", headers={"Idempotency-Key": "t-1", "traceparent": TRACE}, body=PAYMENT, is_refused=False),
    Plant(
        name="other headers",
        service="payments",
        headers={
            "Idempotency-Key": "t-2", "tracestate": "card={card}", "User-Agent": "till/{card}", "Cookie": "card={card}",
            "X-Card": "{spaced}", "Edge-Span": "{card}", "Edge-Site": "{card}", "Edge-Received": "{card}", "Referer": "http://x/{card}",
        },
        body=PAYMENT,
        is_refused=False,
    ),
    Plant(name="authorization", service="payments", method="GET", path=UNKNOWN, headers={"Authorization": "Bearer {card}"}),
)  # fmt: skip

SUBJECT = str(uuid.uuid5(uuid.NAMESPACE_URL, "no-card-numbers"))
NUMBER = '{{"subject": "' + SUBJECT + '", "kind": "card", "number": "{card}"}}'
TOKENS, KEY = "/v1/tokens", {"Idempotency-Key": "{uuid}"}
VAULT_PLANTS = (
    Plant(name="tokenized", service="vault", path=TOKENS, headers=KEY, body=NUMBER, is_refused=False),
    Plant(name="vault key", service="vault", path="/v1/tokens", headers={"Idempotency-Key": "{card}"}, body=NUMBER),
    Plant(name="subject", service="vault", path=TOKENS, headers=KEY, body=NUMBER.replace(SUBJECT, "{card}")),
    Plant(name="kind", service="vault", path=TOKENS, headers=KEY, body=NUMBER.replace('"card"', '"{card}"')),
    Plant(name="two numbers", service="vault", path=TOKENS, headers=KEY, body=NUMBER.replace("{card}", "{card}, {card}")),
    Plant(name="half a body", service="vault", path=TOKENS, headers=KEY, body=NUMBER.removesuffix('"}}')),
    Plant(name="vault field", service="vault", path=TOKENS, headers=KEY, body='{{"{card}": "{card}"}}'),
    Plant(name="vault path", service="vault", method="GET", path="/v1/tokens/{card}"),
    Plant(name="reason", service="vault", path=f"/v1/tokens/{uuid.UUID(int=2)}/reveal", body='{{"reason": "{card}"}}'),
    Plant(name="query", service="vault", method="DELETE", path=f"/v1/subjects/{uuid.UUID(int=3)}?reason={{card}}"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a client is told, headers included."""

    status: int
    said: str


Ask = Callable[[Plant], Awaitable[Reply]]


def filled(plant: Plant, card: str, accounts: Sequence[str]) -> Plant:
    """The request with its number in it."""
    groups = [card[at : at + 4] for at in range(0, 16, 4)]
    values = {
        "card": card, "spaced": " ".join(groups), "dashed": "-".join(groups), "debtor": accounts[0], "creditor": accounts[1],
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, plant.name)),
    }  # fmt: skip
    return Plant(
        name=plant.name,
        service=plant.service,
        method=plant.method.format(**values),
        path=plant.path.format(**values),
        headers={name: value.format(**values) for name, value in plant.headers.items()},
        body=plant.body.format(**values),
        is_refused=plant.is_refused,
    )


@pytest.mark.parametrize("plant", [*PAYMENT_PLANTS, *VAULT_PLANTS], ids=lambda plant: plant.name)
def test_every_plant_carries_its_number(plant: Plant) -> None:
    """A plant that lost it on the way would prove nothing."""
    sent = repr(filled(plant, planted(9), ("d", "c"))).encode()
    assert list(search(sent, "request", [planted(9)])) and not re.search(rb"\{[a-z]+\}", sent)


async def plant_all(plants: Sequence[Plant], ask: Ask, accounts: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Send every plant; answers the numbers by the plants' names, and what went wrong with the answers."""
    numbers, wrong = {}, []
    for number, plant in enumerate(plants):
        card = numbers[plant.name] = planted(number)
        reply = await ask(filled(plant, card, accounts))
        if list(search(reply.said.encode(), "answer", [card])):
            wrong.append(f"{plant.name}: the answer repeats it: {reply.said}")
        if (400 <= reply.status < 500) is not plant.is_refused:
            wrong.append(f"{plant.name}: answered {reply.status}: {reply.said}")
    return numbers, wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """Sends requests as clients do: over TLS to one site's edge, each service's by its own client."""

    lab: Laboratory
    http: aiohttp.ClientSession
    site: str

    async def speak(self, plant: Plant) -> Reply:
        """One request."""
        papers, host, client = self.lab.papers, HOSTS[plant.service][0], CLIENT[plant.service]
        context = client_context(papers.client(client), papers.issuer.authority)
        url = f"{issuer_url(self.lab.cabling, CLIENTS)}/token"
        granted = await TokenEndpoint(url=url, client=client, context=context).ask()
        own = {"Content-Type": "application/json", "Host": host, "Authorization": f"Bearer {granted.token}"}
        return await self.send(plant, host, {**own, **plant.headers}, client_context(papers.client(client), papers.doors))

    async def send(self, plant: Plant, host: str, headers: Mapping[str, str], context: ssl.SSLContext) -> Reply:
        """The same, put together."""
        url = f"https://{LOCAL}:{self.lab.cabling.direct(self.site, Door.EDGE)}{plant.path}"
        body = plant.body.encode() if plant.body else None
        asked = self.http.request(plant.method, url, headers=headers, data=body, ssl=context, server_hostname=host)
        async with asked as answer:
            text = await answer.text()
            return Reply(status=answer.status, said=f"{text} {json.dumps(dict(answer.headers))}")


async def raw(port: int, request: bytes) -> bytes:
    """What is said to something that is not HTTP at all."""
    reader, writer = await asyncio.open_connection(LOCAL, port)
    writer.write(request)
    try:
        return await asyncio.wait_for(reader.read(4096), 5)
    finally:
        writer.close()


def dump(lab: Laboratory) -> Iterator[tuple[str, bytes]]:
    """Every table of every database of every site as text, and everything of it on disk: what was only in memory is written first."""
    for site, server in lab.sites.items():
        with psycopg.connect(server.server.dsn(), autocommit=True) as admin:
            admin.execute("CHECKPOINT")
            names = [row[0] for row in admin.execute("SELECT datname FROM pg_database WHERE datallowconn").fetchall()]
        for name in names:
            with psycopg.connect(server.server.dsn(name), autocommit=True) as one:
                tables = one.execute(
                    "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT LIKE 'information_schema'"
                ).fetchall()
                for (table,) in tables:
                    with one.cursor().copy(f"COPY {table} TO STDOUT") as rows:
                        yield f"{site} {name} {table}", b"".join(bytes(row) for row in rows)


async def pages(lab: Laboratory, http: aiohttp.ClientSession) -> list[tuple[str, bytes]]:
    """What can be asked of every process: metrics, readiness, the controllers' status and journal."""
    found = [("journal", repr(await lab.witness.journal()).encode())]
    for site in SITES:
        for service, door in ((PAYMENTS, Door.SERVICE), (VAULT, Door.VAULT)):
            for path in ("/metrics", "/readyz", "/healthz"):
                url = f"https://{LOCAL}:{lab.cabling.direct(site, door)}{path}"
                async with http.get(url, ssl=lab.papers.towards(site, service)) as answer:
                    found.append((f"{site} {service}{path}", await answer.read()))
    return found


async def test_no_number_is_found_where_it_does_not_belong() -> None:
    """Every plant is refused or does no harm, no answer repeats a number, and nothing in the lab holds one in any form."""
    async with laboratory("test-no-numbers") as lab, aiohttp.ClientSession() as http:
        ask = Speaker(lab=lab, http=http, site="aws").speak
        kept = f"kept-on-purpose-{uuid.uuid4()}"
        witness = Plant(name="kept", service="payments", headers={"Idempotency-Key": kept}, body=PAYMENT, is_refused=False)
        assert (await ask(filled(witness, planted(0), lab.accounts))).status == 201
        numbers, wrong = await plant_all([*PAYMENT_PLANTS, *VAULT_PLANTS], ask, lab.accounts)
        broken = planted(len(numbers))
        for port in (
            lab.cabling.direct(site, door) for site in SITES for door in (Door.EDGE, Door.HEALTH, Door.SERVICE, Door.VAULT)
        ):
            assert broken.encode() not in await raw(port, f"{broken} {broken}\r\n{broken}\r\n\r\n".encode())
        everything = [*numbers.values(), broken, PUBLISHED, ACCOUNT]
        seen = [*await pages(lab, http), *await asyncio.to_thread(lambda: list(dump(lab)))]
        found = [one for place, text in seen for one in search(text, place, everything)]
        in_files, size = await asyncio.to_thread(search_files, lab.workspace.path, everything)
        names = {digits: name for name, digits in numbers.items()}
        told = [f"{names.get(one.digits, '?')} as {one.form} in {one.place}: {one.around!r}" for one in (*found, *in_files)]
        assert wrong == []
        assert told == []
        assert any(kept.encode() in text for _, text in seen), "the search does not see what is kept"
        assert size > 50 * 2**20, "the files of three databases were not among what was searched"
