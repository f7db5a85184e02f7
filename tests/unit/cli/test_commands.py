"""Every command against three controllers in memory: what it says, how it ends, and that a refusal changed nothing."""

import asyncio
import json
import socket
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from controller.cli import app
from controller.cli.exits import Exit
from controller.coordination.layout import Keys
from controller.coordination.transaction import Put, Range, Txn
from controller.core.model import Mode
from controller.core.plans import Phase
from tests.unit.cli.conftest import Trimaran
from tests.unit.core.worlds import AWS, AZURE, GCP
from tests.unit.room import Room, room

pytestmark = pytest.mark.asyncio


async def test_status_fits_one_screen(given: Room, trimaran: Trimaran, monkeypatch: pytest.MonkeyPatch) -> None:
    """24 lines of 120 columns hold it, with writer, epoch, mode and an age beside every fact."""
    monkeypatch.setenv("COLUMNS", "120")
    said = await trimaran("status")
    assert said.status == Exit.DONE
    assert len(said.out.splitlines()) <= 24
    for word in (
        "azure writes since",
        "epoch 1",
        "mode automatic",
        "heard from",
        "possible now: switchover to aws, switchover to gcp",
    ):
        assert word in said.out
    assert said.out.count("healthy 0.") == 6


async def test_status_as_json_is_the_document(given: Room, trimaran: Trimaran) -> None:
    """Nothing but the document on standard output."""
    said = await trimaran("status", "--json")
    assert json.loads(said.out)["posture"]["writer"] == "azure"


async def test_a_stale_status_is_labelled(tmp_path: Path, trimaran: Trimaran) -> None:
    """Without etcd's majority what was known is shown, in plain words as stale; nothing is possible."""
    async with room() as given:
        path = given.write_context(tmp_path)
        given.etcd.majority = False
        await given.clock.advance(10 * given.loops[AWS].interval)
        await given.clock.advance(10 * given.loops[AWS].interval)
        said = await trimaran("status", "--context", path)
        assert said.status == Exit.DONE
        assert "STALE" in said.out and "possible now: nothing" in said.out


async def test_the_freshest_controller_is_preferred(tmp_path: Path, trimaran: Trimaran) -> None:
    """aws is cut off from etcd and would tell an old story; another one answers."""
    async with room() as given:
        path = given.write_context(tmp_path)
        given.links[AWS].reachable = False
        await given.tick(20)
        said = await trimaran("status", "--json", "--context", path)
        told = json.loads(said.out)
        assert told["controller"] in {"azure", "gcp"} and not told["stale"]


async def test_a_dead_controller_costs_nothing_while_another_answers(given: Room, tmp_path: Path, trimaran: Trimaran) -> None:
    """One address accepts and never answers: the command takes another's word at once."""
    with closing(socket.create_server(("127.0.0.1", 0))) as hole:
        path = tmp_path / "hole.json"
        controllers = {"aws": f"http://127.0.0.1:{hole.getsockname()[1]}", "gcp": given.urls()[GCP]}
        path.write_text(json.dumps({"service": "payments", "controllers": controllers}))
        began = asyncio.get_running_loop().time()
        assert (await trimaran("status", "--context", str(path))).status == Exit.DONE
        assert asyncio.get_running_loop().time() - began < 0.9


