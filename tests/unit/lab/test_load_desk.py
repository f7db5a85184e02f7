"""Beside plain payments: from cardholders' tokens, held and approved, and forgotten where the vault forgot."""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from lab.load import Load
from lab.load_desk import SOURCED_EVERY, Desk
from lab.load_payer import NoReplyError, Reply, Route
from lab.load_purse import ERASED_EVERY, Purse, Source
from lab.load_schedule import PLANTED_AMOUNT, PLANTED_EVERY, Offer, offers
from lab.load_staff import ERASES, REVIEWS, Staff
from lab.load_stats import Stats
from lab.load_transport import Request
from lab.record import (
    Acknowledged,
    Approved,
    Defect,
    ForgetWanted,
    Forgotten,
    Held,
    Line,
    Offered,
    Record,
    ReviewWanted,
    Unfulfilled,
    read_record,
)
from lab.vault_load_record import Erased, ErasureWanted, Tokenized, TokenWanted, VaultRecord
from tests.unit.lab.test_load import ACCOUNTS, OFFER, PAID, WAITS, World, black_hole, settings

HELD = Reply(status=202, body=WAITS)
PLANTED = Offer(due=0.0, key=f"run-{PLANTED_EVERY // 2}", device=0, debtor="s", creditor="b", amount=PLANTED_AMOUNT, planted=True)
LEFT = Offer(due=0.0, key=f"run-{PLANTED_EVERY + 25}", device=0, debtor="s", creditor="b", amount=PLANTED_AMOUNT, planted=True)
YES = Reply(status=200, body=json.dumps({"decided": {"epoch": 3}}).encode())
GONE = Reply(status=200, body=json.dumps({"proof": "proof", "epoch": 3}).encode())


@dataclass
class Office(World):
    """The same world with a reviewer and an officer in it."""

    said: list[Reply | Exception] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.staff = Staff(
            send=self.send,
            find=self.payer.find,
            write=self.lines.append,
            devices=[self.device],
            monotonic=lambda: self.now,
            sleep=self.sleep,
        )
        self.desk = Desk(payer=self.payer, purse=None, staff=self.staff)

    async def send(self, route: Route, request: Request) -> Reply:
        """Whatever is next."""
        self.asked.append(request)
        answer = self.said.pop(0) if self.said else NoReplyError("reset")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def kinds(self) -> list[type[Line]]:
        """What stands on the record."""
        return [type(line) for line in self.lines if isinstance(line, Offered | Held | ReviewWanted | Approved | Acknowledged)]


def test_one_in_fifty_is_planted_and_nothing_else_changes() -> None:
    """From accounts whose habits are known, hundreds of times as large as what is usual; without suspects nothing is."""

    def made(suspects: tuple[str, ...]) -> list[Offer]:
        found = offers(run="r", rate=100, devices=5, accounts=ACCOUNTS, largest=9, seed=1, suspects=suspects)
        return list(islice(found, 4 * PLANTED_EVERY))

    planted = [offer for offer in made(("x", "y")) if offer.planted]
    assert [offer.debtor for offer in planted] == ["x", "y", "x", "y"]
    assert all(offer.amount > PLANTED_AMOUNT and offer.creditor in ACCOUNTS for offer in planted)
    assert [one for one in made(("x", "y")) if not one.planted] == [
        one for number, one in enumerate(made(())) if number % PLANTED_EVERY != PLANTED_EVERY // 2
    ]


async def test_what_is_held_is_approved_and_asked_for_again() -> None:
    """The payer is told in the end that it is made, and offers it once."""
    world = Office(answers=[HELD, PAID], said=[YES])
    assert isinstance(await world.desk.pay(PLANTED, world.device), Acknowledged)
    assert world.kinds() == [Offered, Held, ReviewWanted, Approved, Acknowledged]
    assert (world.asked[0].path, world.asked[0].client) == ("/v1/reviews/p", REVIEWS)
    assert [line.attempt for line in world.lines if isinstance(line, Acknowledged)] == [2]


@pytest.mark.parametrize("offer", [LEFT, OFFER], ids=["every second one", "one that nobody planted"])
async def test_others_go_on_waiting(offer: Offer) -> None:
    """A review queue is never empty; and what is held without reason is not waved through."""
    world = Office(answers=[HELD])
    assert isinstance(await world.desk.pay(offer, world.device), Held)
    assert world.asked == []


