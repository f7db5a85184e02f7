"""etcd is lost with everything in it, on three disks at once, under load: the command brings a control plane back that fails over."""

import asyncio
import json
import sys
from datetime import timedelta
from typing import Any

import pytest

from controller.core.model import Posture
from controller.core.rebuild import CLAIMS, RANGE
from lab.faults import Fault
from lab.fleet import LEAN, PAYMENTS
from lab.laboratory import Laboratory, laboratory
from lab.site import CONTROLLER
from lab.workspace import python_environment
from tests.lab.test_faults import WRITER, offering

pytestmark = [pytest.mark.timeout(300), pytest.mark.long]


async def rebuild(lab: Laboratory, *more: str, site: str = "gcp") -> tuple[int, Any]:
    """`trimaran rebuild` as an operator at this site gives it: its exit status, and what it tells machines."""
    own = lab.sites[site]
    settings = str(own.settings / f"{CONTROLLER}.toml")
    command = [sys.executable, "-m", "controller", "rebuild", "--settings", settings, "--service", PAYMENTS, "--json", *more]
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**python_environment(), **own.programs[CONTROLLER].secrets},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, said = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None and out, said.decode()
    return process.returncode, json.loads(out)


async def posture(lab: Laboratory) -> Posture:
    """What etcd holds."""
    control = await lab.witness.control()
    assert control is not None
    return control.posture


async def test_etcd_is_lost_under_load_and_rebuilt() -> None:
    """Payments go on without a control plane, and with the rebuilt one; it lets the writer go that dies then, and takes it back.
    Nothing is lost, tokens and epochs only grow, and a second rebuild finds nothing to do."""
    async with laboratory("test-etcd-lost", services=LEAN, policy=("automatic_failovers = 9",)) as lab:
        async with offering(lab, "lost") as load:
            await lab.faults.inject(Fault.CRASH, WRITER)
            assert await load.wait_for_epoch(1, timedelta(seconds=30))
            await lab.faults.heal(WRITER)
            await lab.wait_until_whole(timedelta(seconds=60))
            before = await posture(lab)
            promised = max(facts.token for facts in (await lab.witness.facts()).values())
            await lab.etcd.lose()
            assert await lab.witness.control() is None
            paid = load.progress()["acknowledged"]
            await asyncio.sleep(5)
            assert load.progress()["acknowledged"] > paid, "payments go on"
            status, told = await rebuild(lab, "--yes", "--reason", "three disks are gone")
            assert (status, told["written"], told["office"]) == (0, True, "writes"), told
            assert told["journal"]["put_back"] > 10, "the failover's entries, by the copies of three sites"
            after = await posture(lab)
            assert (after.writer, after.reign, after.must_cut) == (before.writer, before.reign, before.must_cut)
            assert after.epoch == before.epoch + CLAIMS
            await lab.wait_until_whole(timedelta(seconds=30))
            assert (await rebuild(lab, "--yes"))[0] == 3
            await lab.faults.inject(Fault.CRASH, before.writer)
            assert await load.wait_for_epoch(after.epoch, timedelta(seconds=30)), "nobody had to ask for this failover"
            tokens = [facts.token for facts in (await lab.witness.facts()).values()]
            assert max(tokens) > RANGE > promised
            await lab.faults.heal(before.writer)
            await lab.wait_until_whole(timedelta(seconds=60))
