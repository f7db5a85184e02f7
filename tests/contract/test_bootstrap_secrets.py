"""`trimaran bootstrap --only secrets` against all three emulated clouds: from empty places to filled ones, and no secret on the way."""

import base64
import json
import logging
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from controller.cli import app
from controller.cli.exits import Exit
from controller.filling.plan import SITES, plan
from controller.issuing.archive import Archive
from controller.stacks.contract import Stack
from tests.contract.azure_worlds import Emulated, emulated_azure
from tests.contract.dns_worlds import vendors_client
from tests.contract.emulated_aws import emulated_aws
from tests.contract.google_worlds import PROJECT, emulated_google
from tests.contract.google_worlds import vendors_client as google_client
from tests.unit.filling.worlds import DOMAIN, NODES, given_files, outputs, passwords

NOBODY = "127.0.0.1:9"
ACCOUNT = "123456789012"
"""Of the emulated AWS."""


@dataclass
class Clouds:
    """Three of them, and what was told by whom."""

    folder: Path
    aws: str
    azure: Emulated
    google: str
    stacks: dict[Stack, dict[str, Any]] = field(default_factory=outputs)

    def found(self) -> None:
        """Empty places as the sites' stacks make them, and files that say where they are. Key Vault knows no empty ones."""
        api, client = vendors_client("secretsmanager", self.aws), google_client("secretmanager", "v1", self.google)
        for one in (one for one in plan(NODES) if one.site == "aws"):
            flat = f"trimaran-prod-{one.name.replace('/', '-')}"
            made = api.create_secret(Name=f"trimaran/prod/{one.name}")
            self.stacks[Stack.AWS]["secrets"][one.name] = str(made["ARN"])
            self.stacks[Stack.AZURE]["secrets"][one.name] = f"{self.azure.url}/secrets/{flat}"
            self.stacks[Stack.GCP]["secrets"][one.name] = f"projects/{PROJECT}/secrets/{flat}"
            client.ask(
                lambda manager, flat=flat: (
                    manager.projects().secrets().create(parent=f"projects/{PROJECT}", secretId=flat, body={})
                )
            )
        told_by = {"aws": {"account": ACCOUNT}, "azure": {"subscription": "s"}, "gcp": {"project": PROJECT}}
        for site, account in told_by.items():
            self.stacks[Stack(site)]["account"] = account
        for stack, told in self.stacks.items():
            (self.folder / f"{stack}.json").write_text(json.dumps(told))
        given_files(self.folder / "given", now=datetime.now(UTC))
        self.settle(self.google.removeprefix("http://"))

    def settle(self, google: str) -> None:
        """The settings of whoever fills."""
        azure = f'endpoint = "{self.azure.url}"\nauthority_file = "{self.azure.authority_file}"\nsubscription = "s"\nresource_group = "g"'
        tables = {
            "aws": f'endpoint = "{self.aws}"\naccount = "{ACCOUNT}"',
            "azure": azure,
            "gcp": f'endpoint = "http://{google}"\nproject = "{PROJECT}"',
        }
        lines = [f'[clouds.{name}]\n{table}\nidentity = {{ kind = "static" }}\n' for name, table in tables.items()]
        (self.folder / "bootstrap.toml").write_text("".join(lines))

    def arguments(self, *further: str) -> list[str]:
        """Of the command."""
        named = [part for stack in self.stacks for part in ("--outputs", f"{stack}={self.folder / f'{stack}.json'}")]
        own = ["--settings", str(self.folder / "bootstrap.toml"), "--only", "secrets", "--given", str(self.folder / "given")]
        own += ["--environment", "prod"]
        return ["bootstrap", *own, "--authority", str(self.folder / "authority"), *named, *further]

    def told(self, site: str, name: str) -> bytes:
        """What a program is told there."""
        place = self.stacks[Stack(site)]["secrets"][name]
        if site == "aws":
            return str(vendors_client("secretsmanager", self.aws).get_secret_value(SecretId=place)["SecretString"]).encode()
        if site == "gcp":
            client = google_client("secretmanager", "v1", self.google)
            answer = client.ask(lambda manager: manager.projects().secrets().versions().access(name=f"{place}/versions/latest"))
            return base64.b64decode(answer["payload"]["data"])
        asked = Request(f"{place}?api-version=7.4", headers={"Authorization": "Bearer lab"})
        with urlopen(asked, context=ssl.create_default_context(cafile=self.azure.authority_file)) as answer:
            return str(json.load(answer)["value"]).encode()


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clouds]:
    """Started once; each test goes on where the one before ended, as a person would."""
    folders = [tmp_path_factory.mktemp(name) for name in ("aws", "azure", "google")]
    with emulated_aws(folders[0]) as aws, emulated_azure(folders[1]) as azure, emulated_google(folders[2]) as google:
        made = Clouds(folder=tmp_path_factory.mktemp("bootstrap"), aws=aws, azure=azure, google=google)
        made.found()
        yield made


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """Passwords of all roles, in the environment."""
    found = passwords()
    for name, word in found.items():
        monkeypatch.setenv(name, word)
    return found


PLACES = len(plan(NODES))


def no_secret(said: str, clouds: Clouds, words: Mapping[str, str]) -> None:
    """Neither a password, nor a line of a key, nor the token or the word, nor what is given."""
    assert not [word for word in words.values() if word in said]
    assert "PRIVATE" not in said and "w" * 48 not in said
    for file in (clouds.folder / "authority").glob("*.*"):
        for line in file.read_text().splitlines():
            assert len(line) < 40 or line.startswith("-----") or line not in said


