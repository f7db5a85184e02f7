"""An answer of Azure that can be parsed and makes no sense is one that was not given."""

from datetime import timedelta
from typing import Any

import pytest
from azure.core.paging import ItemPaged
from azure.mgmt.trafficmanager.models import Profile

from controller.core.model import Group, Site
from controller.errors import Transient
from controller.providers.azure.dns import AzureDns
from controller.providers.records import GroupRecords, WeightedName

PAYMENTS = Group("payments")
GROUPS = {PAYMENTS: GroupRecords(names=(WeightedName(name="payments.test", ttl=2),), addresses={Site("aws"): "192.0.2.1"})}


class Vendor:
    """The vendor's clients, as far as they are asked: they answer the same page to every list, and take no put."""

    def __init__(self, *items: Any) -> None:
        self._items = items
        self.profiles = self.record_sets = self

    def list_by_resource_group(self, group: str) -> ItemPaged[Any]:
        return ItemPaged(lambda token: None, lambda answer: (None, iter(self._items)))

    def list_by_type(self, group: str, zone: str, kind: str) -> ItemPaged[Any]:
        return ItemPaged(lambda token: None, lambda answer: (None, iter(())))


@pytest.mark.parametrize(
    "item", [7, None, "a page", Profile({}), Profile({"id": "x", "name": "payments-test", "properties": None})]
)
async def test_profiles_that_make_no_sense_are_no_answer(item: Any) -> None:
    """Transient, like every other answer that cannot be read: a KeyError would end the controller that asked."""
    vendor: Any = Vendor(item)
    dns = AzureDns(profiles=lambda: vendor, records=lambda: vendor, resource_group="r", zone="test", groups=GROUPS)
    with pytest.raises(Transient, match="cannot be read"):
        await dns.read()
    with pytest.raises(Transient, match="cannot be read"):
        await dns.steer({PAYMENTS: {Site("aws"): 1.0}}, timedelta(milliseconds=150))
