"""The cardholders' generator behaves as clients do: it keeps wanting, keeps its keys, and counts nothing that is not on its record."""

import asyncio
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeGuard

import aiohttp
import pytest
from pydantic import ValidationError

from lab.load_payer import Device, NoReplyError, Reply, Route
from lab.load_transport import Request as Carried
from lab.load_transport import Transport
from lab.record import Declined, Defect, Enrolled, Failed, Unresolved
from lab.vault_load import Cardholders, sending
from lab.vault_load_answers import Request, reveal, tokenize
from lab.vault_load_record import (
    Erased,
    ErasureWanted,
    Line,
    Revealed,
    RevealWanted,
    Tokenized,
    TokenWanted,
    VaultRecord,
    read_vault_record,
)
from lab.vault_load_schedule import named
from lab.vault_load_settings import Settings
from lab.vault_load_stats import Stats
from lab.vault_load_wallet import ASKED_AGAIN
from tests.unit.lab.vault_world import ASKED, BUSY, CARD, GONE, KEPT, WANTED, World


def settings(tmp_path: Path, **more: object) -> Settings:
    basic = {
        "run": "r",
        "record": tmp_path / "record",
        "nameservers": {"route53": 9},
        "names": ["vault"],
    }
    routes = {"192.0.2.1": {"site": "aws", "port": 9}}
    return Settings.model_validate({**basic, "routes": routes, "request_deadline": 0.2, "settle": 0, **more})


class Vault:
    """Keeps, shows and forgets in memory; every second answer to a token is lost on its way."""

    def __init__(self) -> None:
        self.numbers: dict[str, tuple[str, str]] = {}
        self.erased: set[str] = set()
        self.answered = 0
        self.refused = 0
        """Numbers of somebody who was erased."""

    async def send(self, route: Route, request: Request, device: Device, attempt: int, left: float) -> Reply:
        await asyncio.sleep(0)
        said = json.loads(request.body)
        if request.method == "DELETE":
            subject = request.path.rpartition("/")[2]
            self.erased.add(subject)
            return Reply(status=200, body=json.dumps({"proof": f"proof of {subject}", "epoch": 1}).encode())
        if request.path == "/v1/tokens":
            if said["subject"] in self.erased:
                self.refused += 1
                return Reply(status=410, body=b'{"type": "urn:x:problem:erased"}')
            self.numbers[f"t-{request.key}"] = said["subject"], said["number"]
            self.answered += 1
            if self.answered % 2:
                raise NoReplyError("reset")
            return Reply(status=201, body=json.dumps({"token": f"t-{request.key}", "epoch": 1}).encode())
        subject, number = self.numbers[request.path.split("/")[3]]
        if subject in self.erased:
            return Reply(status=410, body=b'{"type": "urn:x:problem:erased"}')
        return Reply(status=200, body=json.dumps({"number": number}).encode())


async def run(tmp_path: Path, vault: Vault, **more: object) -> tuple[Cardholders, list[Line]]:
    """One run against it."""
    with VaultRecord(tmp_path / "record") as record:
        wanted = settings(tmp_path, **more)
        load = Cardholders(wanted, record, vault.send, {"route53": World().ask})
        await load.run()
    return load, list(read_vault_record(tmp_path / "record"))


def is_wish_of(line: Line, told: Erased) -> TypeGuard[ErasureWanted]:
    """Is this what the proof was told for?"""
    return isinstance(line, ErasureWanted) and line.key == told.key


def is_under_way(lines: list[Line], wanted: ErasureWanted) -> bool:
    """Was a number of this subject asked for and not settled when its erasure was?"""
    before = lines[: lines.index(wanted)]
    numbers = {line.key for line in before if isinstance(line, TokenWanted) and line.subject == wanted.subject}
    return bool(numbers - {line.key for line in before if isinstance(line, Tokenized | Declined)})


