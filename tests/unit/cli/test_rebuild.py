"""`trimaran rebuild`: what is shown, what is asked, and one exit status for each end."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.cli.exits import Ended, Exit
from controller.cli.rebuild import Asking, carry_out
from controller.core.rebuild import RANGE
from controller.errors import Transient
from tests.unit.cli.conftest import Trimaran
from tests.unit.cli.test_doctor import closed as closed
from tests.unit.stage import AWS, AZURE, GCP, SERVICE, Stage, staged, switchover
from tests.unit.test_rebuild import rebuilder
from tests.unit.test_settings import ENVIRON


@asynccontextmanager
async def lost() -> AsyncIterator[Stage]:
    """aws writes epoch 2, and etcd holds nothing any more."""
    async with staged() as given:
        await given.carry(switchover())
        given.etcd.restore()
        given.postures.clear()
        yield given


def asking(**changes: Any) -> Asking:
    """kim, who has said yes before."""
    given = Asking(by="kim", reason="etcd is gone", paused=False, dry_run=False, yes=True, no_input=True, as_json=False)
    return replace(given, **changes)


async def ended(stage: Stage, asked: Asking) -> Ended:
    """How the command ended that did not end well."""
    with pytest.raises(Ended) as end:
        await stage.drive(carry_out(rebuilder(stage), SERVICE, asked))
    return end.value


async def test_the_plan_is_shown_and_written(capsys: pytest.CaptureFixture[str]) -> None:
    """Who said what, why it is proven, what is written, what nobody knows, and what comes next."""
    async with lost() as stage:
        await stage.drive(carry_out(rebuilder(stage), SERVICE, asking()))
        told = capsys.readouterr().out
        for line in (
            "  aws: writer of epoch 2, promised",
            "  provable-ack-set consents: ",
            "  aws writes in epoch 2",
            "  must be cut before anybody else is elected: azure, gcp",
            f"  every token is above {RANGE}",
            "  unknown: weights, drains, mode and pause of before",
            "then: controllers go on by themselves",
            "written: payments goes on under aws of epoch 2",
        ):
            assert line in told
        assert (await stage.control()).posture.writer == AWS


async def test_a_dry_run_shows_the_same_and_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """No node promises anything for it."""
    async with lost() as stage:
        before = [server.token for server in stage.world.servers.values()]
        await stage.drive(carry_out(rebuilder(stage), SERVICE, asking(dry_run=True)))
        assert "what is written:" in capsys.readouterr().out
        assert [server.token for server in stage.world.servers.values()] == before
        assert await stage.reader.read(SERVICE) is None


async def test_without_a_yes_and_somebody_to_ask_nothing_is_written() -> None:
    """A script does not rebuild a control plane by accident."""
    async with lost() as stage:
        end = await ended(stage, asking(yes=False))
        assert end.status is Exit.USAGE and "nothing was changed" in end.line
        assert await stage.reader.read(SERVICE) is None


async def test_what_is_not_proven_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Guard, value, limit, way out, and why a site is silent."""
    async with lost() as stage:
        stage.world.crash(AZURE)
        stage.world.crash(GCP)
        end = await ended(stage, asking())
        assert end.status is Exit.REFUSED
        for words in ("heard-from holds: azure, gcp silent", "needs every site but one", "Bring one of them back", "azure: "):
            assert words in end.line
        await ended(stage, asking(as_json=True))
        told = json.loads(capsys.readouterr().out)
        assert (told["written"], told["posture"]) == (False, None) and "heard-from" in told["refused"]


async def test_machines_are_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """One document, after everything."""
    async with lost() as stage:
        await stage.drive(carry_out(rebuilder(stage), SERVICE, asking(as_json=True)))
        told = json.loads(capsys.readouterr().out)
        assert (told["written"], told["office"], told["refused"]) == (True, "writes", None)
        assert told["posture"]["must_cut"] == ["azure", "gcp"] and told["posture"]["tokens_above"] == RANGE


async def test_a_second_time_there_is_nothing_to_rebuild() -> None:
    """The same command again is safe, and says so."""
    async with lost() as stage:
        await stage.drive(carry_out(rebuilder(stage), SERVICE, asking()))
        end = await ended(stage, asking())
        assert end.status is Exit.REFUSED and "There is nothing to rebuild" in end.line


async def test_a_lost_answer_is_not_taken_for_either_end() -> None:
    """It may be written or not; the same command tells."""
    async with lost() as stage:
        work = rebuilder(stage)
        seen = await stage.drive(work.look())

        class Mute(type(work.coordination)):  # type: ignore[misc]
            async def rebuild(self, *_: object) -> None:
                raise Transient("the answer was lost")

            async def remains(self, _: str) -> object:
                return seen.remains

        mute = Mute(None, controller="rebuilt", clock=stage.clock)
        with pytest.raises(Ended) as end:
            await stage.drive(carry_out(replace(work, coordination=mute), SERVICE, asking()))
        assert end.value.status is Exit.UNKNOWN and "Give the same command again" in end.value.line


async def test_settings_and_services_are_checked_before_anybody_is_asked(
    trimaran: Trimaran, closed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 2, with what there is; and where nobody answers, exit 4."""
    end = await trimaran("rebuild", "--service", "payments", "--settings", str(tmp_path / "nothing.toml"))
    assert end.status == Exit.USAGE and "nothing.toml" in end.err
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    end = await trimaran("rebuild", "--service", "nothing", "--settings", str(closed))
    assert end.status == Exit.USAGE and "payments" in end.err
    end = await trimaran("rebuild", "--service", "payments", "--settings", str(closed), "--timeout", "0.3", "--json")
    assert end.status == Exit.NOBODY and "Nothing was changed" in end.err
    assert json.loads(end.out)["exit"] == Exit.NOBODY
