"""`trimaran bootstrap` about secrets: what is missing is told before anybody is asked, and nothing that is told has a secret in it."""

import json
from pathlib import Path

import pytest

from controller.cli import app
from controller.cli.exits import Exit
from controller.stacks.contract import Stack
from tests.unit.filling.worlds import outputs

CLOUDS = """
[clouds.aws]
endpoint = "http://127.0.0.1:9"
account = "111111111111"
region = "eu-central-1"
identity = { kind = "static" }
[clouds.azure]
endpoint = "https://127.0.0.1:9"
subscription = "00000000-0000-0000-0000-000000000001"
resource_group = "g"
identity = { kind = "static" }
[clouds.gcp]
endpoint = "http://127.0.0.1:9"
project = "trimaran-prod"
identity = { kind = "static" }
"""


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """With nothing but the clouds: there are no databases or nodes yet."""
    file = tmp_path / "bootstrap.toml"
    file.write_text(CLOUDS)
    return file


@pytest.fixture
def stacks(tmp_path: Path) -> list[str]:
    """What they tell, as options."""
    for stack, told in outputs().items():
        if stack is Stack.AZURE:
            names = {name: name.replace("/", "-") for name in told["secrets"]}
            told["secrets"] = {name: f"https://127.0.0.1:9/secrets/trimaran-prod-{flat}" for name, flat in names.items()}
        (tmp_path / f"{stack}.json").write_text(json.dumps(told))
    named = [part for stack in outputs() for part in ("--outputs", f"{stack}={tmp_path / f'{stack}.json'}")]
    return [*named, "--environment", "prod"]


def ended(*arguments: str | Path) -> int:
    """With these."""
    return app.run(["bootstrap", *map(str, arguments)], ())


def test_secrets_need_stacks_and_a_directory(settings: Path, stacks: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The places are what stacks tell, and whoever signs lies somewhere."""
    assert ended("--settings", settings, "--only", "secrets") == Exit.USAGE
    assert "--only secrets: expected --environment NAME" in capsys.readouterr().err
    assert ended("--settings", settings, "--only", "secrets", *stacks) == Exit.USAGE
    assert "expected --authority DIR" in capsys.readouterr().err
    assert ended("--settings", settings, "--only", "secrets", *stacks[:-2], "--authority", settings.parent / "a") == Exit.USAGE
    assert "expected --environment NAME, whose secrets these are" in capsys.readouterr().err


def test_nothing_is_asked_of_places_of_somebody_else(
    settings: Path, stacks: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Outputs are of the account that settings name, or are refused; who has said nothing is asked."""
    settings.write_text(CLOUDS.replace('account = "111111111111"', 'account = "222222222222"'))
    assert ended("--settings", settings, "--only", "secrets", "--authority", tmp_path / "a", *stacks) == Exit.REFUSED
    said = capsys.readouterr().err
    assert (
        "refused by places: aws.account.account: 111111111111" in said and "needs places of prod in account 222222222222" in said
    )
    settings.write_text(CLOUDS.replace('account = "111111111111"', ""))
    assert ended("--settings", settings, "--only", "secrets", "--authority", tmp_path / "a", *stacks) == Exit.REFUSED
    assert "clouds.aws.account: missing" in capsys.readouterr().err


def test_what_is_about_secrets_is_not_dropped_in_silence(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody who renews certificates is not told that databases were founded."""
    assert ended("--settings", settings, "--renew", "--rotate", "payments/password") == Exit.USAGE
    assert "--renew, --rotate: about secrets" in capsys.readouterr().err


def test_what_stacks_do_not_tell_is_refused(
    settings: Path, stacks: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is made or asked."""
    (tmp_path / "gcp.json").write_text("{}")
    assert ended("--settings", settings, "--only", "secrets", "--authority", tmp_path / "authority", *stacks) == Exit.REFUSED
    assert "gcp: it has published nothing" in capsys.readouterr().err and not (tmp_path / "authority").exists()
    assert (
        ended("--settings", settings, "--only", "secrets", "--authority", tmp_path / "a", "--outputs", "mesh=x", *stacks)
        == Exit.USAGE
    )
    assert "not mesh" in capsys.readouterr().err


def test_states_of_two_environments_are_refused(
    settings: Path, stacks: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Production's services would be told what is dev's."""
    for stack, environment in (("aws", "prod"), ("gcp", "dev")):
        told = json.loads((tmp_path / f"{stack}.json").read_text())
        root = {
            "type": "pulumi:pulumi:Stack",
            "urn": f"urn:pulumi:{environment}-{stack}::trimaran::pulumi:pulumi:Stack::x",
            "outputs": told,
        }
        (tmp_path / f"{stack}.json").write_text(json.dumps({"deployment": {"resources": [root]}}))
    assert ended("--settings", settings, "--only", "secrets", "--authority", tmp_path / "a", *stacks) == Exit.REFUSED
    assert "the state of dev-gcp" in capsys.readouterr().err


def test_clouds_that_nobody_can_ask_are_told(
    settings: Path, stacks: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By key, as everywhere."""
    settings.write_text(CLOUDS.replace('project = "trimaran-prod"', "").replace("[clouds.aws]", '[clouds.aws]\nregoin = "x"'))
    assert ended("--settings", settings, "--only", "secrets", "--authority", tmp_path / "a", *stacks) == Exit.USAGE
    said = capsys.readouterr().err
    assert "clouds.aws.regoin: no such setting" in said and "clouds.gcp.project: a value; it is missing" in said
    settings.write_text("")
    assert ended("--settings", settings, "--only", "secrets", "--authority", tmp_path / "a", *stacks) == Exit.REFUSED
    assert "no [clouds.aws], [clouds.azure], [clouds.gcp]" in capsys.readouterr().err
    settings.write_text(CLOUDS.replace('identity = { kind = "static" }', 'identity = { kind = "federated" }'))
    assert ended("--settings", settings, "--only", "secrets", "--authority", tmp_path / "a", *stacks) == Exit.USAGE
    assert "clouds.azure.identity.tenant: what federation needs" in capsys.readouterr().err


def test_a_directory_that_others_may_read_is_refused(
    settings: Path, stacks: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever reads it can be anybody."""
    (tmp_path / "authority").mkdir(mode=0o755)
    (tmp_path / "authority").chmod(0o755)
    assert ended("--settings", settings, "--only", "secrets", "--authority", tmp_path / "authority", *stacks) == Exit.REFUSED
    assert "needs your own with mode 0700" in capsys.readouterr().err
