"""One property wrong, exactly that control breaks; the same property unknown, nobody says yes."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from _pytest.mark.structures import ParameterSet

from policies.controls import CONTROLS, Scope
from tests.policies.breaking import SAMPLES, Break, How, InPreview, broken_by, the_one, unknown, with_break
from tests.policies.breaks import BREAKS, COPY
from tests.policies.landed import LANDED, Landed, usually
from tests.policies.samples import AWS_REGION, AZURE_REGION, GCP_REGION, Told, script

REGIONS = {"aws": AWS_REGION, "azure": AZURE_REGION, "gcp": GCP_REGION, "least_km": 1000}

PAIRS = [(role, row) for role, rows in BREAKS.items() for row in rows]


def params(pairs: Iterable[tuple[str | Landed, Break]]) -> list[ParameterSet]:
    """With names that say what is broken."""
    return [pytest.param(where, row, id=f"{where}:{row}") for where, row in pairs]


REAL = [(landed, row) for landed in LANDED for row in BREAKS[landed.role] if not row.hand]
ADVISORY = frozenset(control.id for control in CONTROLS if control.advisory)


MACHINES = {
    "aws": ("aws:ec2/instance:Instance", "userDataBase64"),
    "azure": ("azure-native:compute:VirtualMachine", "osProfile.customData"),
    "gcp": ("gcp:compute/instance:Instance", "metadata.user-data"),
}


@pytest.mark.parametrize("cloud", MACHINES)
@pytest.mark.parametrize(
    ("line", "is_secret"),
    [
        ("export A=1\ntoken=correct-horse", True),
        ('token = "asked(somebody)"', True),
        ("token=asked(somebody)", False),
        ("token = self.asked(somebody)", False),
        ("--initial-cluster-token=trimaran-prod", False),
        ("--cluster-token=trimaran-prod", True),
    ],
)
def test_what_a_machine_is_told_is_unpacked_and_read(cloud: str, line: str, is_secret: bool) -> None:
    """However it is packed. Programs that speak of tokens are none, and neither is what etcd calls one."""
    token, path = MACHINES[cloud]
    row = Break(control="secrets-not-plaintext", type=token, path=path, value=script(line)[cloud])
    assert (row.control in broken_by("prod-control", with_break(SAMPLES["control"](), row))) is is_secret


PUBLISHED: Told = {
    "urn": "urn:pulumi:prod::trimaran::pulumi:pulumi:StackReference::sites",
    "type": "pulumi:pulumi:StackReference",
    "name": "sites",
    "inputs": {},
    "outputs": {},
    "property_dependencies": {},
}
"""What another stack has told: keys and addresses may come from it."""


@pytest.mark.parametrize("role", SAMPLES)
def test_samples_keep_every_rule(role: str) -> None:
    """What is broken below is broken there and nowhere else."""
    assert broken_by(f"prod-{role}", SAMPLES[role]()) == frozenset()


@pytest.mark.parametrize("landed", LANDED, ids=str)
def test_real_stacks_keep_every_mandatory_rule(landed: Landed) -> None:
    """As they are configured in the repository, and when their sites are live."""
    assert usually(landed) - ADVISORY == frozenset()


@pytest.mark.parametrize(("role", "row"), params(PAIRS))
def test_exactly_that_rule_is_broken(role: str, row: Break) -> None:
    """And those that look at the same property from another side, by name."""
    assert broken_by(f"prod-{role}", with_break(SAMPLES[role](), row)) == {row.control} | row.also


@pytest.mark.parametrize(("landed", "row"), params(REAL))
def test_real_stacks_are_as_sensitive(landed: Landed, row: Break) -> None:
    """A row whose type the stack does not have says nothing about it."""
    told = landed.told()
    if the_one(told, row) is None:
        return
    assert landed.broken_by(with_break(told, row)) - usually(landed) == ({row.control} | row.also) - usually(landed)


@pytest.mark.parametrize(
    ("place", "law"),
    [("swedensouth", "EU"), ("italynorth", "EU"), ("centralus", "US"), ("southcentralus", "US"), ("northcentralus", "US")],
)
@pytest.mark.parametrize("under", ["EU", "US"])
def test_a_copy_stays_under_the_law_also_in_the_pair_of_a_region(place: str, law: str, under: str) -> None:
    """Azure's pair of a region in America is in America: refused where the topology says Europe, taken where it says America."""
    row = Break(control="no-extra-jurisdiction-replica", type=COPY, path="location", value=place)
    topology = {**REGIONS, "jurisdiction": under}
    found = broken_by("prod-azure", with_break(SAMPLES["azure"](), row), topology=topology)
    assert (row.control in found) is (law != under)


ANY_TYPE = "secrets-not-plaintext"
"""Looks for keys in whatever there is."""
OF_ONE = {control.id for control in CONTROLS if control.scope is Scope.RESOURCE} - {ANY_TYPE}


@pytest.mark.parametrize(
    ("role", "row"), params(one for one in PAIRS if one[1].control in OF_ONE and one[1].how is not How.REMOVE)
)
def test_what_is_of_another_kind_is_left_alone(role: str, row: Break) -> None:
    """The same property in something that no cloud of ours has."""
    told = with_break(SAMPLES[role](), row)
    one = the_one(told, replace(row, how=How.UNPROTECT))
    assert one is not None
    one["type"] = "unrelated:index/thing:Thing"
    assert row.control not in broken_by(f"prod-{role}", [one])


@pytest.mark.parametrize(("role", "row"), params(one for one in PAIRS if one[1].in_preview is not InPreview.NEVER))
def test_what_is_unknown_is_refused_or_traced(role: str, row: Break) -> None:
    """A preview in which a rule cannot see what it asks about is never a silent yes."""
    told = SAMPLES[role]()
    stack = f"prod-{role}"
    match row.in_preview:
        case InPreview.REFUSED:
            assert row.control in broken_by(stack, unknown(told, row, sources=None))
        case InPreview.TRACED:
            tracing = {"encryption-key-of-ours", "unknown-has-a-source"}
            told = [*told, PUBLISHED]
            assert broken_by(stack, unknown(told, row, sources=())) & tracing
            assert broken_by(stack, unknown(told, row, sources=("urn:pulumi:elsewhere",))) & tracing
            assert not broken_by(stack, unknown(told, row, sources=(PUBLISHED["urn"],))) & {row.control, *tracing}
        case InPreview.NEVER:
            pytest.fail("rows that can never be unknown are left out above")


def test_every_control_of_a_resource_or_a_stack_has_a_row() -> None:
    """Those without one are about the configuration, or about previews, and have tests of their own."""
    own = {"topology-separation", "topology-jurisdiction", "unknown-has-a-source", "unknown-until-made"}
    assert {control.id for control in CONTROLS} - {row.control for rows in BREAKS.values() for row in rows} == own