async def test_status_shows_who_says_what_about_a_dead_site(
    given: Room, trimaran: Trimaran, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every voice with its age and its evidence, which moves that blocks, and still one screen."""
    monkeypatch.setenv("COLUMNS", "160")
    given.kill(GCP)
    async with asyncio.timeout(10):
        while "gcp/database failing" not in (said := await trimaran("status")).out:
            await asyncio.sleep(0.01)
    assert "aws failing" in said.out and "no answer" in said.out
    assert "blocked: switchover to gcp" in said.out and "gcp is failing" in said.out
    assert len(said.out.splitlines()) <= 24


async def test_following_survives_the_controller_that_took_the_wish(given: Room, trimaran: Trimaran) -> None:
    """Two of three operator APIs are gone in the middle of the plan; the last one tells the end."""
    given.hands.hanging = True
    followed = asyncio.create_task(trimaran("switchover", "--to", "aws"))
    async with asyncio.timeout(10):
        while (control := await given.stores[AWS].read("payments")) is None or control.plan is None:
            await asyncio.sleep(0.01)
    for site in (AWS, AZURE):
        await given.servers[site].close()
    given.hands.hanging = False
    assert (await followed).status == Exit.DONE


async def test_a_switchover_is_followed_to_its_end(given: Room, trimaran: Trimaran) -> None:
    """Steps as they come, the epoch has grown, exit 0."""
    said = await trimaran("switchover", "--to", "aws", "--reason", "rehearsal", "--by", "test")
    assert said.status == Exit.DONE, said
    for word in ("accepted: switch over to aws", "aws is elected", "open aws", "verify", "done"):
        assert word in said.out
    posture = await given.posture()
    assert (posture.writer, posture.epoch) == (AWS, 2)


async def test_a_switchover_as_json_keeps_progress_apart(given: Room, trimaran: Trimaran) -> None:
    """Progress on standard error, one document on standard output."""
    said = await trimaran("switchover", "--to", "gcp", "--json")
    told = json.loads(said.out)
    assert (said.status, told["outcome"], told["exit"]) == (Exit.DONE, "done", 0)
    assert told["plan"].startswith("switchover-e2") and {"cut", "open"} <= {step["step"] for step in told["steps"]}
    assert "accepted" in said.err


@pytest.mark.parametrize(
    ("arguments", "guard", "words"),
    [
        (["switchover", "--to", "mars"], "request", ["site mars", "one of aws, azure, gcp", "Name one of them."]),
        (["switchover", "--to", "azure"], "exactly-one-writer", ["azure writes already", "another site"]),
        (
            ["failover", "--from", "gcp", "--reason", "x"],
            "exactly-one-writer",
            ["azure writes, not gcp", "failover --from azure"],
        ),
        (["failover", "--from", "azure", "--reason", "x", "--override", "pause"], "request", ["override of pause"]),
        (["failover", "--from", "azure", "--reason", " ", "--waive", "gcp"], "request", ["without a reason", "Add --reason."]),
        (["mode", "wild"], "request", ["mode wild", "observe, manual, traffic-only, automatic"]),
        (["pause", "--reason", "x", "--until", "2020-01-01T00:00:00+00:00"], "request", ["later than"]),
        (["pause", "--reason", "x", "--until", "soon"], "request", ["ISO 8601"]),
        (["pause", "--reason", "x", "--until", "9999-12-31T23:59:59-12:00"], "request", ["at most 365 days"]),
    ],
)
async def test_what_cannot_be_is_refused_and_changes_nothing(
    given: Room, trimaran: Trimaran, arguments: list[str], guard: str, words: list[str]
) -> None:
    """Exit 3 with guard, value, limit and way out; posture and plan are as before, and the journal says why."""
    before = await given.posture()
    said = await trimaran(*arguments)
    assert said.status == Exit.REFUSED, said
    assert f"refused by {guard}" in said.out
    for word in words:
        assert word in said.out
    control = await given.stores[AWS].read("payments")
    assert control is not None
    assert (control.posture, control.plan, control.requests) == (before, None, ())


async def test_while_another_plan_runs_a_switchover_is_refused(given: Room, trimaran: Trimaran) -> None:
    """The plan under way is named, goes on untouched, and --json carries the refusal in parts."""
    given.hands.hanging = True
    first = await trimaran("switchover", "--to", "aws", "--timeout", "0.5")
    assert first.status == Exit.UNFINISHED
    control = await given.stores[AWS].read("payments")
    assert control is not None and control.plan is not None
    said = await trimaran("switchover", "--to", "gcp", "--json")
    refusal = json.loads(said.out)["refusals"][0]
    assert said.status == Exit.REFUSED
    assert refusal["guard"] == "one-plan" and control.plan.id in refusal["value"] and refusal["way_out"]
    after = await given.stores[AWS].read("payments")
    assert after is not None and after.plan is not None
    assert (after.plan.id, after.plan.phase, after.posture) == (control.plan.id, Phase.FENCE, control.posture)


async def test_an_unfinished_plan_goes_on_without_us(given: Room, trimaran: Trimaran) -> None:
    """Exit 5 says which plan and where to look; later it is done although nobody followed it."""
    given.hands.hanging = True
    said = await trimaran("switchover", "--to", "aws", "--timeout", "0.5")
    assert said.status == Exit.UNFINISHED
    assert "goes on without us" in said.out and "closing the writer" in said.out
    given.hands.hanging = False
    async with asyncio.timeout(10):
        while (await given.posture()).writer != AWS:
            await asyncio.sleep(0.01)


async def test_a_replaced_plan_is_told(given: Room, trimaran: Trimaran) -> None:
    """A failover takes the place of the switchover that hangs: whoever followed that hears so at once."""
    given.hands.hanging = True
    first = asyncio.create_task(asyncio.to_thread(app.run, ["switchover", "--to", "aws"]))
    async with asyncio.timeout(10):
        while (control := await given.stores[AWS].read("payments")) is None or control.plan is None:
            await asyncio.sleep(0.01)
    said = await trimaran("failover", "--from", "azure", "--reason", "x", "--timeout", "0.5")
    assert said.status == Exit.UNFINISHED
    assert await asyncio.wait_for(first, 10) == Exit.REPLACED
    assert "replaced by plan failover-e3" in said.out


async def test_pause_and_resume(given: Room, trimaran: Trimaran) -> None:
    """The pause is in the posture with who, why and until when, loud in the status, and gone afterwards."""
    assert (await trimaran("pause", "--reason", "maintenance", "--by", "test", "--until", "30m")).status == Exit.DONE
    pause = (await given.posture()).pause
    assert pause is not None and (pause.by, pause.reason) == ("test", "maintenance")
    assert pause.until is not None and timedelta(minutes=29) < pause.until - given.clock.now() <= timedelta(minutes=30)
    assert "PAUSED by test" in (await trimaran("status")).out
    assert (await trimaran("resume")).status == Exit.DONE
    assert (await given.posture()).pause is None


async def test_mode(given: Room, trimaran: Trimaran) -> None:
    """The posture holds it from now on."""
    assert (await trimaran("mode", "manual")).status == Exit.DONE
    assert (await given.posture()).mode is Mode.MANUAL


async def test_explain_tells_the_journal(given: Room, trimaran: Trimaran) -> None:
    """Sentences, the last ones, and up to a moment."""
    await trimaran("switchover", "--to", "mars")
    said = await trimaran("explain", "--limit", "3")
    assert said.status == Exit.DONE and "site mars" in said.out
    early = await trimaran("explain", "--at", "2026-01-01T00:00:00+00:00", "--json")
    assert json.loads(early.out)[0]["kind"] == "founded"
    assert (await trimaran("explain", "--at", "noon")).status == Exit.USAGE


async def test_the_journal_is_proven_here(given: Room, trimaran: Trimaran) -> None:
    """The whole chain, and an end remembered from before; a digest that does not fit is exit 1."""
    said = await trimaran("audit", "verify", "--json")
    told = json.loads(said.out)
    assert said.status == Exit.DONE and told["holds"] and told["entries"] >= 1
    remembered = f"{told['entries']}:{told['digest']}"
    assert (await trimaran("audit", "verify", "--expect", remembered)).status == Exit.DONE
    for other in (f"{told['entries']}:{'0' * 64}", f"9999:{told['digest']}"):
        said = await trimaran("audit", "verify", "--expect", other)
        assert said.status == Exit.BROKEN and "remembered" in said.err
    assert (await trimaran("audit", "verify", "--expect", "x")).status == Exit.USAGE


async def test_a_rewritten_entry_is_found(given: Room, trimaran: Trimaran) -> None:
    """Somebody with access to etcd makes the founding say something else."""
    key = Keys("payments").entry(1)
    ((item,),) = given.etcd.transact(Txn(reads=(Range(key=key),))).found
    given.etcd.transact(Txn(writes=(Put(key=key, value=item.value.replace('"azure"', '"aws"', 1)),)))
    said = await trimaran("audit", "verify")
    assert said.status == Exit.BROKEN and "entry 1 (changed)" in said.err


async def test_nobody_answers(tmp_path: Path, trimaran: Trimaran) -> None:
    """Exit 4 and one line that says how to start a lab: no context file, or nobody behind it."""
    with closing(socket.create_server(("127.0.0.1", 0))) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    path = tmp_path / "context.json"
    for commands in (["status"], ["switchover", "--to", "aws"], ["explain"], ["audit", "verify"]):
        missing = await trimaran(*commands, "--context", str(tmp_path / "none.json"))
        path.write_text(json.dumps({"service": "payments", "controllers": {"aws": url}}))
        silent = await trimaran(*commands, "--context", str(path))
        for said in (missing, silent):
            assert said.status == Exit.NOBODY and "trimaran lab up" in said.err
            assert len(said.err.splitlines()) == 1


async def test_a_wish_without_the_majority_is_exit_4(tmp_path: Path, trimaran: Trimaran) -> None:
    """The controllers answer and say why they cannot; nothing was asked."""
    async with room() as given:
        path = given.write_context(tmp_path)
        given.etcd.majority = False
        said = await trimaran("mode", "manual", "--context", path)
        assert said.status == Exit.NOBODY and "majority" in said.err


async def test_an_unknown_service_is_bad_usage(given: Room, trimaran: Trimaran) -> None:
    """Exit 2 with the services there are."""
    said = await trimaran("status", "--service", "vault")
    assert said.status == Exit.USAGE and "there is payments" in said.err


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"controllers": {}}', '{"controllers": {"aws": 1}}', '{"controllers": {"aws": "http://x"}}']
)
async def test_a_broken_context_is_bad_usage(tmp_path: Path, trimaran: Trimaran, text: str) -> None:
    """Exit 2 and one line with file, key and expectation."""
    path = tmp_path / "context.json"
    path.write_text(text)
    said = await trimaran("status", "--context", str(path))
    assert said.status == Exit.USAGE and said.err.startswith(f"{path}: ") and len(said.err.splitlines()) == 1


async def test_bad_usage_is_exit_2(trimaran: Trimaran) -> None:
    """Unknown commands and options, missing ones, and a failover without a reason."""
    for arguments in (
        ["nope"],
        ["status", "--nope"],
        ["switchover"],
        ["failover", "--from", "azure"],
        ["explain", "--limit", "0"],
        ["pause", "--reason", "x", "--until", "99999999999h"],
    ):
        assert (await trimaran(*arguments)).status == Exit.USAGE


async def test_help_is_exit_0(trimaran: Trimaran) -> None:
    """And it says what every exit status means."""
    said = await trimaran("--help")
    assert said.status == Exit.DONE
    for status in Exit:
        assert f"\n  {status.value:<3}  " in said.out
