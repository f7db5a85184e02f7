"""Every value of every sample unknown, one after the other: somebody says so, or no mandatory rule wanted to see it."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest

from policies.controls import ADVISORY, CONTROLS, Scope
from tests.policies.breaking import SAMPLES, UNKNOWN_ON_WIRE, Break, How, broken_by, put, the_one, with_break
from tests.policies.breaks import BREAKS
from tests.policies.samples import Told
from tests.policies.spying import asked

SAID = frozenset({"encryption-key-of-ours", "unknown-has-a-source", "unknown-until-made"})
MANDATORY = tuple(control for control in CONTROLS if not control.advisory)
OF_STACK = frozenset(control.id for control in CONTROLS if control.scope is Scope.STACK)


def places(value: Any, at: str = "") -> Iterator[str]:
    """Every place in these inputs, as `a.b[0].c`."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield f"{at}.{key}".removeprefix(".")
            yield from places(inner, f"{at}.{key}".removeprefix("."))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield f"{at}[{number}]"
            yield from places(inner, f"{at}[{number}]")


def without(told: list[Told], number: int, place: str) -> list[Told]:
    """A copy in which nobody knows what stands there, and it is computed from nothing."""
    one = told[number]
    sources = {name: urns for name, urns in one["property_dependencies"].items() if name != re.split(r"[.\[]", place)[0]}
    changed = {**one, "inputs": _copy(one["inputs"]), "outputs": _copy(one["outputs"]), "property_dependencies": sources}
    put(changed, place, UNKNOWN_ON_WIRE)
    return [*told[:number], changed, *told[number + 1 :]]


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value


@cache
def _read() -> Mapping[str, set[str]]:
    return asked(MANDATORY)


TAKEN_FOR_THE_WORST: Mapping[str, frozenset[str]] = {
    "aws:lb/listener:Listener": frozenset({"defaultActions", "defaultActions[]", "defaultActions[].type", "protocol"}),
    "aws:route53/record:Record": frozenset({"ttl", "weightedRoutingPolicies"}),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": frozenset({"fromPort", "toPort"}),
    "azure-native:network:FirewallPolicyRuleCollectionGroup": frozenset(
        f"ruleCollections[].{name}" for name in ("action", "action.type", "rules[].ruleType")
    ),
    "azure-native:network:LocalNetworkGateway": frozenset({"bgpSettings", "bgpSettings.asn"}),
    "azure-native:network:NetworkSecurityGroup": frozenset(
        f"securityRules[].{name}" for name in ("access", "destinationPortRange", "direction", "sourceAddressPrefix")
    ),
    "gcp:compute/address:Address": frozenset({"addressType"}),
    "gcp:compute/firewall:Firewall": frozenset({"allows", "allows[]", "allows[].ports", "direction", "sourceRanges"}),
    "gcp:compute/routerPeer:RouterPeer": frozenset({"peerAsn"}),
    "gcp:dns/recordSet:RecordSet": frozenset({"ttl"}),
    "gcp:kms/cryptoKey:CryptoKey": frozenset({"purpose"}),
}
"""What decides whether something else is asked for, and that is good in the samples: a range of ours may be let in at any port, a
listener that only redirects needs no TLS. Unknown asks for it (`test_no_violation_hides_behind_what_is_not_known`)."""


@pytest.mark.parametrize("role", SAMPLES)
def test_what_a_mandatory_rule_wants_to_see_never_passes_in_silence(role: str) -> None:
    """A property that somebody adds to a rule, and forgets in a preview, is missed here."""
    told = SAMPLES[role]()
    silent: set[tuple[str, str]] = set()
    for number, one in enumerate(told):
        wanted = _read().get(one["type"], set())
        for place in places(one["inputs"]):
            path = re.sub(r"\[\d+\]", "[]", place)
            is_wanted = any(read == path or read.startswith((f"{path}.", f"{path}[")) for read in wanted)
            if is_wanted and not broken_by(f"prod-{role}", without(told, number, place)) - ADVISORY:
                silent.add((one["type"], path))
    allowed = {(token, path) for token, paths in TAKEN_FOR_THE_WORST.items() for path in paths}
    assert silent == {(token, path) for token, path in allowed if token in {one["type"] for one in told}}


PAIRS = [pytest.param(role, row, id=f"{role}:{row}") for role, rows in BREAKS.items() for row in rows]


@pytest.mark.parametrize(("role", "row"), PAIRS)
def test_no_violation_hides_behind_what_is_not_known(role: str, row: Break) -> None:
    """A key that does not turn over is one too while nobody knows what it is for."""
    told = SAMPLES[role]()
    whole = row.how is How.REMOVE or row.control in OF_STACK
    broken_one = the_one(told, row)
    numbers = range(len(told)) if whole else [told.index(broken_one)] if broken_one else []
    broken = with_break(told, row)
    assert numbers
    for number in numbers:
        if number < len(broken):
            for place in places(broken[number]["inputs"]):
                heard = broken_by(f"prod-{role}", without(broken, number, place))
                assert row.control in heard or (_is_about(row, place) and heard & SAID), place


def _is_about(row: Break, place: str) -> bool:
    """Is it what was made wrong, or what that is in?"""
    return (
        row.path == place or row.path.startswith((f"{place}.", f"{place}[")) or place.startswith((f"{row.path}.", f"{row.path}["))
    )


@pytest.mark.parametrize(
    ("role", "token"), [("azure", "azure-native:app:ContainerApp"), ("gcp", "gcp:cloudrunv2/service:Service")]
)
def test_a_variable_that_is_computed_from_a_password_is_refused(role: str, token: str) -> None:
    """Whatever it is called: the container would be told a secret in the open, and Pulumi's state as well."""
    told = SAMPLES[role]()
    app = next(one for one in told if one["type"] == token)
    password = {**app, "urn": f"{app['urn']}-password", "type": "random:index/randomPassword:RandomPassword", "inputs": {}}
    name = "env" if role == "azure" else "envs"
    put(app, f"template.containers[0].{name}", [{"name": "GREETING", "value": UNKNOWN_ON_WIRE}])
    app["property_dependencies"] = {"template": [password["urn"]]}
    assert "unknown-has-a-source" in broken_by(f"prod-{role}", [*told, password])


def test_addresses_that_are_known_are_compared_while_another_one_is_not() -> None:
    """In the first preview of the zone one authority has a wrong address, and another's are not there yet."""
    told = SAMPLES["edge"]()
    endpoint = the_one(told, Break(control="", type="azure-native:trafficmanager:Endpoint", name="api-0"))
    record = the_one(told, Break(control="", type="aws:route53/record:Record", name="api-1"))
    assert endpoint and record
    early = without(told, told.index(endpoint), "target")
    assert "dns-three-authorities" not in broken_by("prod-edge", early)
    put(early[told.index(record)], "records", ["198.51.100.9"])
    assert "dns-three-authorities" in broken_by("prod-edge", early)
