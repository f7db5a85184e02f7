"""The audit of a running lab: heads of three controllers on three sites, anchors, a new key, a failover beside an anchor that hangs; then
etcd is rewritten with digests that fit; then the lab is gone, and everything that can be done to its export is done."""

import asyncio
import json
import sys
import tomllib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from controller.audit.raw import entry_of
from controller.audit.signer import Signer, read_private
from controller.cli.exits import Exit
from controller.coordination.chain import end_of
from controller.coordination.codec import decode, encode
from controller.coordination.etcd import Etcd
from controller.coordination.layout import Keys
from controller.coordination.records import Head as Tip
from controller.coordination.transaction import Put, Range, Txn
from controller.core.heads import SignedHead
from lab.addresses import LOCAL
from lab.cabling import SITES, Door
from lab.faults import Fault
from lab.fleet import LEAN, PAYMENTS
from lab.laboratory import Laboratory, laboratory
from lab.site import CONTROLLER
from lab.workspace import python_environment
from tests.lab.test_faults import WRITER, epoch, offering
from tests.unit.audit.ground import edited, rewritten

pytestmark = [pytest.mark.timeout(420), pytest.mark.long]

OWNER, PATIENCE = "aws", timedelta(seconds=60)
"""Whose key is changed; and how long controllers may take to sign, to copy and to tell: each looks every ten seconds."""

FORGED = 5
"""The entry that somebody works on."""

