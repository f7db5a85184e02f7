"""What the program publishes is what controllers' settings are made of: the names of both, and the values of the stacks there are."""

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from controller.core.checkup.finding import Verdict
from controller.core.model import Mode
from controller.settings import Settings
from controller.stacks import contract, layout, toml
from controller.stacks.contract import SHAPES, SITES, Stack, understood
from controller.stacks.settings import GROUP, Choices, document
from infra import contracts
from infra.components.edge import zone
from infra.contracts import CONTRACTS
from infra.postgres import PORT
from infra.services import DATABASES, DOORS, ETCD_CLIENT
from infra.settings import Role
from tests.infra.recording import recorded
from tests.infra.stacks import ENVIRONMENTS
from tests.unit.stacks import samples
from tests.unit.stacks.rehearsal import Rehearsal, everybody
from tests.unit.stacks.test_settings import read


@pytest.mark.parametrize("stack", Stack)
def test_what_is_read_is_published(stack: Stack) -> None:
    """Every name; and the samples of other tests name nothing that no stack tells."""
    published = {one.name for one in fields(CONTRACTS[Role(stack)])}
    assert set(SHAPES[stack].model_fields) <= published
    assert set(samples.outputs()[stack]) - {contract.MARK} <= published


def test_both_sides_speak_the_same_contract() -> None:
    """And mean the same services, ports, names and group by it."""
    assert (contract.CONTRACT, contract.MARK) == (contracts.CONTRACT, contracts.MARK)
    assert tuple(DATABASES) == contract.SERVICES
    assert (layout.ETCD, GROUP) == (ETCD_CLIENT, zone.GROUP)
    settings = document(understood(samples.outputs()), _choices("aws"))
    services: Any = settings["services"]
    assert {one["port"] for service in services.values() for one in service["databases"].values()} == {PORT}
    names = zone.Plan(domain=samples.DOMAIN)
    assert samples.outputs()[Stack.EDGE]["asked_by"] == names.asked_by
    assert services["vault"]["readiness"]["host"] in names.doors


def _choices(site: str) -> Choices:
    return Choices(
        site=site,
        writer="azure",
        mode=Mode.OBSERVE,
        issuer="https://issuer.example.com/token",
        issuer_authority="authority.pem",
        edge_authority="authority.pem",
        client=f"controller-{site}",
        scope="payments:write",
        currency="EUR",
    )


@cache
def told(environment: str) -> Mapping[Stack, Mapping[str, Any]]:
    """By the programs themselves."""
    return {stack: recorded(f"{environment}-{stack}").outputs for stack in Stack}


def settings(environment: str, site: str, folder: Path) -> Settings:
    """Written from the recorded stacks, and read as that site's controller reads them."""
    return read(toml.text(document(understood(told(environment)), _choices(site))), folder)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("site", SITES)
def test_settings_of_the_recorded_stacks_can_be_read(environment: str, site: str, tmp_path: Path) -> None:
    """At every site of both environments."""
    stacks, found = understood(told(environment)), settings(environment, site, tmp_path)
    for name, service in found.services.items():
        named = {site: one.server for site, one in service.servers.items()}
        assert named == {site: one.database_servers[name].rpartition("/")[2] for site, one in stacks.sites.items()}
        assert all(server.startswith(f"trimaran-{environment}-{name}") for server in named.values())
        assert len({one.host for one in service.databases.values()}) == 3
        assert {one.floor for one in service.capacity.values()} == {stacks.sites["aws"].peaks[name]}
    agents = {one: seen.agent for one, seen in found.sites.items() if seen.agent is not None}
    own = f"http://{stacks.sites[site].doors['agent']}"
    assert agents == ({} if site == "gcp" else {site: own}) and own.endswith(f":{DOORS['agent']}")


@pytest.mark.asyncio
@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("site", SITES)
async def test_a_check_up_by_those_settings_asks_everybody(environment: str, site: str, tmp_path: Path) -> None:
    """Each by the name and at the address that the stacks have told, and finds all of it good: nobody is left out for want of a table."""
    stacks, found = told(environment), settings(environment, site, tmp_path)
    rehearsal = Rehearsal(settings=found, nameservers=frozenset(one.rstrip(".") for one in stacks[Stack.EDGE]["nameservers"]))
    assert [one for one in await rehearsal.findings() if one.verdict is not Verdict.GOOD] == []
    assert rehearsal.asked == everybody(stacks, found)
