"""How an order ends: what the exit status claims is what became of it."""

import asyncio
import json
import socket
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from controller.cli.exits import Exit
from controller.core.explain import explain
from controller.core.model import Lsn, Mode, Position, Site, Token
from controller.core.plans import PlanKind
from controller.core.steps import CatchUp, Confirmed, Cut, Ledgers, Reached, Result, Step, Verified, Verify
from controller.errors import Transient
from controller.ports import Request
from tests.unit.cli.conftest import Trimaran
from tests.unit.core.worlds import AWS, AZURE, GCP
from tests.unit.room import Hands, Room, room

pytestmark = pytest.mark.asyncio


@dataclass
class Late(Hands):
    """aws does not come level with the fenced writer in time."""

    async def perform(self, step: Step, token: Token) -> Result:
        """See `Hands`."""
        if isinstance(step, CatchUp):
            return Confirmed(followers=step.followers - {AWS})
        if isinstance(step, Cut) and step.site == AWS:
            return Reached(position=Position(site=AWS, publisher=step.writer, epoch=step.reign, lsn=Lsn(800)))
        return await super().perform(step, token)


@dataclass
class Doubting(Hands):
    """Everything works, but for what the check at the end finds."""

    found: Verified | None = None

    async def perform(self, step: Step, token: Token) -> Result:
        """See `Hands`."""
        if isinstance(step, Verify) and self.found is not None:
            return self.found
        return await super().perform(step, token)


def replace_hands(given: Room, hands: Hands) -> None:
    """Every controller acts with these from now on."""
    for loop in given.loops.values():
        loop.executor.actions = hands  # type: ignore[assignment]


async def test_a_switchover_that_gives_the_reign_back_is_undone(given: Room, trimaran: Trimaran) -> None:
    """azure writes as before, in a new epoch: nobody may read that as done."""
    replace_hands(given, Late())
    said = await trimaran("switchover", "--to", "aws")
    assert said.status == Exit.UNDONE and "undone: aws could not be proven, and azure writes" in said.out
    assert (await given.posture()).writer == AZURE


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Verified(paid=frozenset({AWS, GCP}), unpaid={AZURE: "503"}, ledgers=Ledgers.EQUAL), ["not at azure (503)"]),
        (
            Verified(paid=frozenset(), unpaid={}, ledgers=Ledgers.DIFFER, differing=frozenset({GCP})),
            ["ledgers differ (gcp)"],
        ),
        (Verified(paid=frozenset(), unpaid={}, ledgers=Ledgers.NOT_COMPARED, because="gcp hangs"), ["not compared (gcp hangs)"]),
    ],
)
async def test_what_the_check_at_the_end_did_not_prove_is_no_success(
    given: Room, trimaran: Trimaran, monkeypatch: pytest.MonkeyPatch, found: Verified, words: list[str]
) -> None:
    """The exit status, the journal, the status and the metrics all say so; the move stands."""
    monkeypatch.setenv("COLUMNS", "200")
    replace_hands(given, Doubting(found=found))
    said = await trimaran("switchover", "--to", "aws", "--json")
    document = json.loads(said.out)
    assert (said.status, document["outcome"], document["verified"]["proven"]) == (Exit.UNPROVEN, "unproven", False)
    assert document["verified"]["ledgers"] == found.ledgers and (await given.posture()).writer == AWS
    async with asyncio.timeout(5):
        while "the last move was not proven" not in (shown := (await trimaran("status")).out):
            await asyncio.sleep(0.01)
    async with given.http.get(given.servers[AWS].make_url("/metrics")) as answer:
        lines = dict(line.rsplit(" ", 1) for line in (await answer.text()).splitlines() if not line.startswith("#"))
    checks = {check: float(lines[f'trimaran_last_move_verified{{check="{check}",service="payments"}}']) for check in CHECKS}
    assert checks == {"canary": float(not found.unpaid), "ledgers": float(found.ledgers is Ledgers.EQUAL)}
    journal = await given.stores[AWS].journal("payments", limit=100_000)
    (told,) = (explain(entry) for entry in journal if "verified" in entry.body)
    for word in words:
        assert word in shown and word in told


CHECKS = ("canary", "ledgers")


def lose_answers(given: Room, monkeypatch: pytest.MonkeyPatch, *, arriving: bool) -> None:
    """No controller hears from etcd whether a request is there."""
    for store in given.stores.values():

        async def lost(service: str, wish: Request, *, ask: object = store.request) -> None:
            if arriving:
                await ask(service, wish)  # type: ignore[operator]
            raise Transient("silent for 0.2 s")

        monkeypatch.setattr(store, "request", lost)


