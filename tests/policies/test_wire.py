"""The real policy process over the wire: what a preview tells, above all when it does not know."""

from collections.abc import Iterator, Mapping

import pytest

from policies.check import configuration
from policies.controls import CONTROLS
from tests.policies.breaking import SAMPLES, InPreview, broken_by, unknown, with_break
from tests.policies.breaks import BREAKS
from tests.policies.wire import MANDATORY, Heard, Pack, pack

ROLES = ("aws", "interconnect", "edge")


@pytest.fixture(scope="module")
def packs() -> Iterator[Mapping[str, Pack]]:
    """Of a site, of the mesh and of the zone."""
    with (
        pack("prod-aws", configuration("prod-aws")) as aws,
        pack("prod-interconnect", configuration("prod-interconnect")) as mesh,
        pack("prod-edge", configuration("prod-edge")) as edge,
    ):
        yield {"aws": aws, "interconnect": mesh, "edge": edge}


def _of(packs: Mapping[str, Pack], role: str) -> Pack:
    """Sites differ in no setting that a rule asks about."""
    return packs.get(role, packs["aws"])


def _mandatory(heard: list[Heard]) -> set[str]:
    return {one.control for one in heard if one.mandatory}


def test_the_pack_says_of_itself_what_the_controls_say(packs: Mapping[str, Pack]) -> None:
    """Levels above all: the SDK's own default is advisory."""
    info = packs["aws"].info()
    assert info.name == "trimaran-guardrails"
    assert [one.name for one in info.policies] == [control.id for control in CONTROLS]
    for told, control in zip(info.policies, CONTROLS, strict=True):
        assert (told.enforcementLevel == MANDATORY) is not control.advisory
        assert told.severity and told.framework.reference and told.remediation_steps == control.way_out
        assert told.description == control.promise and told.url.endswith(f"#{control.id}")


@pytest.mark.parametrize("role", SAMPLES)
def test_what_keeps_every_rule_passes(packs: Mapping[str, Pack], role: str) -> None:
    """Nothing is said at all."""
    assert _of(packs, role).asked(SAMPLES[role]()) == []


@pytest.mark.parametrize("role", SAMPLES)
def test_the_wire_and_the_check_of_exported_state_say_the_same(packs: Mapping[str, Pack], role: str) -> None:
    """Every sixth row of a role broken, by the same controls."""
    for row in BREAKS[role][::6]:
        told = with_break(SAMPLES[role](), row)
        heard = _of(packs, role).asked(told)
        assert {one.control for one in heard} == broken_by(f"prod-{role}", told), row
        assert all(one.message.endswith(".") and "Way out: " in one.message for one in heard)


@pytest.mark.parametrize("role", SAMPLES)
def test_an_unknown_value_breaks_a_mandatory_rule_on_the_wire(packs: Mapping[str, Pack], role: str) -> None:
    """The SDK calls it advisory when a rule touches one; here no rule does, and the answer is no."""
    rows = [row for row in BREAKS[role] if row.in_preview is InPreview.REFUSED][::6]
    assert rows
    for row in rows:
        heard = _of(packs, role).asked(unknown(SAMPLES[role](), row, sources=None))
        assert row.control in (_mandatory(heard) if row.control != "image-digest" else {one.control for one in heard}), row
        assert not [one for one in heard if "can't run policy" in one.message]


def test_an_unknown_key_passes_when_it_comes_from_a_key_and_not_otherwise(packs: Mapping[str, Pack]) -> None:
    """The engine tells stack policies what a property is computed from, and that is looked at."""
    (row,) = (
        row
        for row in BREAKS["aws"]
        if row.path == "kmsKeyId" and row.type.endswith(":Instance") and row.in_preview is InPreview.TRACED
    )
    told = SAMPLES["aws"]()
    key, other = (
        next(one["urn"] for one in told if one["type"] == token) for token in ("aws:kms/key:Key", "aws:s3/bucket:Bucket")
    )
    assert packs["aws"].asked(unknown(told, row, sources=(key,))) == []
    assert _mandatory(packs["aws"].asked(unknown(told, row, sources=(other,)))) == {"encryption-key-of-ours"}
    assert _mandatory(packs["aws"].asked(unknown(told, row, sources=()))) == {"encryption-key-of-ours"}


def test_what_is_looked_at_only_in_the_update_is_told_in_the_preview(packs: Mapping[str, Pack]) -> None:
    """A document with ids of other resources in it: nothing wrong, and nothing unsaid."""
    row = next(row for row in BREAKS["aws"] if row.path == "containerDefinitions")
    told = unknown(SAMPLES["aws"](), row, sources=None)
    heard = packs["aws"].asked(told)
    assert _mandatory(heard) == set()
    assert {one.control for one in heard} == {"unknown-until-made", "image-digest"}
    assert any("the update looks at it before it makes this resource" in one.message for one in heard)


def test_a_stack_without_a_topology_is_refused() -> None:
    """Three sites that nobody named are not three sites."""
    config = {key: value for key, value in configuration("prod-aws").items() if key != "trimaran:topology"}
    with pack("prod-aws", config) as process:
        assert {"topology-separation", "topology-jurisdiction", "region-pinned"} <= _mandatory(process.asked(SAMPLES["aws"]()))


def test_three_regions_in_one_town_are_refused() -> None:
    """Also when a program would let them pass."""
    near = {"aws": "eu-central-1", "azure": "germanywestcentral", "gcp": "europe-west3", "jurisdiction": "EU", "least_km": 300}
    with pack("prod-aws", {**configuration("prod-aws"), "trimaran:topology": near}) as process:
        heard = process.asked(SAMPLES["aws"]()[:1])
    assert _mandatory(heard) == {"topology-separation"}
    assert "0 km apart" in heard[0].message


def test_an_earlier_engine_tells_of_the_stack_in_the_environment() -> None:
    """A pack that knows no topology refuses everything that it is asked about."""
    with pack("prod-aws", configuration("prod-aws"), in_environment=True) as told:
        assert told.asked(SAMPLES["aws"]()) == []
    with pack("prod-aws", {}) as untold:
        assert "region-pinned" in _mandatory(untold.asked(SAMPLES["aws"]()))
