"""Steering groups in the settings: what would make two of them work against each other is refused."""

from collections.abc import Callable

import pytest

from controller.settings import Settings
from tests.unit.test_settings import ENVIRON, document, problems, read

__all__ = ["read"]  # the fixture


def test_two_groups_may_not_weigh_one_name(read: Callable[..., Settings]) -> None:
    """Each would steer it after its own lead. Case and a final dot make no other name."""
    given = document()
    given["groups"]["cards"] = cards = {**given["groups"]["payments"]}
    cards["names"] = [{"name": "Payments.G.Trimaran.test.", "ttl": 2}]
    found = problems(read, given)
    key = "groups.cards.names"
    assert set(found) == {f"{key}.0.name"} and "groups.payments.names.0.name" in found[f"{key}.0.name"]
    cards["names"] = [{"name": "cards.trimaran.test", "ttl": 2}, {"name": "cards.trimaran.test", "ttl": 3}]
    assert set(problems(read, given)) == {f"{key}.1.name"}
    cards["names"] = [{"name": "cards.trimaran.test", "ttl": 2}]
    assert set(read(given).led_by("payments")) == {"payments", "cards"}


@pytest.mark.parametrize("address", ["192.0.2", "edge.trimaran.test", "::1", ""])
def test_an_address_that_no_record_could_hold_is_refused(read: Callable[..., Settings], address: str) -> None:
    """An authority would refuse it in the middle of a failover."""
    given = document()
    given["groups"]["payments"]["addresses"]["aws"] = address
    assert set(problems(read, given)) == {"groups.payments.addresses.aws"}


def test_services_of_one_group_that_this_file_looks_after_go_together(read: Callable[..., Settings]) -> None:
    """A member without a database, such as screening, has no writer that could be elsewhere."""
    given = document()
    given["services"]["vault"] = {**given["services"]["payments"]}
    given["groups"]["payments"]["members"] = ["screening", "vault"]
    environ = ENVIRON | {f"TRIMARAN_VAULT_{role}_PASSWORD": "v" for role in ("CONTROL", "STREAM")}
    settings = read(given, environ)
    assert (settings.companions_of("payments"), settings.companions_of("vault")) == (("vault",), ("payments",))