async def test_a_lost_answer_is_looked_up_in_the_journal(
    given: Room, trimaran: Trimaran, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order was carried out, so the command may not say that nobody could act."""
    lose_answers(given, monkeypatch, arriving=True)
    said = await trimaran("switchover", "--to", "aws")
    assert said.status == Exit.DONE and "the journal tells" in said.out
    assert (await given.posture()).writer == AWS


async def test_an_order_that_nobody_confirmed_can_be_given_again(
    given: Room, trimaran: Trimaran, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outcome is unknown, and the line says how to find out; under the same id it is one order however often it is given."""
    with monkeypatch.context() as patched:
        lose_answers(given, patched, arriving=False)
        said = await trimaran("switchover", "--to", "aws", "--timeout", "0.3")
    assert said.status == Exit.UNKNOWN and (await given.posture()).writer == AZURE
    request = said.out.split("--request ")[1].split()[0]
    assert f"asking for switchover, request {request}" in said.out.splitlines()[0]
    for _ in range(2):
        assert (await trimaran("switchover", "--to", "aws", "--request", request)).status == Exit.DONE
    plans = {entry.body["plan"] for entry in await given.stores[AWS].journal("payments") if entry.kind == "claim"}
    assert len([plan for plan in plans if str(plan).startswith(PlanKind.SWITCHOVER)]) == 1


async def test_when_nobody_can_be_heard_any_more_the_outcome_is_unknown(given: Room, trimaran: Trimaran) -> None:
    """etcd is out of reach in the middle of the plan: it may have gone on, and nobody here can tell."""
    given.hands.hanging = True
    followed = asyncio.create_task(trimaran("switchover", "--to", "aws", "--timeout", "1"))
    async with asyncio.timeout(10):
        while (control := await given.stores[AWS].read("payments")) is None or control.plan is None:
            await asyncio.sleep(0.01)
    given.etcd.majority = False
    said = await followed
    assert said.status == Exit.UNKNOWN and "outcome unknown" in said.out


async def test_an_old_order_is_not_carried_out(given: Room, trimaran: Trimaran) -> None:
    """Left in etcd a day ago, found today: refused with the way out, and the writer stays."""
    old = given.clock.now() - timedelta(days=1)
    await given.stores[AWS].request(
        "payments", Request(id="old", verb="switchover", by="x", reason="", at=old, arguments={"to": "aws"})
    )
    async with asyncio.timeout(10):
        while "Ask again" not in (said := (await trimaran("explain", "--limit", "3")).out):
            await asyncio.sleep(0.01)
    assert "asked 864" in said
    assert (await given.posture()).writer == AZURE


async def test_too_many_orders_are_refused_as_such(tmp_path: Path, trimaran: Trimaran) -> None:
    """Exit 3: nothing is wrong with the command."""
    async with room() as given:
        for number in range(20):
            wish = Request(id=f"w{number}", verb="resume", by="x", reason="", at=given.clock.now(), arguments={})
            await given.stores[AWS].request("payments", wish)
        said = await trimaran("resume", "--context", given.write_context(tmp_path))
        assert said.status == Exit.REFUSED and "20 requests wait already" in said.err


@pytest.mark.parametrize("token", [None, "a-token-of-another-room"])
async def test_without_the_token_people_may_look_and_not_order(
    given: Room, trimaran: Trimaran, tmp_path: Path, token: str | None
) -> None:
    """Exit 2 with what is missing; nothing was changed."""
    path = tmp_path / "looking.json"
    (tmp_path / "other").write_text(token or "")
    document = {"service": "payments", "controllers": dict(given.urls()), **({"token_file": "other"} if token else {})}
    path.write_text(json.dumps(document))
    assert (await trimaran("status", "--context", str(path))).status == Exit.DONE
    said = await trimaran("mode", "manual", "--context", str(path))
    assert said.status == Exit.USAGE and "token" in said.err
    assert (await given.posture()).mode is Mode.AUTOMATIC


async def test_every_failure_is_a_document_for_machines(given: Room, trimaran: Trimaran, tmp_path: Path) -> None:
    """With --json, standard output holds exactly one document, whatever happens."""
    missing = str(tmp_path / "none.json")
    for arguments in (
        ["status"],
        ["explain"],
        ["audit", "verify"],
        ["mode", "manual"],
        ["switchover", "--to", "aws"],
        ["pause", "--reason", "x", "--until", "99999h"],
    ):
        said = await trimaran(*arguments, "--json", "--context", missing)
        told = json.loads(said.out)
        assert told["exit"] == said.status and said.status in {Exit.NOBODY, Exit.USAGE}
        assert told["error"] == said.err.strip() and told["outcome"] in {"nobody", "usage"}


async def test_a_wait_is_told_within_a_second(tmp_path: Path, trimaran: Trimaran) -> None:
    """Nobody answers: before that is certain, the screen says who is being asked."""
    with closing(socket.create_server(("127.0.0.1", 0))) as hole:
        path = tmp_path / "hole.json"
        url = f"http://127.0.0.1:{hole.getsockname()[1]}"
        path.write_text(json.dumps({"service": "payments", "controllers": {"aws": url}}))
        said = await trimaran("status", "--context", str(path))
    first, *_ = said.err.splitlines()
    assert said.status == Exit.NOBODY and "asking aws ..." in first and float(first.split()[0]) < 1


async def test_only_one_controller_reads_the_journal_for_us(
    given: Room, trimaran: Trimaran, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proving the whole journal is work for etcd: it is done once, not three times."""
    asked: set[Site] = set()
    for site, store in given.stores.items():

        async def counted(
            service: str, after: int = 0, limit: int = 1000, *, at: Site = site, read: object = store.journal
        ) -> object:
            if limit == 1000:
                asked.add(at)
            return await read(service, after, limit)  # type: ignore[operator]

        monkeypatch.setattr(store, "journal", counted)
    assert (await trimaran("audit", "verify")).status == Exit.DONE
    assert len(asked) == 1
