"""The same rules on exported state: as `pulumi stack export` writes it, one line for each violation, and an exit status."""

import json
from pathlib import Path
from typing import Any

import pytest

from policies.check import SECRET, SIGNATURE, Unreadable, configuration, known, main, read
from policies.rules.seen import UNKNOWN
from tests.policies.breaking import SAMPLES, UNKNOWN_ON_WIRE, put
from tests.policies.landed import LANDED, PREVIEWED, Landed
from tests.policies.samples import Told

RDS = "aws:rds/instance:Instance"


def exported(told: list[Told]) -> str:
    """As state has it: other names for options, the stack itself first."""
    stack = {
        "urn": told[0]["urn"].split("::")[0] + "::trimaran::pulumi:pulumi:Stack::s",
        "type": "pulumi:pulumi:Stack",
        "custom": False,
    }
    resources: list[dict[str, Any]] = [stack]
    for one in told:
        found = {key: one[key] for key in ("urn", "type", "inputs", "outputs", "provider", "protect")}
        options = {"ignoreChanges": one["ignore_changes"], "propertyDependencies": one["property_dependencies"]}
        resources.append({**found, **options, "custom": True, "id": f"{one['name']}-id"})
    return json.dumps({"version": 3, "deployment": {"manifest": {}, "resources": resources}})


def recording(told: list[Told]) -> str:
    """As tests write it."""
    return json.dumps({"resources": told})


SHAPES = {"exported": exported, "recording": recording}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where an export is."""
    return tmp_path / "state.json"


@pytest.mark.parametrize("role", SAMPLES)
def test_state_that_keeps_every_rule_says_nothing(role: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 0."""
    file.write_text(exported(SAMPLES[role]()))
    assert main([str(file)]) == 0
    assert capsys.readouterr().out == ""


def test_a_violation_is_one_line_and_an_exit_status(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With stack, control, level, resource, what is wrong and the way out."""
    told = SAMPLES["aws"]()
    put(next(one for one in told if one["type"] == RDS), "multiAz", False)
    file.write_text(exported(told))
    assert main([str(file)]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"prod-aws: pg-ha (mandatory, high): payments ({RDS}): multiAz is False;")


def test_what_is_advisory_is_told_and_passes(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An image by its tag."""
    told = SAMPLES["gcp"]()
    put(
        next(one for one in told if one["type"].startswith("gcp:cloudrunv2/service:")),
        "template.containers[0].image",
        "r/edge:latest",
    )
    file.write_text(exported(told))
    assert main([str(file)]) == 0
    assert "image-digest (advisory" in capsys.readouterr().out


def test_a_recording_is_read_as_well(file: Path) -> None:
    """Tests write them, with names of their own for options."""
    file.write_text(recording(SAMPLES["edge"]()))
    assert main([str(file)]) == 0


def test_a_secret_that_is_encrypted_is_unknown_and_one_that_is_not_is_read() -> None:
    """Exports have them in both ways (`--show-secrets`); neither may hide a value from a rule that asks for it."""
    mark = {SIGNATURE: SECRET}
    assert known({"a": {**mark, "ciphertext": "x"}}) == {"a": UNKNOWN}
    assert known([{**mark, "plaintext": '{"b": 1}'}]) == [{"b": 1}]


def test_a_public_database_does_not_hide_behind_a_secret(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Encrypted state is refused where a rule has to see."""
    told = SAMPLES["aws"]()
    put(next(one for one in told if one["type"] == RDS), "publiclyAccessible", {SIGNATURE: SECRET, "ciphertext": "x"})
    file.write_text(exported(told))
    assert main([str(file)]) == 1
    assert "pg-private" in capsys.readouterr().out


def test_what_is_not_known_is_named_place_by_place(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key that comes from a key may be unknown, and whoever reads the report hears that nobody has seen it."""
    told = SAMPLES["aws"]()
    one = next(one for one in told if one["type"] == RDS)
    one["outputs"]["masterUserSecrets"] = [{"secretArn": {SIGNATURE: SECRET, "ciphertext": "x"}}]
    put(one, "kmsKeyId", UNKNOWN_ON_WIRE)
    file.write_text(exported(told))
    assert main([str(file)]) == 0
    assert capsys.readouterr().out == f"prod-aws: not known: payments ({RDS}): kmsKeyId, masterUserSecrets[0].secretArn\n"


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("landed", [one for one in PREVIEWED if one.stack.startswith("prod-")], ids=str)
def test_a_preview_in_a_file_passes_and_every_resource_that_nobody_has_seen_whole_is_named(
    landed: Landed, shape: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In both shapes that a file can have."""
    told = landed.told()
    file.write_text(SHAPES[shape](told))
    assert main([str(file)]) == 0
    unseen = [one for one in told if UNKNOWN_ON_WIRE in json.dumps([one["inputs"], one["outputs"]])]
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(f"{landed.stack}: not known: ")]
    assert unseen
    assert [line.partition(": not known: ")[2].partition("): ")[0] for line in lines] == [
        f"{one['name']} ({one['type']}" for one in unseen
    ]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("landed", [one for one in LANDED if one.stack.startswith("prod-")], ids=str)
def test_what_is_made_is_known_and_passes_in_a_file(
    landed: Landed, shape: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before a site is live, and afterwards."""
    file.write_text(SHAPES[shape](landed.told()))
    assert main([str(file)]) == 0
    assert "not known" not in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"deployment": {}}', '{"resources": [{"type": "x"}]}'])
def test_what_is_no_state_is_refused(text: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2, and what to do: an empty export is no stack that keeps every rule."""
    with pytest.raises(Unreadable, match="pulumi stack export"):
        read(text)
    file.write_text(text)
    assert main([str(file)]) == 2
    assert "pulumi stack export" in capsys.readouterr().err


def test_a_stack_that_the_repository_does_not_know_is_refused(file: Path) -> None:
    """Without its topology nobody can tell where it should be."""
    with pytest.raises(Unreadable, match="no file"):
        configuration("staging-aws")
    file.write_text(exported(SAMPLES["aws"]()).replace("prod-aws", "staging-aws"))
    assert main([str(file), str(file.parent / "missing.json")]) == 2