Records = list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def first(self) -> str:
        """The first line of what is wrong."""
        return next(iter(self.err.splitlines()), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What the test writes, and where the anchors lie."""

    folder: Path
    noted: list[str]
    """What the ledger that answers was told."""
    urls: Mapping[str, str]
    """Of ledgers."""

    @property
    def anchored(self) -> Path:
        """A file of heads that no site holds."""
        return self.folder / "anchored.jsonl"

    async def audit(self, *arguments: object) -> Told:
        """`trimaran audit`, in a process of its own."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "controller", "audit", *map(str, arguments)),
            env={**python_environment(), "TRIMARAN_CONTEXT": str(self.folder / "context.json")},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode is not None
        return Told(status=process.returncode, out=out.decode(), err=err.decode())

    async def verified(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """What `verify` tells machines, once nothing is missing in it and this holds too."""
        loop, told = asyncio.get_running_loop(), Told(status=-1, out="", err="")
        until = loop.time() + PATIENCE.total_seconds()
        while loop.time() < until:
            told = await self.audit("verify", "--json")
            if told.status == Exit.DONE and holds(found := json.loads(told.out)):
                return dict(found)
            await asyncio.sleep(2)
        raise AssertionError(f"after {PATIENCE} verify says {told}")


@asynccontextmanager
async def outside(folder: Path) -> AsyncIterator[Outside]:
    """A folder, a ledger that notes what it is told, and one that never answers."""
    noted: list[str] = []

    async def note(request: web.Request) -> web.Response:
        noted.append(await request.text())
        return web.Response(text=f"noted as {len(noted)}")

    async def hang(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    application = web.Application()
    application.add_routes([web.post("/well", note), web.post("/hangs", hang)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, LOCAL, 0)
        await site.start()
        port = runner.addresses[0][1]
        yield Outside(folder=folder, noted=noted, urls={one: f"http://{LOCAL}:{port}/{one}" for one in ("well", "hangs")})
    finally:
        await runner.cleanup()


def lines_of(path: Path) -> list[str]:
    """Of an export."""
    return path.read_text().splitlines()


def heads_of(export: Iterable[str]) -> list[SignedHead]:
    """All of them."""
    return [decode(SignedHead, one["text"], key="a head") for one in map(json.loads, export) if one["record"] == "head"]


def settings_of(lab: Laboratory, site: str) -> Path:
    """Its controller's."""
    return lab.sites[site].settings / f"{CONTROLLER}.toml"


async def change_key_and_anchor(lab: Laboratory, around: Outside) -> None:
    """As docs/audit.md says: a new key beside the old one, told to everybody, the old one retired; and three anchors for each. Controllers
    start anew one after the other."""
    table = tomllib.loads(settings_of(lab, OWNER).read_text())["audit"]
    old_file, (old,) = table["key_file"], [one["public"] for one in table["keys"] if one["controller"] == OWNER]
    new_file = around.folder / "new.key"
    line = (await around.audit("key", new_file, "--site", OWNER)).out
    retired = (datetime.now(UTC) + timedelta(seconds=30)).isoformat(timespec="seconds")
    anchors = [f'[[audit.anchors]]\nfile = "{around.anchored}"']
    anchors += [f'[[audit.anchors]]\nurl = "{url}"\ndeadline = "1s"' for url in around.urls.values()]
    for site in sorted(SITES, key=lambda one: one == OWNER):
        path = settings_of(lab, site)
        text = path.read_text().replace(f'public = "{old}"', f'public = "{old}"\nuntil = {retired}')
        text = text.replace(f'key_file = "{old_file}"', f'key_file = "{new_file}"') if site == OWNER else text
        path.write_text("\n".join((text, line, *anchors)) + "\n")
        controller = lab.sites[site].controller
        assert controller is not None
        controller.kill()
        lab.sites[site].start_controller()
        await lab.wait_until_whole(PATIENCE)


async def forge(lab: Laboratory, sequence: int) -> None:
    """Somebody who holds etcd rewrites an entry, every digest behind it, and the end that the next entry is linked to."""
    keys, etcd = Keys(PAYMENTS), Etcd([f"http://{LOCAL}:{lab.cabling.direct(site, Door.ETCD)}" for site in SITES])
    try:
        for _ in range(20):
            (seen,) = (await etcd.transact(Txn(reads=(Range(key=keys.head),)))).found[0]
            journal = rewritten(await lab.witness.journal(), sequence, actor="mallory")
            for at in range(sequence - 1, len(journal), 40):
                page = tuple(Put(key=keys.entry(one.sequence), value=encode(one)) for one in journal[at : at + 40])
                await etcd.transact(Txn(writes=page))
            tip = replace(decode(Tip, seen.value, key=keys.head), end=end_of(journal[-1]))
            write = Put(key=keys.head, value=encode(tip))
            if (await etcd.transact(Txn(unchanged={keys.head: seen.revision}, writes=(write,)))).succeeded:
                return
    finally:
        await etcd.close()
    raise AssertionError("the journal never stood still")


async def test_a_lab_is_audited_while_it_runs_and_when_it_is_gone(tmp_path: Path) -> None:
    """Whole, with a site gone, whole again; forged, and neither signed nor believed. Its export is proven without it."""
    async with outside(tmp_path) as around:
        async with laboratory("test-audit", services=LEAN) as lab:
            (tmp_path / "context.json").write_text(json.dumps({"service": PAYMENTS, "controllers": dict(lab.controllers())}))
            began = await around.verified(lambda told: set(told["signed"]) == set(SITES))
            await change_key_and_anchor(lab, around)
            await fail_over(lab, around)
            last = (await lab.witness.journal())[-1].sequence
            ended = await around.verified(lambda told: all(one["sequence"] > began["entries"] for one in told["signed"].values()))
            assert ended["entries"] >= last - 1 and set(ended["copies"]) == {f"{site}'s copy" for site in SITES}
            path = await exported(lab, around)
            private = read_private(Path(tomllib.loads(settings_of(lab, "gcp").read_text())["audit"]["key_file"]))
            await forge_and_be_found(lab, around)
        await offline(around, path, Signer(controller="gcp", private=private))


async def fail_over(lab: Laboratory, around: Outside) -> None:
    """The writer's site crashes beside an anchor that never answers: another site writes as ever, and what is missing in the proof is said
    until the site is back."""
    async with offering(lab, "audit") as load:
        before = await epoch(lab)
        await lab.faults.inject(Fault.CRASH, WRITER)
        assert await load.wait_for_epoch(before, timedelta(seconds=30))
        told = await around.audit("verify")
        assert told.status == Exit.UNTOLD and f"not proven: {WRITER} could not be asked" in told.err, told
        await lab.faults.heal(WRITER)
        await lab.wait_until_whole(timedelta(seconds=60))


async def exported(lab: Laboratory, around: Outside) -> Path:
    """An export that has every controller's heads at every place, those by the changed controller's two keys among them, and receipts."""
    (around.folder / "keys.toml").write_text(settings_of(lab, "gcp").read_text())
    loop, heads = asyncio.get_running_loop(), dict[str, set[tuple[str, str]]]()
    until, number = loop.time() + 2 * PATIENCE.total_seconds(), 0
    while loop.time() < until:
        number += 1
        path = around.folder / f"export-{number}.jsonl"
        told = await around.audit("export", "--out", path)
        assert told.status == Exit.DONE, told
        heads = witnesses(lines_of(path))
        if {site for site, _ in heads["etcd"]} == set(SITES) and all(heads[site] == heads["etcd"] for site in SITES):
            break
        await asyncio.sleep(2)
    assert all(heads[site] == heads["etcd"] for site in SITES), heads
    assert len({key for controller, key in heads["etcd"] if controller == OWNER}) == 2, heads
    anchored = [decode(SignedHead, line, key="a head") for line in lines_of(around.anchored)]
    assert {one.head.controller for one in anchored} == set(SITES)
    assert sorted(map(encode, anchored)) == sorted(around.noted), "each head once, at both places"
    receipts = [line for line in lines_of(path) if '"record":"receipt"' in line]
    assert any("noted as " in line for line in receipts) and not any("hangs" in line for line in receipts)
    return path


def witnesses(export: Iterable[str]) -> dict[str, set[tuple[str, str]]]:
    """By place: which controllers' heads lie there, and with which keys they were signed."""
    found: dict[str, set[tuple[str, str]]] = {}
    for record in map(json.loads, export):
        if record["record"] == "head":
            head = decode(SignedHead, record["text"], key="a head").head
            found.setdefault(record["place"], set()).add((head.controller, head.key))
    return found


async def forge_and_be_found(lab: Laboratory, around: Outside) -> None:
    """Every link holds, and the next entry continues the forgery: verify tells, every controller tells, none signs."""
    await forge(lab, FORGED)
    told = await around.audit("verify")
    assert told.status == Exit.BROKEN and "(rewritten) in the journal" in told.first, told
    assert sum(f"entry {FORGED} (forked) in" in line for line in told.err.splitlines()) == 3, told
    deadline = asyncio.get_running_loop().time() + PATIENCE.total_seconds()
    silent = set(SITES)
    while silent and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(1)
        logs = {site: controller.log.read_text() for site in silent if (controller := lab.sites[site].controller)}
        silent = {site for site in silent if "the journal is not the one that was signed" not in logs[site]}
    assert not silent, f"nothing is told by {silent}"
    assert (await around.audit("verify")).status == Exit.BROKEN, "nobody has signed it meanwhile"


# ---------------------------------------------------------------------------------------------------- the export


async def offline(around: Outside, path: Path, thief: Signer) -> None:
    """The lab is gone. The export holds by its own keys, by everybody's settings and by the anchor; and nothing can be done to it."""
    proof = ("--keys", around.folder / "keys.toml", "--anchor", around.anchored)
    assert (await around.audit("verify")).status == Exit.NOBODY
    for more in ((), proof):
        told = await around.audit("verify", path, *more)
        assert told.status == Exit.DONE and "signed by aws up to" in told.out, told
    whole = lines_of(path)
    for wrong, deed in DEEDS.items():
        done = around.folder / f"{wrong}.jsonl"
        done.write_text("\n".join(edited(whole, deed)) + "\n")
        told = await around.audit("verify", done, *proof)
        assert told.status == Exit.BROKEN and told.first.startswith(f"entry {FORGED} ({wrong}) in the journal: "), (wrong, told)
    signed = max(head.head.sequence for head in heads_of(whole))
    for wrong, deed in (("truncated", partial(_cut_off, signed)), ("forked", partial(_with_another_head, thief))):
        done = around.folder / f"{wrong}.jsonl"
        done.write_text("\n".join(edited(whole, deed)) + "\n")
        told = await around.audit("verify", done, *proof)
        assert told.status == Exit.BROKEN and f"({wrong}) in " in told.err, (wrong, told)
    await rewritten_whole(around, whole, proof)


async def rewritten_whole(around: Outside, whole: Sequence[str], proof: Sequence[object]) -> None:
    """The past from an entry on with digests that fit, in the journal and in every copy, and no head left: only the anchor tells."""

    def deed(records: Records) -> Records:
        entries = [entry_of(one["entry"]) for one in records if _number(one)]
        other = {one.sequence: json.loads(encode(one)) for one in rewritten(entries, FORGED, actor="mallory")}
        kept = [one for one in records if one["record"] not in {"head", "receipt"}]
        return [{**one, "entry": other[one["entry"]["sequence"]]} if "entry" in one else one for one in kept]

    done = around.folder / "rewritten.jsonl"
    done.write_text("\n".join(edited(whole, deed)) + "\n")
    told = await around.audit("verify", done)
    assert told.status == Exit.UNTOLD and f"there is no head of {OWNER}" in told.err, told
    told = await around.audit("verify", done, *proof)
    assert told.status == Exit.BROKEN and "(rewritten) in the journal" in told.first and "anchor" in told.first, told


def _number(record: Mapping[str, Any]) -> int | None:
    """Of a journal's entry; None: another record."""
    return int(record["entry"]["sequence"]) if record["record"] == "entry" else None


def _reordered(records: Records) -> Records:
    at = next(place for place, one in enumerate(records) if _number(one) == FORGED)
    return [*records[:at], records[at + 1], records[at], *records[at + 2 :]]


def _edited(records: Records) -> Records:
    return [{**one, "entry": {**one["entry"], "actor": "mallory"}} if _number(one) == FORGED else one for one in records]


def _cut_off(signed: int, records: Records) -> Records:
    """What somebody has signed, and everything behind it."""
    return [one for one in records if (_number(one) or 0) < signed]


def _with_another_head(thief: Signer, records: Records) -> Records:
    """Whoever has gcp's key signs another digest of what gcp signed."""
    signed = next(one for one in heads_of(map(json.dumps, records)) if one.head.controller == thief.controller)
    other = thief.sign(replace(signed.head, digest="jcs-0", key=thief.id))
    return [*records, {"record": "head", "place": "etcd", "text": encode(other)}]


DEEDS: Mapping[str, Callable[[Records], Records]] = {
    "changed": _edited,
    "reordered": _reordered,
    "removed": lambda records: [one for one in records if _number(one) != FORGED],
    "inserted": lambda records: [one for at in records for one in [at] * (2 if _number(at) == FORGED else 1)],
}
