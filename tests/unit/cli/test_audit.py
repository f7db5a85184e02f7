"""`trimaran audit` beside three controllers in memory that copy and sign, and then beside nobody: an export and its verdict."""

import json
import tomllib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from controller.audit.keys import ring
from controller.audit.notary import PLAN_DONE, Notary
from controller.cli.exits import Exit
from controller.coordination.codec import encode
from controller.coordination.heads import EtcdHeads
from controller.coordination.layout import Keys
from controller.coordination.transaction import Put, Txn
from controller.core.model import Site
from controller.journal_copy import Copyist
from controller.ports import Draft
from controller.settings_audit import public_line
from tests.unit.audit.ground import KEYS, SIGNERS, rewritten
from tests.unit.cli.conftest import Trimaran, driven
from tests.unit.core.worlds import AWS, GCP, SITES
from tests.unit.room import Room, room

pytestmark = pytest.mark.asyncio
SERVICE = "payments"


def notary(given: Room, site: Site) -> Notary:
    """That of a controller of the room."""
    return Notary(
        service=SERVICE,
        signer=SIGNERS[site],
        ring=ring(KEYS),
        coordination=given.stores[site],
        board=EtcdHeads(given.links[site]),
        copy=given.copies[site],
        clock=given.clock,
        between_pages=timedelta(0),
    )


@pytest.fixture
async def signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    """A room whose journal has thirty entries, which all three copied and signed, twice in between."""
    async with room(keys=KEYS) as made:
        monkeypatch.setenv("TRIMARAN_CONTEXT", made.write_context(tmp_path))
        crew = {site: notary(made, site) for site in SITES}
        copyists = {site: Copyist(service=SERVICE, coordination=made.stores[site], copy=made.copies[site]) for site in SITES}
        async with driven(made):
            for _ in range(3):
                for number in range(10):
                    known = await made.stores[AWS].read(SERVICE)
                    assert known is not None
                    kind = "said" if number < 9 else PLAN_DONE
                    await made.stores[AWS].commit(known, journal=[Draft(kind=kind, body={"number": number})])
                for site in SITES:
                    assert await crew[site].sign_what_is_due() is not None
                    await copyists[site].keep()
                for site in SITES:
                    await crew[site].keep_others()
            yield made


async def forge(given: Room, sequence: int) -> None:
    """Somebody who holds etcd rewrites an entry, and every digest behind it."""
    journal = await given.stores[AWS].journal(SERVICE)
    for entry in rewritten(journal, sequence, actor="mallory"):
        given.etcd.transact(Txn(writes=(Put(key=Keys(SERVICE).entry(entry.sequence), value=encode(entry)),)))


async def length(given: Room) -> int:
    """Entries of the journal: thirty, and how the room began."""
    return len(await given.stores[AWS].journal(SERVICE))


async def test_a_journal_that_all_three_signed_holds(signed: Room, trimaran: Trimaran) -> None:
    """How far who signed, for people and for machines."""
    last = await length(signed)
    said = await trimaran("audit", "verify")
    assert said.status == Exit.DONE, said.err
    assert f"{last} entries hold; the last is {last}:jcs-" in said.out
    assert all(f"{site} up to {last} (" in said.out.splitlines()[1] for site in SITES)
    told = json.loads((await trimaran("audit", "verify", "--json")).out)
    assert told["holds"] and not told["weak"] and {one["sequence"] for one in told["signed"].values()} == {last}
    assert told["copies"] == {f"{site}'s copy": last for site in SITES}


async def test_where_nobody_signs_the_chain_is_proven_and_that_is_said(given: Room, trimaran: Trimaran) -> None:
    """As in a lab without keys."""
    said = await trimaran("audit", "verify")
    assert said.status == Exit.DONE and "signed by nobody" in said.out


async def test_a_forged_journal_is_told_in_the_first_line(signed: Room, trimaran: Trimaran) -> None:
    """What is wrong, and where; every digest fits, but the sites' copies and the heads do not."""
    first_head = await length(signed) - 20
    await forge(signed, 7)
    said = await trimaran("audit", "verify")
    assert said.status == Exit.BROKEN and said.out == ""
    first, *more = said.err.splitlines()
    assert first.startswith(
        f"entry 1 (rewritten) in the journal: one of the entries 1 to {first_head} is another than aws signed"
    )
    assert sum("entry 7 (forked) in" in line for line in more) == 3


async def test_an_entry_that_is_none_any_more_is_told_by_its_key(signed: Room, trimaran: Trimaran) -> None:
    """No controller can read it, and that is no reason to say that nobody answers."""
    signed.etcd.transact(Txn(writes=(Put(key=Keys(SERVICE).entry(17), value="{}"),)))
    said = await trimaran("audit", "verify")
    assert said.status == Exit.BROKEN and "/trimaran/payments/journal/000000000017" in said.err.splitlines()[0]


