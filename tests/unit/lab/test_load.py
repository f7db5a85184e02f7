"""The load generator behaves as clients do: it keeps offering, keeps its keys, and counts nothing that is not on its record."""

import asyncio
import json
import random
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from lab.load import Load
from lab.load_payer import ATTEMPTS_AT_ONCE, Device, Manners, NoReplyError, Payer, Reply, Route, Sending, judge
from lab.load_schedule import Offer
from lab.load_settings import Settings
from lab.load_stats import Stats
from lab.record import (
    Acknowledged,
    Answered,
    Attempted,
    Declined,
    Defect,
    Enrolled,
    Failed,
    Habit,
    Held,
    Line,
    Offered,
    Record,
    Unanswered,
    Unresolved,
    read_record,
)
from lab.resolver import Answer, StubResolver, UnresolvedError

ACCOUNTS = ("a", "b", "c")
OFFER = Offer(due=0.0, key="run-0", device=0, debtor="a", creditor="b", amount=5)
PAID = Reply(status=201, body=json.dumps({"id": "p", "epoch": 3}).encode())
WAITS = json.dumps({"id": "p", "epoch": 3, "status": "held"}).encode()
BUSY = Reply(status=503, body=json.dumps({"type": "urn:x:problem:outcome-unknown"}).encode(), retry_after="1")


@dataclass
class World:
    """A service, an authority and a clock that only sleeping moves."""

    answers: list[Reply | Exception] = field(default_factory=list)
    addresses: list[str] = field(default_factory=lambda: ["192.0.2.1"])
    now: float = 100.0
    lines: list[Line] = field(default_factory=list)
    posted: list[tuple[str, str]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.payer = Payer(
            post=self.post,
            routes={f"192.0.2.{n}": Route(site=site, host="127.0.0.1", port=n) for n, site in ((1, "aws"), (2, "gcp"))},
            write=self.lines.append,
            currency="EUR",
            manners=Manners(),
            monotonic=lambda: self.now,
            sleep=self.sleep,
        )
        resolver = StubResolver(self.ask, lambda: self.now)
        self.device = Device(number=0, name="pay", resolver=resolver, chance=random.Random(1))

    async def ask(self, name: str, patience: float) -> Answer:
        return Answer(addresses=(self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0],), ttl=2.0)

    async def post(self, route: Route, sending: Sending) -> Reply:
        assert isinstance(self.lines[-1], Attempted), "sent before it was on the record"
        self.posted.append((route.site, sending.key))
        answer = self.answers.pop(0) if self.answers else NoReplyError("reset")
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


async def test_a_payment_is_tried_with_the_same_key_until_it_is_settled() -> None:
    """Resets and 503s are tried again under one key; the acknowledgement is the last line."""
    world = World(answers=[NoReplyError("reset"), BUSY, PAID])
    outcome = await world.payer.pay(OFFER, world.device)
    assert isinstance(outcome, Acknowledged)
    assert {key for _, key in world.posted} == {"run-0"}
    assert [type(line) for line in world.lines] == [Offered, Attempted, Failed, Attempted, Failed, Attempted, Acknowledged]
    assert (outcome.payment, outcome.epoch, outcome.attempt) == ("p", 3, 3)


async def test_a_bad_address_is_used_until_its_ttl_ends() -> None:
    """The payer goes back to the dead site as long as its resolver says so, then to the other one."""
    world = World(addresses=["192.0.2.1", "192.0.2.2"], answers=[NoReplyError("reset")] * 40)
    world.payer.ends = 104.0
    await world.payer.pay(OFFER, world.device)
    sites = [site for site, _ in world.posted]
    assert sites == sorted(sites)
    assert set(sites) == {"aws", "gcp"}