async def test_numbers_are_kept_shown_and_forgotten(tmp_path: Path) -> None:
    """Whoever was told a token may ask for it, sees the number that was entrusted, and after an erasure sees it no more."""
    vault = Vault()
    fast: dict[str, Any] = {"first_pause": 0.001, "longest_pause": 0.001, "settle": 5, "cards": 2, "devices": 3}
    load, lines = await run(tmp_path, vault, tokenize=200, reveal=200, erase=20, duration=0.5, **fast)
    told = [line for line in lines if isinstance(line, Tokenized)]
    entrusted = {line.key: line.digest for line in lines if isinstance(line, TokenWanted)}
    tokens = {line.key: line.token for line in lines if isinstance(line, RevealWanted)}
    shown = [line for line in lines if isinstance(line, Revealed)]
    assert len(told) + vault.refused == len(entrusted)
    beside = [line for line in lines if isinstance(line, ErasureWanted) and is_under_way(lines, line)]
    assert len(beside) >= 3, "an erasure meets a number of its subject on the way, or nobody ever sees which of the two wins"
    assert shown
    assert all(entrusted[tokens[line.key].removeprefix("t-")] == line.digest for line in shown)
    assert len({line.digest for line in shown}) > 1
    assert {line.why for line in lines if isinstance(line, Declined)} == {"erased"}
    erased = {wish.subject: line.t for line in lines if isinstance(line, Erased) for wish in lines if is_wish_of(wish, line)}
    assert len(erased) >= 3
    late = {line.key for line in lines if isinstance(line, RevealWanted) and line.t > erased.get(line.subject, math.inf)}
    assert late
    assert late <= {named("r", "reveal", number) for number in range(0, 1000, ASKED_AGAIN)}, "the dead among the living"
    assert {line.caller for line in lines if isinstance(line, TokenWanted)} == {"everybody"}
    assert [line.device for line in lines if isinstance(line, Enrolled)] == [0, 1, 2]
    assert load.stats.snapshot(phase="done")["in_flight"] == 0
    record = (tmp_path / "record").read_text()
    assert not [digits for _, digits in vault.numbers.values() if digits in record]


@dataclass
class Late(Vault):
    """Keeps nothing until it is open."""

    is_open: Callable[[], bool]

    def __post_init__(self) -> None:
        super().__init__()

    async def send(self, route: Route, request: Request, device: Device, attempt: int, left: float) -> Reply:
        if not self.is_open():
            return replace(BUSY, retry_after=None)
        return await super().send(route, request, device, attempt, left)


async def test_an_erasure_that_is_due_too_early_comes_later(tmp_path: Path) -> None:
    """Else a run whose vault is slow to answer at first would erase nobody, and prove nothing about it."""
    opens = time.monotonic() + 0.25
    fast: dict[str, Any] = {"longest_pause": 0.05, "settle": 5, "cards": 2, "reveal": 0}
    vault = Late(lambda: time.monotonic() > opens)
    _, lines = await run(tmp_path, vault, tokenize=100, erase=25, duration=1.0, **fast)
    erased = [line for line in lines if isinstance(line, Erased)]
    assert len(erased) >= 20, "six of the twenty-five were due before anybody could be erased"
    assert len({line.key for line in erased}) == len({line.proof for line in erased}) == len(erased)


async def test_nobody_is_erased_once_everything_is_settled(tmp_path: Path) -> None:
    """An erasure that was due and had to wait is not begun when nothing more is wanted."""
    fast: dict[str, Any] = {"longest_pause": 0.1, "settle": 5, "cards": 2, "reveal": 0}
    wanted = settings(tmp_path, tokenize=400, erase=100, duration=0.03, **fast)
    with VaultRecord(tmp_path / "record") as record:
        vault = Late(lambda: load.phase == "settling")
        load = Cardholders(wanted, record, vault.send, {"route53": World().ask})
        await load.run()
    lines = list(read_vault_record(tmp_path / "record"))
    assert [line for line in lines if isinstance(line, Tokenized)]
    assert not [line for line in lines if isinstance(line, ErasureWanted)]


