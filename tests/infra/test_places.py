"""The places that stacks make are the ones that `trimaran bootstrap` fills: neither imports the other, so their lists are compared here."""

import json
from collections.abc import Mapping
from functools import cache
from ipaddress import IPv4Address
from typing import Any

import pytest

from controller.errors import Refused
from controller.filling.places import READ, Estate, understood
from controller.filling.plan import SITES, Given, Issued, Passwords, plan
from controller.filling.whose import Whose
from controller.manifest.node import PAPERS
from controller.stacks.contract import Stack
from infra.nodes import PLACES
from infra.services import CONTROL, CONTROL_SECRETS, PROGRAMS, Carries, Service
from infra.settings import read_settings
from tests.infra.answers_aws import ACCOUNT
from tests.infra.recording import recorded
from tests.infra.stacks import ENVIRONMENTS, settings_of

MADE_UP = f":{ACCOUNT}:", "projects/trimaran/"
"""Whose everything in a recording is, by the answers of its clouds."""
FILLED = plan(dict.fromkeys(SITES, IPv4Address("10.0.0.4")))


def whose(environment: str) -> Whose:
    """Whose clouds these are, as a person writes it down out of the stacks' own settings."""
    settings = read_settings(settings_of(f"{environment}-aws"))
    return Whose(
        environment=environment,
        account=settings.accounts.aws.account,
        region=settings.topology.aws,
        subscription=settings.accounts.azure.subscription,
        vaults=None,
        project=settings.accounts.gcp.project,
    )


@cache
def told(environment: str) -> Mapping[Stack, Mapping[str, Any]]:
    """What the programs export, with places in this environment's own account and project."""
    ours = whose(environment)
    account, project = MADE_UP
    found = {stack: dict(recorded(f"{environment}-{stack}").outputs) for stack in READ}
    for site in SITES:
        text = json.dumps(found[Stack(site)]["secrets"])
        text = text.replace(account, f":{ours.account}:").replace(project, f"projects/{ours.project}/")
        found[Stack(site)]["secrets"] = json.loads(text)
    return found


def estate(environment: str, changed: Mapping[Stack, Mapping[str, str]] | None = None) -> Estate:
    """As `trimaran bootstrap` understands it; `changed`: what some places are called instead."""
    outputs = {stack: dict(one) for stack, one in told(environment).items()}
    for stack, places in (changed or {}).items():
        outputs[stack]["secrets"] = {**outputs[stack]["secrets"], **places}
    return understood(outputs, whose(environment))


def test_every_place_is_filled_and_nothing_else() -> None:
    """A place that stays empty keeps its program from starting; what has no place reaches nobody."""
    made = {f"{service}/{secret.name}" for service, program in PROGRAMS.items() for secret in program.secrets}
    made |= {f"{CONTROL}/{name}" for name in CONTROL_SECRETS}
    for site in SITES:
        assert {one.name for one in FILLED if one.site == site} == made
    assert set(CONTROL_SECRETS) == set(PLACES)


def test_what_comes_as_a_file_has_the_suffix_of_what_it_is() -> None:
    """Settings name files: `identity.pem`, `settings.toml`."""
    suffixes = {}
    for service, program in PROGRAMS.items():
        for secret in program.secrets:
            suffixes[f"{service}/{secret.name}"] = secret.variable.rpartition("_")[2].lower()
            assert (secret.carries is Carries.VARIABLE) == (secret.name == "password")
    for one in FILLED:
        if one.name in suffixes and isinstance(one.source, Issued):
            assert suffixes[one.name] == "pem"
        if one.name in suffixes and isinstance(one.source, Given):
            assert one.source.file.endswith(f".{suffixes[one.name]}")


def test_a_nodes_environment_is_lines() -> None:
    """As systemd reads it."""
    (paper,) = (paper for paper in PAPERS if paper.name == "environment")
    sources = {type(one.source) for one in FILLED if one.name == f"{CONTROL}/{paper.name}"}
    assert sources == {Passwords}


def test_whoever_asks_etcd_is_told_who_it_is_there() -> None:
    """Members speak with nobody who shows nothing."""
    asking = {service for service, program in PROGRAMS.items() if program.asks_etcd}
    told = {one.name.partition("/")[0] for one in FILLED if one.name.endswith("/etcd-identity")}
    assert asking == {Service.EDGE} and told == {Service.EDGE, CONTROL}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_bootstrap_finds_every_place_where_the_stacks_have_put_it(environment: str) -> None:
    """By the name and the vendor's own id, and at the nodes' addresses: a place that either side calls otherwise is refused, and with it
    everything that had to be filled."""
    found, outputs = estate(environment), told(environment)
    nodes = {site: IPv4Address(address) for site, address in outputs[Stack.CONTROL]["nodes"].items()}
    assert found.places == plan(nodes) and len(set(found.ids.values())) == len(found.places)
    for site in SITES:
        assert {one.name: found.id(one) for one in found.places if one.site == site} == outputs[Stack(site)]["secrets"]
    assert found.domain == read_settings(settings_of(f"{environment}-edge")).domain


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("stack", [Stack.AWS, Stack.AZURE, Stack.GCP])
def test_a_place_that_a_stack_calls_otherwise_is_refused(environment: str, stack: Stack) -> None:
    """One letter more in the vendor's own id. As it is exported, each is the only one that bootstrap takes for this place."""
    for name, id in told(environment)[stack]["secrets"].items():
        reader, _, own = name.partition("/")
        renamed = id.replace(f"{reader}/{own}", f"{reader}/{own}s").replace(f"{reader}-{own}", f"{reader}-{own}s")
        with pytest.raises(Refused, match=f"{stack}.secrets.{name}: "):
            estate(environment, {stack: {name: renamed if renamed != id else f"{id}s"}})
