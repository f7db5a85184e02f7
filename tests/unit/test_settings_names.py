"""What may not be the name of a service: anything that would make two things carry one name."""

import re
from collections.abc import Iterator
from itertools import product

import pytest

from controller.coordination.layout import Keys, session_key
from controller.core import naming
from controller.core.model import Epoch, Site
from controller.settings import password_variable
from controller.settings_names import taken
from controller.settings_tables import SERVICE

PARTS = ("pay", "e1", "e12", "e", "e1x", "spare", "app", "control", "stream", "ledger", "")
SITES = tuple(map(Site, ("aws", "e1", "spare")))
NAMES = sorted({name for count in (1, 2, 3) for parts in product(PARTS, repeat=count) if (name := "_".join(parts))})
SERVICES = [name for name in NAMES if re.fullmatch(SERVICE, name)]


def streams(service: str) -> Iterator[str]:
    """Slots and subscriptions, spare ones too."""
    for epoch, publisher, follower in product((Epoch(1), Epoch(12)), SITES, SITES):
        yield naming.stream(service, epoch, publisher, follower)
        yield naming.spare_stream(service, epoch, publisher, follower)


def named_after(service: str) -> Iterator[tuple[str, str]]:
    """Everything that shares one space of names with another service's: kind, name."""
    yield "database", naming.database(service)
    for role in (naming.app_role, naming.control_role, naming.stream_role):
        yield "role", role(service)
    for name in streams(service):
        yield "slot", name
    yield "keys", Keys(service).posture
    for role in ("control", "stream"):
        yield "variable", password_variable(service, role)


@pytest.mark.parametrize(
    ("service", "because"),
    [
        ("sessions", "/trimaran/sessions/"),
        ("postgres", "PostgreSQL has a database postgres"),
        ("template0", "PostgreSQL has a database template0"),
        ("template1", "PostgreSQL has a database template1"),
        ("rdsadmin", "Amazon RDS"),
        ("azure_maintenance", "Azure"),
        ("azure_sys", "Azure"),
        ("cloudsqladmin", "Cloud SQL"),
        ("pg", "role pg_app"),
        ("pg_pay", "role pg_pay_app"),
        ("pay_e1", "service 'pay'"),
        ("pay_e12_cards", "service 'pay'"),
        ("pay_spare", "service 'pay'"),
        ("pay_spare_e3", "service 'pay_spare'"),
    ],
)
def test_a_name_that_is_taken_is_refused(service: str, because: str) -> None:
    """One reason, which says by whom."""
    assert re.fullmatch(SERVICE, service)
    (reason,) = taken(service)
    assert because in reason


@pytest.mark.parametrize(
    "service", ["payments", "pay", "pay2", "pay_e", "pay_east", "pay_e1x", "paye1", "spare", "e1", "spares", "session", "pgpay"]
)
def test_a_name_that_only_looks_like_it_is_fine(service: str) -> None:
    """A prefix of another service, an e without a number, a lonely part: nothing collides."""
    assert not list(taken(service))


def test_no_two_services_share_a_name() -> None:
    """Of a few hundred names put together from the parts that streams, roles and variables are put together from."""
    owners: dict[tuple[str, str], str] = {}
    for service in SERVICES:
        if not list(taken(service)):
            for name in named_after(service):
                assert owners.setdefault(name, service) == service, name
    assert len(set(owners.values())) > 100


def test_no_stream_reads_as_another_services() -> None:
    """The steps find a service's streams by pattern; without the refusal `pay` would find those of `pay_e1` and `pay_spare`."""
    found = {
        (reader, service)
        for reader, service in product(SERVICES, SERVICES)
        if service.startswith(f"{reader}_") and any(re.match(rf"{reader}_(spare_)?e(\d+)_", name) for name in streams(service))
    }
    assert {service for _, service in found} == {service for service in SERVICES if list(taken(service))}
    assert ("pay", "pay_e1") in found and ("pay", "pay_spare") in found


def test_sessions_are_no_service() -> None:
    """Its posture would be read as a controller that lives for ever."""
    assert session_key("posture") == Keys("sessions").posture