class Silence(Vault):
    """Nothing ever answers."""

    async def send(self, route: Route, request: Request, device: Device, attempt: int, left: float) -> Reply:
        await asyncio.Event().wait()
        raise AssertionError("a black hole answered")


async def test_errands_go_on_while_nothing_answers(tmp_path: Path) -> None:
    """Every number of the schedule is brought although none is kept; each is unresolved in the end, and nothing is asked to be shown."""
    _, lines = await run(tmp_path, Silence(), tokenize=1000, reveal=100, duration=0.1005)
    assert sum(isinstance(line, TokenWanted) for line in lines) == 100
    assert sum(isinstance(line, Unresolved) for line in lines) == 100
    assert not [line for line in lines if isinstance(line, RevealWanted | ErasureWanted)]


@pytest.mark.parametrize("rate", [0.02, 1000])
async def test_errands_end_when_told(tmp_path: Path, rate: float) -> None:
    """SIGTERM is heard between two errands however far apart they are; a second one ends the settling of those that meet silence."""
    with VaultRecord(tmp_path / "record") as record:
        wanted = settings(tmp_path, tokenize=rate, reveal=0, erase=0, settle=1000)
        load = Cardholders(wanted, record, Silence().send, {"route53": World().ask})
        async with asyncio.timeout(5):
            task = asyncio.create_task(load.run())
            await asyncio.sleep(0.02)
            load.stop_wanting.set()
            await asyncio.sleep(0.02)
            assert load.phase == "settling" or rate < 1
            load.stop_settling.set()
            await task
    assert load.phase == "done"
    assert load.stats.snapshot(phase="done")["in_flight"] == 0


async def test_errands_that_were_not_asked_for_again_are_a_defect_of_the_run(tmp_path: Path) -> None:
    """Five requests meet silence, then nothing more is wanted, and the window is shorter than one request."""

    class Fifth(Silence):
        sent = 0

        async def send(self, route: Route, request: Request, device: Device, attempt: int, left: float) -> Reply:
            self.sent += 1
            if self.sent == 5:
                load.stop_wanting.set()
            return await super().send(route, request, device, attempt, left)

    with VaultRecord(tmp_path / "record") as record:
        wanted = settings(tmp_path, settle=0.001, tokenize=1000, reveal=0, erase=0)
        load = Cardholders(wanted, record, Fifth().send, {"route53": World().ask})
        await load.run()
    (defect,) = [line.what for line in read_vault_record(tmp_path / "record") if isinstance(line, Defect)]
    count, _, said = defect.partition(" ")
    assert int(count) >= 5
    assert said == "errands were not asked for again after the last one began"


async def test_reaching_the_bound_is_a_defect_of_the_run(tmp_path: Path) -> None:
    """Dropped errands are on the record: a run that stopped wanting must not look like an open loop."""
    load, lines = await run(tmp_path, Silence(), tokenize=2000, reveal=0, erase=0, duration=0.04, max_in_flight=10)
    assert sum(isinstance(line, TokenWanted) for line in lines) == 10
    assert [type(line) for line in lines].count(Defect) == 1
    assert load.stats.bound_hit == 69


async def test_a_cardholder_who_stumbles_is_a_defect_of_the_run(tmp_path: Path) -> None:
    """Before anything was wanted there is no line of it at all, and a run that wanted nothing lost nothing."""

    class Stumbling(Vault):
        async def send(self, route: Route, request: Request, device: Device, attempt: int, left: float) -> Reply:
            raise RuntimeError("a plain mistake")

    _, lines = await run(tmp_path, Stumbling(), tokenize=100, reveal=0, erase=0, duration=0.05, settle=0)
    stumbled = [line.what for line in lines if isinstance(line, Defect)]
    assert any("tokenize 0 ended with RuntimeError" in what for what in stumbled), stumbled


async def test_a_record_that_cannot_be_written_ends_the_run(tmp_path: Path) -> None:
    """Without a record nothing can be proven, so the run stops by itself and says so."""
    record = VaultRecord(Path("/dev/full"))
    load = Cardholders(settings(tmp_path), record, Vault().send, {"route53": World().ask})
    async with asyncio.timeout(5):
        await load.run()
    assert load.broken
    assert load.stats.counts["offered"] == 0


