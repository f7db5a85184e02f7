"""Rows that a sample has under a name of its own, broken in the real stacks under the names that are theirs."""

from collections.abc import Mapping

import pytest

from infra.postgres import PARAMETERS
from infra.topology import Cloud
from policies.controls import CONTROLS
from tests.policies.breaking import GONE, Break, How, the_one, with_break
from tests.policies.breaks import BREAKS, ENDPOINT, INGRESS, PARAMETER, RECORD, ROLE, VPN
from tests.policies.landed import LANDED, Landed, usually
from tests.policies.samples import Told, trust

GROUP, LOCK = "aws:rds/parameterGroup:ParameterGroup", "azure-native:authorization:ManagementLockByScope"
GUARD, FIREWALL = "azure-native:network:NetworkSecurityGroup", "gcp:compute/firewall:Firewall"
OPEN = "no-open-ingress"
DNS, TLS, PG_TLS, PG_LOGICAL = "dns-three-authorities", "tls-in-transit", "pg-tls-required", "pg-logical-replication"
CONFIGURED = frozenset({"topology-separation", "topology-jurisdiction"})
"""Of the stack's settings: `test_registry`."""
PREVIEWED = frozenset({"unknown-has-a-source", "unknown-until-made"})
"""Of what a preview does not know: `test_previews`."""


def _set(control: str, token: str, name: str, path: str, value: object) -> Break:
    return Break(control=control, type=token, name=name, path=path, value=value)


def _gone(control: str, token: str, name: str) -> Break:
    return Break(control=control, type=token, name=name, how=How.REMOVE)


def _parameter(control: str, name: str) -> Break:
    (place,) = (place for place, one in enumerate(PARAMETERS[Cloud.AWS]) if one.name == name)
    return _set(control, GROUP, "vault-database", f"parameters[{place}].value", "0")


ROWS: Mapping[str, tuple[Break, ...]] = {
    "aws": (
        _parameter(PG_TLS, "rds.force_ssl"),
        _parameter(PG_LOGICAL, "rds.logical_replication"),
        _set(OPEN, INGRESS, "guards-10.20.32.0-20-vault-database-tcp-5432-in", "cidrIpv4", "0.0.0.0/0"),
        _set(OPEN, INGRESS, "guards-10.20.32.0-20-vault-database-tcp-5432-in", "cidrIpv6", "::/0"),
        _set(OPEN, INGRESS, "guards-0.0.0.0-0-door-tcp-443-in", "toPort", 444),
        _set(TLS, "aws:lb/listener:Listener", "ingress", "protocol", "HTTP"),
        _set("waf-or-exempt", "aws:lb/loadBalancer:LoadBalancer", "ingress", "loadBalancerType", "application"),
    ),
    "azure": (
        _gone(PG_TLS, PARAMETER, "vault-database-require-secure-transport"),
        _set(PG_TLS, PARAMETER, "vault-database-ssl-min-protocol-version", "value", "TLSv1.1"),
        _gone(PG_LOGICAL, PARAMETER, "vault-database-wal-level"),
        _gone("pg-delete-lock", LOCK, "vault-database-lock"),
        _set("pg-delete-lock", LOCK, "vault-database-lock", "level", "ReadOnly"),
        _set(OPEN, GUARD, "network-control-guard", "securityRules[0].sourceAddressPrefixes", ["*"]),
        _set(OPEN, GUARD, "network-control-guard", "securityRules[0].sourceAddressPrefixes", ["Internet"]),
    ),
    "gcp": (
        _set(OPEN, FIREWALL, "trimaran-prod-ways-etcd-members", "sourceRanges", ["0.0.0.0/0"]),
        _set(OPEN, FIREWALL, "trimaran-prod-ways-etcd-members", "sourceRanges", GONE),
        _set(OPEN, "gcp:compute/forwardingRule:ForwardingRule", "trimaran-prod-ingress", "portRange", "80"),
        _set(TLS, "gcp:compute/regionBackendService:RegionBackendService", "trimaran-prod-ingress", "protocol", "HTTP"),
        _set(
            TLS, "gcp:compute/regionTargetHttpsProxy:RegionTargetHttpsProxy", "trimaran-prod-ingress-clients", "sslPolicy", GONE
        ),
    ),
    "interconnect": (_set("vpn-secret-from-output", VPN, "", "tunnel1PresharedKey", "typed-by-hand"),),
    "edge": (
        _gone(DNS, RECORD, "edge-route53-nameservers"),
        _gone(DNS, "gcp:dns/recordSet:RecordSet", "edge-clouddns-nameservers"),
        _set(DNS, RECORD, "edge-route53-weighted-gcp", "ttl", 300),
        _set(DNS, ENDPOINT, "edge-azure-weighted-gcp", "target", "198.51.100.1"),
        Break(control=DNS, type=RECORD, name="edge-route53-weighted-gcp", how=How.UNIGNORE),
    ),
    "control": (
        _set("federation-conditions", ROLE, "control-aws-controller", "assumeRolePolicy", trust("accounts.google.com", sub="1")),
        _set(
            "federation-conditions",
            ROLE,
            "control-aws-controller",
            "assumeRolePolicy",
            trust("accounts.google.com", aud="a", sub="*"),
        ),
    ),
}
PROD = tuple(one for one in LANDED if one.stack.startswith("prod-"))


def _broken(landed: Landed, row: Break) -> list[Told]:
    """With nothing left of what it was computed from: it was typed."""
    told = with_break(landed.told(), row)
    if row.how is How.SET and (one := the_one(told, Break(control="", type=row.type, name=row.name, how=How.UNPROTECT))):
        one["property_dependencies"] = {key: urns for key, urns in one["property_dependencies"].items() if key != row.path}
    return told


@pytest.mark.parametrize(("role", "row"), [pytest.param(role, row, id=f"{role}:{row}") for role in ROWS for row in ROWS[role]])
def test_exactly_that_rule_is_broken_in_a_real_stack(role: str, row: Break) -> None:
    """Wherever that resource is: before the site is live, afterwards, or both."""
    there = [one for one in PROD if one.role == role and the_one(one.told(), row) is not None]
    assert there, "nobody is called so"
    for landed in there:
        assert landed.broken_by(_broken(landed, row)) - usually(landed) == {row.control}


def test_every_rule_is_broken_in_a_real_stack() -> None:
    """By a row of one table or the other: a rule that only a sample can break could look past what there is."""
    broken = {row.control for rows in ROWS.values() for row in rows}
    for landed in PROD:
        told = landed.told()
        broken |= {row.control for row in BREAKS[landed.role] if not row.hand and the_one(told, row) is not None}
    assert {one.id for one in CONTROLS} - broken == CONFIGURED | PREVIEWED
