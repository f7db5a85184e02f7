"""`trimaran promote` against real controllers and the vendors' own SDKs: whoever carries it may be killed at any moment, and another one
goes on with the very promotion that was begun."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from controller.core.model import JournalEntry
from controller.core.plans import Phase, PlanKind
from controller.ports import Control
from controller.settings import read_settings
from controller.wiring_clouds import providers
from lab import estate
from lab.clouds.faults import FaultKind, Rule
from lab.faults import Fault
from lab.fleet import LEAN
from lab.laboratory import Laboratory, laboratory
from lab.site_settings import SERVICE, TOKEN_FILE
from lab.workspace import python_environment
from tests.lab.test_providers import PASSWORDS, answered

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

DELAY = 1.0
"""Seconds for which a provider holds a request to promote before it begins: long enough to die in, shorter than a session's term."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One cloud's promotion: where, and the vendor's name for the request that begins one."""

    site: str
    place: str
    begin: str


RDS = Provider(site="aws", place="route53", begin="PromoteReadReplica")
FLEXIBLE_SERVER = Provider(site="azure", place="azuredns", begin="Servers_Update")
CLOUD_SQL = Provider(site="gcp", place="clouddns", begin="sql.instances.promoteReplica")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab() -> AsyncIterator[Laboratory]:
    """One that is whole, for a replica of each provider."""
    async with laboratory("test-promotion", services=LEAN) as lab:
        yield lab


async def eventually(lab: Laboratory, holds: Callable[[Control], bool]) -> Control:
    """etcd's word, once this is true of it."""
    async with asyncio.timeout(30):
        while True:
            control = await lab.witness.control()
            if control is not None and holds(control):
                return control
            await asyncio.sleep(0.05)  # etcd is only read here: a session of its own would be one controller more


async def order(lab: Laboratory, provider: Provider, folder: Path) -> "asyncio.subprocess.Process":
    """An operator asks for the promotion, and follows it."""
    context = folder / "context.json"
    token = str(lab.workspace.directory("settings") / TOKEN_FILE)
    context.write_text(json.dumps({"service": SERVICE, "controllers": dict(lab.controllers()), "token_file": token}))
    asked = ("promote", "--site", provider.site, "--reason", "the reports move", "--by", "test", "--yes", "--json")
    command = [sys.executable, "-m", "controller", *asked, "--context", str(context), "--timeout", "90"]
    pipe = subprocess.PIPE
    return await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, env=python_environment())


async def kill_owner(lab: Laboratory, control: Control) -> str:
    """SIGKILL for the controller that carries the plan; answers which."""
    assert control.ownership is not None
    await lab.faults.inject(Fault.CONTROLLER, control.ownership.controller)
    return control.ownership.controller


def promoting(control: Control) -> bool:
    """Is one under way?"""
    return control.plan is not None and control.plan.kind is PlanKind.PROMOTE and control.plan.phase is not Phase.DONE


def waiting(control: Control) -> bool:
    """Has the provider's name for it been journaled?"""
    return promoting(control) and control.plan is not None and control.plan.phase is Phase.COMPLETE


async def begun(lab: Laboratory, provider: Provider) -> int:
    """Requests to promote that reached the provider."""
    return (await lab.authorities[provider.place].requests()).get(provider.begin, 0)


async def told(lab: Laboratory) -> list[JournalEntry]:
    """Everything journaled of the last promotion, its claim first."""
    entries = await lab.witness.journal()
    (*_, claim) = (entry for entry in entries if entry.kind == "claim" and entry.body.get("plan_kind") == "promote")
    return [entry for entry in entries if entry.body.get("plan") == claim.body["plan"]]


def named(entry: JournalEntry, part: str) -> str | None:
    """The provider's operation in a step or its result."""
    said = entry.body.get(part)
    return str(said["operation"]) if isinstance(said, Mapping) and "operation" in said else None


