"""The list of controls: complete, said in full, and the same in the documentation."""

import re
from collections import Counter

import pytest

from infra.topology import Cloud, Jurisdiction, Topology
from policies.check import ROOT, configuration
from policies.controls import ADVISORY, CONTROLS, LOOKED_AT, Bound
from policies.exempt import EXEMPT, is_exempt
from policies.facts import facts_of
from policies.pack import POLICIES
from policies.rules.seen import Facts
from policies.rules.topology import topology_jurisdiction, topology_separation
from policies.table import table
from tests.policies.breaking import SAMPLES
from tests.policies.landed import LANDED
from tests.policies.sdk import exists

REQUIRED = frozenset(
    {
        "topology-separation",
        "topology-jurisdiction",
        "region-pinned",
        "no-extra-jurisdiction-replica",
        "explicit-provider",
        "encryption-at-rest-cmk",
        "kms-rotation",
        "tls-in-transit",
        "pg-tls-required",
        "pg-logical-replication",
        "pg-ha",
        "pg-backup",
        "pg-private",
        "pg-version-floor",
        "pg-delete-guard",
        "stateful-protect",
        "no-open-ingress",
        "default-sg-locked",
        "flow-logs-on",
        "waf-or-exempt",
        "audit-retention",
        "no-long-lived-keys",
        "federation-conditions",
        "iam-least-privilege",
        "vm-hardening",
        "secrets-not-plaintext",
        "vpn-crypto",
        "vpn-mesh-complete",
        "dns-three-authorities",
        "container-min-capacity",
        "image-digest",
        "tags-required",
        "no-force-destroy",
    }
)


def test_every_control_of_the_design_is_there_and_more() -> None:
    """One that is renamed or dropped is missed by name."""
    ids = [control.id for control in CONTROLS]
    assert set(ids) >= REQUIRED
    assert [id for id, count in Counter(ids).items() if count > 1] == []


def test_what_is_not_listed_as_advisory_is_mandatory() -> None:
    """Three are advisory; a fourth one is a decision that changes this line."""
    assert (
        {control.id for control in CONTROLS if control.advisory}
        == ADVISORY
        == {"waf-or-exempt", "image-digest", "unknown-until-made"}
    )


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.id)
def test_a_control_says_what_it_is_for_and_what_to_do(control: object) -> None:
    """In a sentence, with a reference and a way out."""
    told = {name: getattr(control, name) for name in ("id", "promise", "way_out", "references")}
    assert re.fullmatch(r"[a-z0-9-]{3,40}", told["id"])
    assert told["promise"].endswith(".") and len(told["promise"]) > 20
    assert len(told["way_out"]) > 10 and not told["way_out"].endswith(".")
    assert all(re.fullmatch(r"(PCI DSS|DORA|GDPR) \S.*", one) for one in told["references"])


def test_a_parameter_may_be_stricter_and_not_laxer() -> None:
    """Whoever runs the pack with a configuration of their own cannot take a promise back."""
    for control in CONTROLS:
        for one in control.parameters:
            better, worse = (one.value + 1, one.value - 1) if one.may_go is Bound.UP else (one.value - 1, one.value + 1)
            assert control.numbers({one.name: better})[one.name] == better
            with pytest.raises(ValueError, match="only be stricter"):
                control.numbers({one.name: worse})


def test_the_pack_has_each_control_once() -> None:
    """In the same order."""
    assert [one.name for one in POLICIES] == [control.id for control in CONTROLS]


def test_the_documentation_has_the_same_table() -> None:
    """`python -m policies.table` prints it."""
    assert table() in (ROOT / "docs" / "policies.md").read_text()


def _types() -> list[tuple[str, str]]:
    """Every type that a stack registers, by stack."""
    made = {f"{role} by hand": [one["type"] for one in sample()] for role, sample in SAMPLES.items()}
    made |= {str(one): [resource["type"] for resource in one.told()] for one in LANDED}
    return sorted({(stack, token) for stack, tokens in made.items() for token in tokens})


@pytest.mark.parametrize(("stack", "token"), _types())
def test_every_type_that_a_stack_has_is_looked_at_or_exempt(stack: str, token: str) -> None:
    """A new type asks for a decision."""
    assert token in LOOKED_AT or is_exempt(token), f"{token}: name it in a rule, or in policies/exempt.py with the reason"


def test_nothing_is_exempt_that_is_looked_at_or_is_not_there() -> None:
    """An exemption that says nothing hides the next one."""
    assert set(EXEMPT) & LOOKED_AT == set()
    assert [token for token in EXEMPT if not exists(token) and not token.startswith(("pulumi:", "random:"))] == []


def _topology(aws: str, azure: str, gcp: str, least_km: float) -> Facts:
    regions = {Cloud.AWS: aws, Cloud.AZURE: azure, Cloud.GCP: gcp}
    return Facts(stack="s", topology=Topology(regions=regions, jurisdiction=Jurisdiction.EU, least_km=least_km))


def test_regions_are_as_far_apart_as_the_setting_and_the_rule_say() -> None:
    """Whichever is more: a setting of one kilometre does not make Frankfurt three sites."""
    one_town = _topology("eu-central-1", "germanywestcentral", "europe-west3", 1)
    assert len(list(topology_separation((), one_town, least_km=300))) == 3
    far = _topology("eu-central-1", "swedencentral", "europe-southwest1", 1000)
    assert list(topology_separation((), far, least_km=300)) == []
    assert len(list(topology_separation((), far, least_km=1500))) == 2
    assert list(topology_jurisdiction((), far)) == []


def test_a_region_under_another_law_or_no_topology_at_all_is_refused() -> None:
    """Missing is not harmless."""
    foreign = _topology("us-east-1", "swedencentral", "europe-southwest1", 1000)
    assert [finding.problem.count("US law") for finding in topology_jurisdiction((), foreign)] == [1]
    assert list(topology_separation((), foreign, least_km=300)) == []
    missing = Facts(stack="prod-aws")
    for found in (topology_separation((), missing, least_km=300), topology_jurisdiction((), missing)):
        assert ["trimaran:topology is missing" in finding.problem for finding in found] == [True]


@pytest.mark.parametrize(
    "given", ["{", '{"aws": "eu-central-1"}', '{"aws":"a","azure":"b","gcp":"c","jurisdiction":"EU","least_km":1}']
)
def test_a_topology_that_cannot_be_read_is_a_reason(given: str) -> None:
    """Told by the rule, not thrown at the engine."""
    facts = facts_of("prod-aws", {**configuration("prod-aws"), "trimaran:topology": given})
    assert facts.topology is None and facts.problem.startswith("trimaran:topology")