async def test_a_wish_is_repeated_until_it_is_answered() -> None:
    """Resets and 503s are nothing; the answer is written with what was told."""
    world = Office(said=[NoReplyError("reset"), Reply(status=503, body=b""), GONE])
    assert await world.staff.forget("subject")
    assert [type(line) for line in world.lines] == [ForgetWanted, Forgotten]
    assert {(one.method, one.path, one.client) for one in world.asked} == {("DELETE", "/v1/subjects/subject", ERASES)}


async def test_a_subject_that_payments_never_knew_is_forgotten_all_the_same() -> None:
    """It answers that it held nothing, with the proof that keeps it so; a 404 without one is somebody who has no such route."""
    unknown = {"type": "urn:x:problem:unknown-subject", "erasure": {"proof": "proof", "epoch": 3}}
    world = Office(said=[Reply(status=404, body=json.dumps(unknown).encode())])
    assert await world.staff.forget("subject")
    world = Office(said=[Reply(status=404, body=b'{"detail": "Not Found"}')])
    assert not await world.staff.forget("subject")


@pytest.mark.parametrize(
    ("said", "ends", "asked"),
    [([Reply(status=403, body=b"no")], float("inf"), 1), ([], 103.0, None)],
    ids=["refused for good", "the run is over"],
)
async def test_a_wish_that_comes_to_nothing_has_a_last_word(
    said: list[Reply | Exception], ends: float, asked: int | None
) -> None:
    """Silence would look like an erasure that nobody wanted."""
    world = Office(said=said)
    world.staff.ends = ends
    assert not await world.staff.forget("subject")
    assert isinstance(world.lines[-1], Unfulfilled)
    assert asked is None or len(world.asked) == asked


def kept(record: VaultRecord, subject: str, *tokens: str) -> None:
    """Cardholders were told these tokens of a subject."""
    for token in tokens:
        record.append(TokenWanted(key=token, device=0, name="n", caller="w", subject=subject, digest="d", t=0.0))
        record.append(Tokenized(key=token, attempt=1, token=token, epoch=1, site="aws", status=201, latency=0.1, t=1.0))


def leaves(record: VaultRecord, subject: str) -> None:
    """Somebody asked the vault to forget the subject."""
    record.append(ErasureWanted(key=subject, device=0, name="n", caller="w", by="b", reason="r", subject=subject, t=2.0))


def left(record: VaultRecord, subject: str) -> None:
    """The vault told the proof."""
    record.append(Erased(key=subject, attempt=1, proof="x", epoch=1, site="aws", status=200, latency=0.1, t=3.0))


def picked(purse: Purse, times: int) -> list[Source]:
    """So many picks."""
    return [source for source in (purse.pick() for _ in range(times)) if source is not None]


def test_payments_come_from_tokens_as_soon_as_they_are_told(tmp_path: Path) -> None:
    """New ones and known ones by turns, each subject with one account; a line that is being written is read the next time."""
    purse = Purse(tmp_path / "record", ACCOUNTS, random.Random(1))
    purse.look()
    assert purse.pick() is None, "there is no record yet"
    with VaultRecord(tmp_path / "record") as record:
        kept(record, "s1", "t1", "t2")
        kept(record, "s2", "t3")
        whole = (tmp_path / "record").read_bytes()
        (tmp_path / "record").write_bytes(whole[:-5])
        purse.look()
        assert {source.token for source in picked(purse, 8)} == {"t1", "t2"}
        (tmp_path / "record").write_bytes(whole)
        purse.look()
        sources = picked(purse, 8)
    assert {source.token for source in sources} == {"t1", "t2", "t3"}
    assert {(source.subject, source.debtor) for source in sources} == {("s1", "a"), ("s2", "b")}
    assert len(sources) > len({source.token for source in sources})


def test_who_leaves_the_vault_is_forgotten_here_and_asked_for_once_more(tmp_path: Path) -> None:
    """Nobody pays from its tokens from the wish on; when the vault has told its proof payments is asked, and then it must refuse."""
    purse = Purse(tmp_path / "record", ACCOUNTS, random.Random(1))
    with VaultRecord(tmp_path / "record") as record:
        kept(record, "s1", "t1")
        kept(record, "idle", "t9")
        purse.look()
        while not any(source.subject == "s1" for source in picked(purse, 1)):
            pass
        kept(record, "s2", "t2")
        leaves(record, "s1")
        purse.look()
        assert (purse.due(), {source.subject for source in picked(purse, 20)} & {"s1"}) == ([], set())
        left(record, "s1")
        leaves(record, "never paid")
        left(record, "never paid")
        purse.look()
        assert (purse.due(), purse.due()) == (["s1"], [])
    purse.forget("s1")
    assert [source.subject for source in picked(purse, 1)] == ["s1"], "at once, whatever the load still comes to"
    assert sum(source.subject == "s1" for source in picked(purse, 5 * ERASED_EVERY)) == 5