async def test_a_disk_that_is_full_in_the_middle_ends_the_run(tmp_path: Path) -> None:
    """Whoever wants something just then is the last."""

    class Filling(VaultRecord):
        left = 40

        def append(self, line: Line) -> None:
            self.left -= 1
            if self.left < 0:
                raise OSError("no space")
            super().append(line)

    with Filling(tmp_path / "record") as record:
        load = Cardholders(settings(tmp_path, tokenize=1000), record, Vault().send, {"route53": World().ask})
        async with asyncio.timeout(5):
            await load.run()
    assert load.broken
    assert len(list(read_vault_record(tmp_path / "record"))) == 40


@pytest.mark.parametrize(
    "wrong",
    [{"routes": {}}, {"tokenize": 0}, {"names": []}, {"run": "two words"}, {"typo": 1}, {"nameservers": {}}],
)
def test_settings_that_cannot_work_are_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    """Before anything is wanted."""
    with pytest.raises(ValidationError):
        settings(tmp_path, **wrong)


def test_devices_are_told_apart_by_their_clients_as_the_transport_does(tmp_path: Path) -> None:
    """The audit trail names the client whose token a request carried, and the record must name the same."""
    clients = [{"name": name, "certificate": "x"} for name in ("wallet-1", "wallet-2", "wallet-3")]
    entrance = {"doors": "d", "issuer": "i", "token_url": "https://127.0.0.1/token", "clients": clients}
    known = settings(tmp_path, entrance=entrance)
    assert [known.caller(device) for device in range(5)] == ["wallet-1", "wallet-2", "wallet-3", "wallet-1", "wallet-2"]


async def test_requests_travel_with_what_edges_and_services_read() -> None:
    """The host that tells services apart, whose client it is, the key where there is one, the deadline, and which attempt it is."""
    seen: list[Carried] = []

    class Noted(Transport):
        async def carry(self, route: Route, request: Carried) -> Reply:
            seen.append(request)
            return KEPT

    async with aiohttp.ClientSession() as http:
        send, device = sending(Noted(http)), replace(World().device, number=5)
        for request in (tokenize(CARD)(1), reveal("t", 0)(1)):
            await send(Route(site="aws", host="127.0.0.1", port=1), request, device, 3, 0.25)
    first, second = seen
    assert (first.method, first.path, first.host, first.client) == ("POST", "/v1/tokens", "vault", 5)
    assert first.headers["Idempotency-Key"] == CARD.key
    assert "Idempotency-Key" not in second.headers
    assert (first.headers["Deadline-Ms"], first.headers["Retry-Attempt"]) == ("250", "2")


def test_stats_tell_the_epoch_of_what_was_acknowledged_last() -> None:
    """A reveal names none, so it does not hide what the token or the erasure before it said."""
    stats = Stats(lambda: 10.0)
    told = Tokenized(key="k", attempt=1, token="t", epoch=4, site="aws", status=201, latency=0.1, t=9.5)
    seen = Revealed(key="r", attempt=1, digest="d", reason="w", site="gcp", status=200, latency=0.1, t=9.6)
    for line in (WANTED, ASKED, GONE, told, seen, Failed(key="e", attempt=1, site="aws", why="deadline", t=9.7)):
        stats.count(line)
    shown = stats.snapshot(phase="offering")
    assert (shown["offered"], shown["acknowledged"], shown["in_flight"], shown["failed_attempts"]) == (3, 2, 1, 1)
    assert shown["last_acknowledged"] == {"t": 9.5, "epoch": 4, "site": "aws"}
    stats.count(Erased(key="e", attempt=2, proof="p", epoch=5, site="gcp", status=200, latency=0.1, t=9.8))
    assert stats.snapshot(phase="done")["last_acknowledged"] == {"t": 9.8, "epoch": 5, "site": "gcp"}