async def test_a_controller_that_is_gone_is_missing_in_the_proof(signed: Room, trimaran: Trimaran) -> None:
    """Its copy cannot be compared: that is said, and is no success."""
    await signed.servers[GCP].close()
    said = await trimaran("audit", "verify")
    assert said.status == Exit.UNTOLD and "entries hold" in said.out
    assert "not proven: gcp could not be asked" in said.err


async def test_an_export_is_verified_where_nobody_can_be_asked(
    signed: Room, trimaran: Trimaran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole; then with one letter changed; then by somebody's own keys."""
    path, keys, last = tmp_path / "export.jsonl", tmp_path / "keys.toml", await length(signed)
    said = await trimaran("audit", "export", "--out", str(path))
    assert said.status == Exit.DONE and f"{last} entries of payments, copies of aws, azure, gcp" in said.out
    monkeypatch.setenv("TRIMARAN_CONTEXT", str(tmp_path / "none.json"))
    assert (await trimaran("audit", "verify")).status == Exit.NOBODY
    for more in ([], ["--keys", str(keys)]):
        keys.write_text("\n".join(public_line(one.controller, one.public) for one in KEYS))
        said = await trimaran("audit", "verify", str(path), *more)
        assert said.status == Exit.DONE and f"{last} entries hold" in said.out, said.err
    keys.write_text(public_line("aws", SIGNERS["gcp"].public))
    assert (await trimaran("audit", "verify", str(path), "--keys", str(keys))).status == Exit.BROKEN
    path.write_text(path.read_text().replace('"number":5', '"number":6', 1))
    said = await trimaran("audit", "verify", str(path))
    assert said.status == Exit.BROKEN and said.err.startswith(f"entry {last - 24} (changed) in the journal: ")


async def test_an_anchor_knows_what_was_cut_off_everywhere(signed: Room, trimaran: Trimaran, tmp_path: Path) -> None:
    """An export of before is whole by itself."""
    path, anchored = tmp_path / "export.jsonl", tmp_path / "heads.jsonl"
    await trimaran("audit", "export", "--out", str(path))
    known = await signed.stores[AWS].read(SERVICE)
    assert known is not None
    await signed.stores[AWS].commit(known, journal=[Draft(kind=PLAN_DONE, body={})])
    later = await notary(signed, GCP).sign_what_is_due()
    assert later is not None and later.head.sequence == await length(signed)
    anchored.write_text(f"{encode(later)}\n")
    assert (await trimaran("audit", "verify", str(path))).status == Exit.DONE
    said = await trimaran("audit", "verify", str(path), "--anchor", str(anchored))
    assert said.status == Exit.BROKEN and said.err.startswith(f"entry {later.head.sequence} (truncated) in the journal: ")


async def test_an_export_without_keys_proves_little_and_says_so(given: Room, trimaran: Trimaran, tmp_path: Path) -> None:
    """Anybody could have taken keys and heads out of it."""
    path = tmp_path / "export.jsonl"
    assert (await trimaran("audit", "export", "--out", str(path))).status == Exit.DONE
    said = await trimaran("audit", "verify", str(path))
    assert said.status == Exit.UNTOLD and "no public key is known" in said.err


async def test_a_lost_journal_is_named_by_its_end(signed: Room, trimaran: Trimaran) -> None:
    """etcd came back with another past, and somebody knows why."""
    journal = await signed.stores[AWS].journal(SERVICE)
    await forge(signed, len(journal) - 12)
    lost = f"{journal[-1].sequence}:{journal[-1].digest}"
    assert (await trimaran("audit", "verify")).status == Exit.BROKEN
    said = await trimaran("audit", "verify", "--lost", lost)
    assert said.status == Exit.DONE and f"signed by aws up to {len(journal) - 20}" in said.out, said.err


async def test_what_cannot_be_used_is_told(given: Room, trimaran: Trimaran, tmp_path: Path) -> None:
    """Files that are missing, there already, or something else; ends that are none."""
    there = tmp_path / "there"
    there.write_text("hello\n")
    for arguments in (
        ["export", "--out", str(there)],
        ["verify", str(there)],
        ["verify", str(tmp_path / "missing")],
        ["verify", "--keys", str(there)],
        ["verify", "--keys", str(tmp_path / "missing")],
        ["verify", "--anchor", str(tmp_path / "missing")],
        ["verify", "--lost", "x"],
        ["key", str(there), "--site", "aws"],
    ):
        said = await trimaran("audit", *arguments)
        assert (said.status, len(said.err.splitlines())) == (Exit.USAGE, 1), arguments
    assert there.read_text() == "hello\n"


async def test_a_key_is_made_once_and_told_as_settings_have_it(trimaran: Trimaran, tmp_path: Path) -> None:
    """The line that every controller needs, and nothing of what is secret."""
    path = tmp_path / "audit.key"
    first = await trimaran("audit", "key", str(path), "--site", "aws")
    again = await trimaran("audit", "key", str(path), "--site", "aws")
    assert first.status == Exit.DONE and first.out == again.out
    (named,) = tomllib.loads(first.out)["audit"]["keys"]
    assert named["controller"] == "aws" and "PRIVATE" not in first.out