def test_every_so_many_payments_come_from_a_token(tmp_path: Path) -> None:
    """None that is planted, and none to the account that it comes from."""
    world = Office()
    with VaultRecord(tmp_path / "record") as record:
        kept(record, "s1", "t1")
    world.desk.purse = Purse(tmp_path / "record", ("z",), random.Random(1))
    world.desk.purse.look()
    found = [world.desk.sourced(OFFER) for _ in range(2 * SOURCED_EVERY)]
    assert [offer.source for offer in found if offer.source] == ["t1", "t1"]
    assert {(offer.subject, offer.debtor) for offer in found if offer.source} == {("s1", "z")}
    assert not any(world.desk.sourced(PLANTED).source for _ in range(2 * SOURCED_EVERY))


def test_a_token_that_was_erased_is_tried_at_the_next_payment(tmp_path: Path) -> None:
    """Without waiting for its turn, and also when that payment would go to the account that it comes from: a short run must show it."""
    world = Office()
    with VaultRecord(tmp_path / "record") as record:
        kept(record, "s1", "t1")
    world.desk.purse = purse = Purse(tmp_path / "record", (OFFER.creditor,), random.Random(1))
    purse.look()
    assert purse.pick() is not None
    purse.forget("s1")
    assert world.desk.sourced(PLANTED) == PLANTED
    tried = world.desk.sourced(OFFER)
    assert (tried.source, tried.debtor, tried.creditor) == ("t1", OFFER.creditor, OFFER.debtor)
    assert world.desk.sourced(OFFER) == OFFER, "once"


def test_what_was_approved_is_under_way_again() -> None:
    """The generator's own count would be short of a payment otherwise."""
    stats = Stats(lambda: 1.0, lambda: 0.0)
    held = Held(key="k", attempt=1, payment="p", epoch=1, site="aws", latency=0.1, t=1.0)
    for line in (
        Offered(key="k", device=0, name="n", debtor="a", creditor="b", amount=1, currency="EUR", planted=True, t=1.0),
        held,
        Approved(key="k", payment="p", epoch=1, site="aws", t=1.0),
    ):
        stats.count(line)
    assert (stats.snapshot(phase="")["held"], stats.snapshot(phase="")["in_flight"]) == (0, 1)


@pytest.mark.parametrize(
    "damage",
    [lambda record: record.write_bytes(b'{"kind":"tokenized","nonsense":1}\n')],
)
async def test_a_desk_that_stumbles_is_a_defect_of_the_run(tmp_path: Path, damage: Callable[[Path], Any]) -> None:
    """Nobody would pay from tokens any more, and nobody would be forgotten, and the run would look as if that had been so."""
    damage(tmp_path / "purse")
    with Record(tmp_path / "record") as record:
        wanted = settings(tmp_path, rate=100, duration=0.05, settle=0, request_deadline=0.05, purse=str(tmp_path / "purse"))
        await Load(wanted, record, black_hole, {"route53": World().ask}).run()
    defects = [line.what for line in read_record(tmp_path / "record") if isinstance(line, Defect)]
    assert any("the desk ended with" in what for what in defects)


async def test_erasures_are_asked_for_while_the_run_goes_on(tmp_path: Path) -> None:
    """One wish for each subject that left, from the first look after it did."""
    world = Office(said=[GONE])
    with VaultRecord(tmp_path / "record") as record:
        kept(record, "s1", "t1")
        world.desk.purse = purse = Purse(tmp_path / "record", ("z",), random.Random(1))
        purse.look()
        assert purse.pick() is not None
        leaves(record, "s1")
        left(record, "s1")
    world.desk.sleep = world.sleep
    running = asyncio.create_task(world.desk.run())
    async with asyncio.timeout(5):
        while not any(isinstance(line, Forgotten) for line in world.lines):
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [type(line) for line in world.lines] == [ForgetWanted, Forgotten]