async def replica_of(lab: Laboratory, provider: Provider) -> str | None:
    """As the vendor's own SDK reads it."""
    settings = read_settings(lab.sites["gcp"].settings / "controller.toml", PASSWORDS)
    servers = {str(site): server for site, server in providers(settings.services[SERVICE], settings).replicas.items()}
    facts = await answered(partial(servers[provider.site].facts, timedelta(seconds=10)))
    assert facts is not None
    return facts.replica_of


Moment = Callable[[Laboratory, Provider, Control], Awaitable[Control]]
"""Waits for the moment in which the owner of the plan is to die; answers the control state then."""


async def while_it_asks(lab: Laboratory, provider: Provider, control: Control) -> Control:
    """The request has reached the provider, and its answer is not in the journal yet."""
    async with asyncio.timeout(20):
        while not await begun(lab, provider):
            await asyncio.sleep(0.02)  # the emulated API tells nobody of a request
    now = await eventually(lab, promoting)
    assert now.plan is not None and now.plan.phase is Phase.ASK, "nothing of the answer is journaled"
    return now


async def while_it_waits(lab: Laboratory, provider: Provider, control: Control) -> Control:
    """The operation is in the journal, and the provider is at it."""
    return await eventually(lab, waiting)


async def promote(lab: Laboratory, provider: Provider, folder: Path, deaths: Sequence[Moment]) -> list[str]:
    """Order it, kill its owner at each of these moments, and follow the order to its end; answers who died."""
    await lab.authorities[provider.place].fail_api(Rule(kind=FaultKind.DELAY, seconds=DELAY, operation=provider.begin))
    ordered = await order(lab, provider, folder)
    dead: list[str] = []
    try:
        for moment in deaths:
            now = await moment(lab, provider, await eventually(lab, lambda control: carried(control, dead)))
            dead.append(await kill_owner(lab, now))
        said, complaint = await asyncio.wait_for(ordered.communicate(), 60)
    finally:
        if ordered.returncode is None:
            ordered.kill()
            await ordered.wait()
        for site in dead:
            await lab.faults.heal(site)
    assert ordered.returncode == 0, (said, complaint)
    return dead


def carried(control: Control, dead: Sequence[str]) -> bool:
    """Is it under way, in the hands of somebody who lives?"""
    return promoting(control) and control.ownership is not None and control.ownership.controller not in dead


@pytest.mark.parametrize(
    ("provider", "deaths"),
    [
        pytest.param(RDS, (while_it_asks, while_it_waits), id="rds"),
        pytest.param(FLEXIBLE_SERVER, (while_it_waits,), id="flexible-server", marks=pytest.mark.long),
        pytest.param(CLOUD_SQL, (while_it_asks,), id="cloud-sql", marks=pytest.mark.long),
    ],
)
async def test_a_promotion_outlives_the_controllers_that_carry_it(
    lab: Laboratory, provider: Provider, deaths: Sequence[Moment], tmp_path: Path
) -> None:
    """Killed between the request and its answer, and killed again while the provider works: the provider is asked to promote once, the
    operator who ordered it is told that it is done, and the replica stands alone."""
    assert str(await replica_of(lab, provider)).endswith(estate.SERVER)
    dead = await promote(lab, provider, tmp_path, deaths)
    entries = await told(lab)
    claimed, *others = (entry.actor for entry in entries if entry.kind in ("claim", "takeover"))
    finished = entries[-1]
    assert (finished.kind, finished.body.get("failure")) == ("plan.done", None)
    assert [claimed, *others] == [*dead, finished.actor] and len({*dead, finished.actor}) == len(deaths) + 1
    assert await begun(lab, provider) == 1
    operations = [operation for entry in entries for operation in (named(entry, "result"), named(entry, "step")) if operation]
    assert len(operations) >= 2 and len(set(operations)) == 1, "every controller asked about the one that the first answer named"
    assert await replica_of(lab, provider) is None
