"""What the zone takes from the sites, and what it refuses."""

import pulumi
import pytest

from infra.components.edge.zone import Kind, Plan, RecordSet, absolute, asked_for
from infra.roles.edge import union
from infra.topology import Cloud

PLAN = Plan(domain="pay.example.com")


def wanted(name: str, kind: str = "CNAME", value: str = "x.example.net.") -> dict[str, str]:
    """One record, as a site asks for it."""
    return {"name": name, "type": kind, "value": value}


def test_names_are_those_of_the_domain() -> None:
    """One is steered, and clients' names stand for it."""
    assert PLAN.weighted == "everywhere.pay.example.com"
    assert PLAN.doors == ("api.pay.example.com", "vault.pay.example.com") and PLAN.asked_by == PLAN.doors[0]
    assert PLAN.mark(Cloud.GCP) == "everywhere/gcp"
    assert PLAN.relative("pay.example.com") == "@" and PLAN.relative("a.b.pay.example.com") == "a.b"


def test_the_same_record_from_two_sites_is_one() -> None:
    """However they spell it."""
    asked = [wanted("_A.pay.example.com."), wanted("_a.pay.example.com")]
    assert asked_for(PLAN, asked) == (RecordSet(name="_a.pay.example.com", kind=Kind.CNAME, values=("x.example.net.",)),)


def test_texts_of_one_name_are_one_set() -> None:
    """An authority takes one of each name and type; the second would replace the first."""
    asked = [wanted("t.pay.example.com", "TXT", "one"), wanted("t.pay.example.com", "TXT", '"two"')]
    assert asked_for(PLAN, asked) == (RecordSet(name="t.pay.example.com", kind=Kind.TXT, values=("one", "two")),)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ([wanted("_a.other.example.com")], "_a.other.example.com is not in pay.example.com"),
        ([wanted("_a.xpay.example.com")], "is not in pay.example.com"),
        ([wanted("_a.pay.example.com", "MX")], "records of type MX"),
        ([wanted("api.pay.example.com", "TXT", "v")], "api.pay.example.com: a CNAME stands alone"),
        ([wanted("everywhere.pay.example.com")], "everywhere.pay.example.com: a CNAME stands alone"),
        ([wanted("_a.pay.example.com"), wanted("_a.pay.example.com", value="y.example.net.")], "a CNAME stands alone"),
        ([wanted("_a.pay.example.com", "TXT", "v"), wanted("_a.pay.example.com")], "a CNAME stands alone"),
    ],
)
def test_what_cannot_stand_in_the_zone_is_refused_by_name(asked: list[dict[str, str]], said: str) -> None:
    """Before one authority has taken it and the next one has not."""
    with pytest.raises(pulumi.RunError, match=said.replace(".", r"\.")):
        asked_for(PLAN, asked)


def test_name_servers_are_each_named_once() -> None:
    """Whatever case and dots they come with."""
    assert union([["NS-1.example.org", "ns-2.example.org."], ["ns-1.example.org."]]) == ["ns-1.example.org.", "ns-2.example.org."]
    assert absolute("a.example.org.") == absolute("a.example.org") == "a.example.org."
