"""The places that stacks make are the ones that `trimaran bootstrap` fills: neither imports the other, so their lists are compared here."""

from ipaddress import IPv4Address

from controller.filling.plan import SITES, Given, Issued, Passwords, plan
from controller.manifest.node import PAPERS
from infra.nodes import PLACES
from infra.services import CONTROL, CONTROL_SECRETS, PROGRAMS, Carries, Service

FILLED = plan(dict.fromkeys(SITES, IPv4Address("10.0.0.4")))


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