def test_everything_is_filled_once(
    clouds: Clouds, words: Mapping[str, str], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A dry run changes nothing; the first one fills everything; the second finds it; another password is refused."""
    caplog.set_level(logging.INFO)
    assert app.run(clouds.arguments("--dry-run"), ()) == Exit.DONE
    planned = capsys.readouterr().out
    assert planned.count(": fill: ") == PLACES and f"-- secrets: {PLACES} places" in planned
    assert not (clouds.folder / "authority").exists()

    assert app.run(clouds.arguments(), ()) == Exit.DONE
    first = capsys.readouterr()
    assert f"secrets: {PLACES} places filled, 0 replaced, 0 were filled before" in first.out
    for site in SITES:
        assert clouds.told(site, "vault/password").decode() == words["TRIMARAN_VAULT_APP_PASSWORD"]
        assert clouds.told(site, "payments/identity").count(b"-----BEGIN") == 2
        assert clouds.told(site, "payments/settings") == f'site = "{site}"\n'.encode()
    before = {site: clouds.told(site, "edge/peers-identity") for site in SITES}
    assert len(set(before.values())) == len(SITES)

    assert app.run(clouds.arguments("--json"), ()) == Exit.DONE
    second = capsys.readouterr()
    assert json.loads(second.out) == {"secrets": {"filled": 0, "replaced": 0, "found_filled": PLACES}}
    assert {site: clouds.told(site, "edge/peers-identity") for site in SITES} == before

    assert app.run(clouds.arguments("--rotate", "edge/peers-identity"), ()) == Exit.DONE
    assert "secrets: 0 places filled, 3 replaced" in capsys.readouterr().out
    after = {site: clouds.told(site, "edge/peers-identity") for site in SITES}
    assert not set(after.values()) & set(before.values())
    no_secret(planned + first.out + first.err + second.err + caplog.text, clouds, words)


def test_an_authority_is_replaced_in_three_steps(
    clouds: Clouds, words: Mapping[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each says what it needs, and in the end nothing is left of the old one."""
    assert app.run(clouds.arguments(), ()) == Exit.DONE
    old = clouds.told("azure", "control/etcd-authority")
    assert app.run(clouds.arguments("--replace", "etcd=trust"), ()) == Exit.DONE
    both = clouds.told("gcp", "control/etcd-authority")
    assert both.startswith(old) and both.count(b"-----BEGIN") == 2
    capsys.readouterr()
    assert app.run(clouds.arguments("--replace", "etcd=issue"), ()) == Exit.REFUSED
    assert "say --restarted when everything of control, edge was started" in capsys.readouterr().err
    for step in ("issue", "forget"):
        assert app.run(clouds.arguments("--replace", f"etcd={step}", "--restarted"), ()) == Exit.DONE
        assert "secrets: 0 places filled, 9 replaced" in capsys.readouterr().out
    assert clouds.told("aws", "edge/etcd-authority") == both.removeprefix(old)
    assert app.run(clouds.arguments("--replace", "fleet=renew"), ()) == Exit.USAGE
    assert "expected fleet, sites, clients, etcd = trust, issue, forget, not fleet=renew" in capsys.readouterr().err


def test_two_do_not_fill_at_once(clouds: Clouds, words: Mapping[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """From one directory: the second one is told, and looking is free."""
    assert app.run(clouds.arguments(), ()) == Exit.DONE
    capsys.readouterr()
    with Archive(clouds.folder / "authority", DOMAIN, lambda: datetime.now(UTC)).locked():
        assert app.run(clouds.arguments(), ()) == Exit.REFUSED
        assert "refused by lock" in capsys.readouterr().err
        assert app.run(clouds.arguments("--dry-run"), ()) == Exit.DONE


def test_a_store_that_cannot_be_reached_is_named_and_nothing_else(
    clouds: Clouds, words: Mapping[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody listens there: nothing was changed anywhere, and the same command goes on."""
    assert app.run(clouds.arguments(), ()) == Exit.DONE
    capsys.readouterr()
    clouds.settle(NOBODY)
    try:
        assert app.run(clouds.arguments("--rotate", "payments/identity"), ()) == Exit.UNDONE
    finally:
        clouds.settle(clouds.google.removeprefix("http://"))
    told = capsys.readouterr()
    assert "secrets.versions.list" in told.err and "the same command goes on" in told.err and not told.out
    no_secret(told.err, clouds, words)


def test_another_password_is_refused_with_the_way_out(
    clouds: Clouds, words: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Roles would have one, and programs the other."""
    assert app.run(clouds.arguments(), ()) == Exit.DONE
    capsys.readouterr()
    monkeypatch.setenv("TRIMARAN_VAULT_APP_PASSWORD", "somebody-typed-another")
    assert app.run(clouds.arguments(), ()) == Exit.REFUSED
    said = capsys.readouterr().err
    assert "refused by secrets: TRIMARAN_VAULT_APP_PASSWORD: another password than aws:vault/password" in said
    assert "--rotate aws:vault/password" in said and "somebody-typed-another" not in said


def test_secrets_are_in_no_command_line(clouds: Clouds, words: Mapping[str, str]) -> None:
    """Whoever may list processes sees the arguments of all of them: the whole of this command's are names of files."""
    command = [sys.executable, "-m", "controller", *clouds.arguments("--dry-run", "--json")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == Exit.DONE, ended.stderr
    no_secret(" ".join(command) + ended.stdout + ended.stderr, clouds, words)