async def test_a_run_that_is_over_leaves_a_last_word() -> None:
    """A payment that nothing settled is unresolved on the record, and no attempt begins after the end."""
    world = World()
    world.payer.ends = 103.0
    assert isinstance(await world.payer.pay(OFFER, world.device), Unresolved)
    assert isinstance(world.lines[-1], Unresolved)
    assert all(line.t < 103.0 for line in world.lines if isinstance(line, Attempted))


async def test_a_cancelled_payment_leaves_a_last_word_too() -> None:
    """A second SIGTERM ends everything, and still nothing is missing on the record."""
    world = World()
    task = asyncio.create_task(world.payer.pay(OFFER, world.device))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert isinstance(world.lines[-1], Unresolved)


class SilentWorld(World):
    """Nothing is answered until `speak` is set."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.speak = asyncio.Event()
        self.under_way = self.most = 0

    async def post(self, route: Route, sending: Sending) -> Reply:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await self.speak.wait()
        self.under_way -= 1
        return PAID


async def test_one_device_never_floods_the_service() -> None:
    """Twenty payments meet silence: all are offered, four requests are under way, and with the first answers the rest follow."""
    world = SilentWorld()
    tasks = [asyncio.create_task(world.payer.pay(replace(OFFER, key=f"run-{number}"), world.device)) for number in range(20)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert [type(line) for line in world.lines].count(Offered) == 20
    assert world.under_way == ATTEMPTS_AT_ONCE
    world.speak.set()
    assert all(isinstance(outcome, Acknowledged) for outcome in await asyncio.gather(*tasks))
    assert world.most == ATTEMPTS_AT_ONCE


class RefusingWorld(World):
    """Everything is refused at once, and whoever pauses after that pauses until the test is over."""

    async def post(self, route: Route, sending: Sending) -> Reply:
        self.posted.append((route.site, sending.key))
        return BUSY

    async def sleep(self, seconds: float) -> None:
        await asyncio.Event().wait()


@pytest.mark.parametrize(("settling", "asked"), [(False, 20), (True, ATTEMPTS_AT_ONCE)])
async def test_what_is_settled_is_not_asked_for_as_fast_as_it_is_refused(settling: bool, asked: int) -> None:
    """Twenty payments are refused at once: while others are offered each is asked for by itself, afterwards those that pause keep their
    turns. Or a thousand that are left ask hundreds of times a second, and a busy machine never gets to answer one of them."""
    world = RefusingWorld()
    if settling:
        world.payer.settle(60)
    tasks = [asyncio.create_task(world.payer.pay(replace(OFFER, key=f"run-{number}"), world.device)) for number in range(20)]
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(world.posted) == asked
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_no_pause_outlasts_the_end() -> None:
    """A Retry-After of a second when a tenth is left: what is unresolved is said at the end and not long after it."""
    world = World(answers=[BUSY] * 50)
    world.payer.settle(3.1)
    await world.payer.pay(OFFER, world.device)
    assert isinstance(world.lines[-1], Unresolved)
    assert world.lines[-1].t == pytest.approx(103.1)


@dataclass
class EndingWorld(World):
    """The offers end while the first request is under way; everything is refused."""

    window: float = 0.0

    async def post(self, route: Route, sending: Sending) -> Reply:
        self.now += 0.01
        if not self.posted:
            self.payer.settle(self.window)
        self.posted.append((route.site, sending.key))
        return BUSY


@pytest.mark.parametrize(("window", "unasked"), [(0, 1), (3, 0)])
async def test_who_was_not_asked_for_again_after_the_last_offer_is_counted(window: float, unasked: int) -> None:
    """Refused to the end of the window it is unresolved; refused before the window alone, it is no evidence of the service."""
    world = EndingWorld(window=window)
    assert isinstance(await world.payer.pay(OFFER, world.device), Unresolved)
    assert world.payer.unasked == unasked


async def test_payments_that_were_not_asked_for_again_are_a_defect_of_the_run(tmp_path: Path) -> None:
    """Silence, and a window shorter than one request."""
    with Record(tmp_path / "record") as record:
        wanted = settings(tmp_path, request_deadline=0.2, settle=0.001, rate=1000, duration=0.005, devices=1)
        await Load(wanted, record, black_hole, {"route53": World().ask}).run()
    defects = [line.what for line in read_record(tmp_path / "record") if isinstance(line, Defect)]
    assert defects == ["5 payments were not asked for again after the last offer"]


async def test_an_address_without_a_route_is_a_failure() -> None:
    """The internet does not know where it is: the attempt fails, nothing was sent."""
    world = World(addresses=["198.51.100.1"])
    world.payer.ends = 100.01
    await world.payer.pay(OFFER, world.device)
    assert isinstance(world.lines[1], Failed)
    assert world.posted == []


async def test_nothing_is_counted_that_could_not_be_written() -> None:
    """With a full disk the payment is not acknowledged, whatever the service said."""

    def refuse_acknowledgements(line: Line) -> None:
        world.lines.append(line)
        if isinstance(line, Acknowledged):
            raise OSError("no space")

    world = World(answers=[PAID])
    payer = Payer(
        post=world.post,
        routes={"192.0.2.1": Route(site="aws", host="127.0.0.1", port=1)},
        write=refuse_acknowledgements,
        currency="EUR",
        manners=Manners(),
        monotonic=lambda: world.now,
        sleep=world.sleep,
    )
    with pytest.raises(OSError, match="no space"):
        await payer.pay(OFFER, world.device)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (PAID, Acknowledged),
        (Reply(status=200, body=PAID.body), Acknowledged),
        (Reply(status=201, body=b"<html>"), Failed),
        (Reply(status=201, body=b'{"id": "p"}'), Failed),
        (Reply(status=201, body=b'["id", "epoch"]'), Failed),
        (Reply(status=202, body=PAID.body), Failed),
        (Reply(status=202, body=WAITS), Held),
        (Reply(status=202, body=b'{"status": "held"}'), Failed),
        (Reply(status=302, body=b""), Failed),
        (Reply(status=409, body=b""), Failed),
        (Reply(status=429, body=b""), Failed),
        (Reply(status=500, body=PAID.body), Failed),
        (BUSY, Failed),
        (Reply(status=400, body=b""), Declined),
        (Reply(status=422, body=b'{"type": "urn:x:problem:key-reused"}'), Declined),
    ],
)
def test_only_a_readable_success_is_an_acknowledgement(reply: Reply, kind: type[Line]) -> None:
    """Anything unclear settles nothing, and is asked again with the same key."""
    assert isinstance(judge(reply, "k", 1, "aws", 1.0, 1.5), kind)


def settings(tmp_path: Path, **more: object) -> Settings:
    basic = {"run": "r", "record": tmp_path / "record", "nameservers": {"route53": 9}, "accounts": ACCOUNTS}
    routes = {"192.0.2.1": {"site": "aws", "port": 9}}
    return Settings.model_validate({**basic, "routes": routes, **more})


async def black_hole(route: Route, sending: Sending) -> Reply:
    """Nothing ever answers."""
    await asyncio.Event().wait()
    raise AssertionError("a black hole answered")


async def run_load(tmp_path: Path, **more: object) -> tuple[Load, list[Line]]:
    """One run against a black hole."""
    with Record(tmp_path / "record") as record:
        load = Load(settings(tmp_path, request_deadline=0.05, settle=0, **more), record, black_hole, {"route53": World().ask})
        await load.run()
    return load, list(read_record(tmp_path / "record"))


async def test_offers_go_on_while_nothing_answers(tmp_path: Path) -> None:
    """Every payment of the schedule is offered although none of them ends; each is unresolved in the end."""
    _, lines = await run_load(tmp_path, rate=2000, duration=0.1)
    assert sum(isinstance(line, Offered) for line in lines) == 200
    assert sum(isinstance(line, Unresolved) for line in lines) == 200


async def test_every_device_and_every_answer_is_on_the_record(tmp_path: Path) -> None:
    """Who ignores TTLs is said once and first; each answer names the authority that gave it."""
    _, lines = await run_load(tmp_path, rate=200, duration=0.1, devices=11, ignoring_ttl=1 / 11)
    enrolled = [line for line in lines if isinstance(line, Enrolled)]
    assert lines[: len(enrolled)] == enrolled
    assert [line.device for line in enrolled] == list(range(11))
    assert [line.device for line in enrolled if line.habit == Habit.IGNORES_TTL] == [10]
    answered = [line for line in lines if isinstance(line, Answered)]
    assert {(line.authority, line.address) for line in answered} == {("route53", "192.0.2.1")}
    assert {line.device for line in answered} == set(range(11))


async def test_a_query_without_an_answer_is_on_the_record(tmp_path: Path) -> None:
    """What a dead authority costs its askers can be told afterwards; the living one is found."""

    async def silent(name: str, patience: float) -> Answer:
        raise UnresolvedError(name)

    with Record(tmp_path / "record") as record:
        wanted = settings(tmp_path, request_deadline=0.05, settle=0, rate=200, duration=0.1, devices=5)
        await Load(wanted, record, black_hole, {"azuredns": silent, "route53": World().ask}).run()
    lines = list(read_record(tmp_path / "record"))
    assert {line.authority for line in lines if isinstance(line, Unanswered)} == {"azuredns"}
    assert {line.device for line in lines if isinstance(line, Answered)} == set(range(5))


async def test_reaching_the_bound_is_a_defect_of_the_run(tmp_path: Path) -> None:
    """Dropped offers are on the record: a run that stopped offering must not look like an open loop."""
    load, lines = await run_load(tmp_path, rate=2000, duration=0.04, max_in_flight=10)
    assert sum(isinstance(line, Offered) for line in lines) == 10
    assert [type(line) for line in lines].count(Defect) == 1
    assert load.stats.bound_hit == 70


async def test_a_record_that_cannot_be_written_ends_the_run(tmp_path: Path) -> None:
    """Without a record nothing can be proven, so the run stops by itself and says so."""
    record = Record(Path("/dev/full"))
    load = Load(settings(tmp_path, rate=100), record, black_hole, {"route53": World().ask})
    async with asyncio.timeout(5):
        await load.run()
    assert load.broken
    assert load.stats.counts["offered"] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"accounts": ["a"]},
        {"accounts": ["a", "a"]},
        {"routes": {}},
        {"rate": 0},
        {"names": []},
        {"run": "two words"},
        {"typo": 1},
        {"nameservers": {}},
        {"nameservers": {"route53": 0}},
        {"ignoring_ttl": 1.1},
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    """Before anything is offered."""
    with pytest.raises(ValidationError):
        settings(tmp_path, **wrong)


def test_stats_count_what_was_written() -> None:
    """Rates and latencies are of the last second; processor time is per acknowledged payment."""
    cpu, now = [1.0], 10.0
    stats = Stats(lambda: now, lambda: cpu[0])
    for number in range(4):
        stats.count(Offered(key=str(number), device=0, name="n", debtor="a", creditor="b", amount=1, currency="EUR", t=9.0))
    for number, moment in enumerate((8.0, 9.5)):
        stats.count(
            Acknowledged(key=str(number), attempt=1, payment="p", epoch=4, site="aws", status=201, latency=0.25, t=moment)
        )
    cpu[0] = 1.5
    shown = stats.snapshot(phase="offering")
    assert (shown["offered"], shown["acknowledged"], shown["in_flight"], shown["rate_last_second"]) == (4, 2, 2, 1)
    assert shown["latency_ms_last_second"] == {"median": 250.0, "p95": 250.0, "max": 250.0}
    assert shown["cpu_ms_per_payment"] == 250.0
    assert shown["last_acknowledged"] == {"t": 9.5, "epoch": 4, "site": "aws"}
