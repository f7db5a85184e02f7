"""All stacks under the real engine: previewed, applied, applied again, changed, destroyed. Clouds are stood in for; nothing else is.

Runs where `pulumi` is on PATH. What it adds to the recording monitor: the engine's own order, its previews before anything is known, its
state, its protection, its reading of `Pulumi.yaml` and of the stacks' files, and policies as `pulumi up` has them run. Tests are in the
order in which an environment lives: each begins with what the one before has left.
"""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.program import stack_name
from infra.settings import Role
from infra.topology import Cloud
from policies.check import main as check
from tests.engine.ground import ANEW, Engine, Said
from tests.engine.provider import token_of
from tests.infra.answers import ANSWERS
from tests.infra.recording import Recording, record, recorded, recorded_live
from tests.infra.stacks import ROOT, gone_live

pytestmark = [
    pytest.mark.skipif(shutil.which("pulumi") is None, reason="Pulumi's engine is not installed: `pulumi` is not on PATH"),
    pytest.mark.timeout(1800),
]
ENVIRONMENT = "prod"
ORDER = (Role.AWS, Role.AZURE, Role.GCP, Role.INTERCONNECT, Role.EDGE, Role.CONTROL)
STACKS = tuple(stack_name(ENVIRONMENT, role) for role in ORDER)
AWS, AZURE, GCP, MESH, EDGE, CONTROL = STACKS
IN_ONE_TOWN = {
    "aws": "eu-central-1",
    "azure": "germanywestcentral",
    "gcp": "europe-west3",
    "jurisdiction": "EU",
    "least_km": 1000,
}
ENOUGH = {"peak": 4, "floor": 2, "ceiling": 8}
TOO_FEW = {
    "payments": {"peak": 7, "floor": 3, "ceiling": 20},
    **dict.fromkeys(("vault", "screening", "webhooks", "edge"), ENOUGH),
}
REST_OF_NETWORK = {"azure": {"block": "10.20.0.0/16", "asn": 65010}, "gcp": {"block": "10.30.0.0/16", "asn": 64514}}
ENGINES_OWN = ("pulumi:pulumi:", "pulumi:providers:pulumi")
"""Stacks themselves, what is read of others, and by whom."""
TASK = "aws:ecs/taskDefinition:TaskDefinition"
MADE_BY_CHANCE = "random:index/randomPassword:RandomPassword"
PLANTED = "correct-horse-battery-staple"
PROTECTED = re.compile(r'unable to replace resource "([^"]+)"')
GUARDS_OFF = (
    "sed -i.guarded -e 's/deletion_protection=True/deletion_protection=False/' "
    "-e 's/deletion_protection_enabled=True/deletion_protection_enabled=False/' "
    "-e 's/disable_api_termination=True/disable_api_termination=False/' "
    '-e \'s/deletion_policy="PREVENT"/deletion_policy="DELETE"/\' infra/components/*/*.py'
)
"""As docs/deploy.md has it."""
MACHINES = {
    Cloud.AWS: "aws:ec2/instance:Instance",
    Cloud.AZURE: "azure-native:compute:VirtualMachine",
    Cloud.GCP: "gcp:compute/instance:Instance",
}
ANEW_BY_HAND = re.compile(r"```sh\n(node=aws .*?)```", re.DOTALL)
"""In docs/nodes.md."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """With a stack for each, and nothing in any."""
    made = Engine.in_directory(tmp_path_factory.mktemp("engine"))
    for stack in STACKS:
        said = made.run("stack", "init", f"organization/trimaran/{stack}")
        assert said.is_well, said.text
    return made


@pytest.fixture(scope="module")
def applied(engine: Engine) -> dict[str, Said]:
    """Each applied in turn."""
    return {stack: engine.up(stack) for stack in STACKS}


def there(engine: Engine, stack: str) -> set[tuple[str, str]]:
    """Type and name of everything that a program made."""
    made = [one for one in engine.state(stack) if not one["type"].startswith(ENGINES_OWN)]
    return {(one["type"], one["urn"].rpartition("::")[2]) for one in made}


def named(recording: Recording) -> set[tuple[str, str]]:
    """The same of what the recording monitor was asked for."""
    return {(one.type, one.name) for one in recording.resources}


def holding(engine: Engine, words: Iterable[str]) -> list[Path]:
    """Files that commands have left and in which one of these stands."""
    wanted = [word.encode() for word in words]
    return [path for path, content in engine.written() if any(word in content for word in wanted)]


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_is_applied_under_its_policies(engine: Engine, applied: dict[str, Said], stack: str) -> None:
    """In the order of the README; and what there is then is what the recording monitor was asked for."""
    assert applied[stack].is_well, applied[stack].text[-6000:]
    assert "trimaran-guardrails" in applied[stack].text, "policies ran"
    assert there(engine, stack) == named(recorded(stack))


@pytest.mark.parametrize("stack", STACKS)
def test_the_same_again_changes_nothing(engine: Engine, applied: dict[str, Said], stack: str) -> None:
    """Every value is the same each time a program runs: nothing is drawn, dated, or ordered by chance."""
    said = engine.preview(stack, "--expect-no-changes")
    assert said.is_well, said.text[-6000:]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"network": {"aws": {"block": "10.20.0.0/16", "asn": 64512}, **REST_OF_NETWORK}},
            "trimaran:network.aws.block, network.azure.block: ",
        ),
        ({"topology": IN_ONE_TOWN}, "trimaran:topology.aws, topology.azure: "),
        ({"capacity": TOO_FEW}, "trimaran:capacity.payments.floor: "),
        ({"images": None}, "trimaran:images: missing"),
        ({"lives": True}, "trimaran:lives: Extra inputs are not permitted"),
    ],
    ids=["overlap", "one town", "undersized", "missing", "misspelled"],
)
def test_what_cannot_keep_the_promises_is_refused_at_preview(
    engine: Engine, applied: dict[str, Said], changed: Mapping[str, object], told: str
) -> None:
    """With the key and the rule, before the program has asked for anything."""
    with engine.configured(AWS, **changed):
        said = engine.preview(AWS)
    assert not said.is_well and {one.type for one in said.steps} <= {"pulumi:pulumi:Stack"}
    assert told in said.text, said.text[-3000:]


def test_what_names_no_provider_is_refused(engine: Engine, applied: dict[str, Said]) -> None:
    """It would be made in whatever account and region whoever runs it is logged in to."""
    begin = '    keys = Keys("keys", settings, opts=opts)\n'
    with engine.spoilt("roles/aws.py", begin, f'{begin}    __import__("pulumi_aws").sns.Topic("stray")\n'):
        said = engine.preview(AWS)
    assert not said.is_well
    assert "must use an explicit provider" in said.text, said.text[-3000:]


@pytest.mark.parametrize("stack", STACKS)
def test_what_there_is_keeps_the_same_rules(
    engine: Engine, applied: dict[str, Said], stack: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`make policy` on what the engine exports, in which secrets are sealed."""
    file = tmp_path / "state.json"
    file.write_text(engine.run("stack", "export", "--stack", stack).text)
    assert check([str(file)]) == 0, capsys.readouterr().out


def test_a_stack_goes_on_in_another_backend(engine: Engine, applied: dict[str, Said], tmp_path: Path) -> None:
    """The cloud of the backend is lost, and an export is left."""
    (tmp_path / "state.json").write_text(engine.run("stack", "export", "--stack", GCP).text)
    elsewhere = Engine.in_directory(tmp_path / "elsewhere")
    assert elsewhere.run("stack", "init", f"organization/trimaran/{GCP}").is_well
    taken = elsewhere.run("stack", "import", "--stack", GCP, "--file", str(tmp_path / "state.json"))
    assert taken.is_well, taken.text[-3000:]
    said = elsewhere.preview(GCP, "--expect-no-changes")
    assert said.is_well, said.text[-3000:]


def test_a_mandatory_policy_stops_what_breaks_it(tmp_path: Path) -> None:
    """By a slip a database is to be reachable from everywhere: `pulumi up` ends before anything is made."""
    engine = Engine.in_directory(tmp_path)
    assert engine.run("stack", "init", f"organization/trimaran/{AWS}").is_well
    with engine.spoilt("components/aws/database.py", "publicly_accessible=False", "publicly_accessible=True"):
        said = engine.up(AWS)
    assert not said.is_well
    assert "pg-private" in said.text, said.text[-3000:]
    assert {one["type"] for one in engine.state(AWS)} <= {"pulumi:pulumi:Stack"} and engine.calls() == []


def test_a_site_is_applied_while_the_other_clouds_cannot_be_asked(engine: Engine, applied: dict[str, Said]) -> None:
    """Azure and Google are gone, and something has to be changed at AWS."""
    with engine.unplugged("azure-native", "gcp"):
        with engine.configured(AWS, owner="somebody-else"):
            said = engine.up(AWS)
        back = engine.up(AWS)
    assert said.is_well and back.is_well, said.text[-3000:] + back.text[-3000:]
    assert said.done("update") and not said.done(*ANEW, "delete")


def test_what_is_shared_is_changed_at_the_clouds_that_are_left(engine: Engine, applied: dict[str, Said]) -> None:
    """Azure answers nothing, and answers at Route 53 have to live longer: `--target` names what is asked of whom."""
    with engine.spoilt("components/edge/zone.py", "TTL = 10\n", "TTL = 20\n"), engine.out("azure-native"):
        said = engine.up(EDGE, "--target", "**aws:route53/**")
        whole = engine.up(EDGE)
    back = engine.up(EDGE)
    assert said.is_well and back.is_well, said.text[-3000:] + back.text[-3000:]
    assert {one.type for one in said.done("update")} == {"aws:route53/record:Record"}
    assert not whole.is_well and "the cloud does not answer" in whole.text, whole.text[-3000:]


@pytest.mark.parametrize(
    ("stack", "path", "before", "after", "token", "key"),
    [
        (AWS, "aws/database.py", 'username="trimaran"', 'username="payments"', "aws:rds/instance:Instance", "username"),
        (
            AZURE,
            "azure/database.py",
            "server_name=ground.called(self._args.service)",
            'server_name=ground.called(self._args.service, "new")',
            "azure-native:dbforpostgresql:Server",
            "serverName",
        ),
        (
            GCP,
            "gcp/secrets.py",
            "secret_id=name_of(self._settings.environment, reader, secret)",
            "secret_id=name_of(self._settings.environment, secret, reader)",
            "gcp:secretmanager/secret:Secret",
            "secretId",
        ),
    ],
)
def test_what_would_be_made_anew_is_refused_where_it_holds_something(
    engine: Engine, applied: dict[str, Said], stack: str, path: str, before: str, after: str, token: str, key: str
) -> None:
    """A database that is called otherwise by a slip would be an empty one: the preview says so and ends, and no cloud was asked."""
    calls = engine.calls()
    with engine.spoilt(f"components/{path}", before, after):
        said = engine.up(stack)
    assert not said.is_well
    assert token in {token_of(urn) for urn in PROTECTED.findall(said.text)}, said.text[-3000:]
    assert {one.keys for one in said.done("replace") if one.type == token} == {(key,)}
    assert engine.calls() == calls


def test_other_addresses_are_a_network_anew_and_refused(engine: Engine, applied: dict[str, Said]) -> None:
    """The network itself is protected. Its subnets are not: the preview shows each of them with what would have it replaced."""
    with engine.configured(AWS, network={"aws": {"block": "10.40.0.0/16", "asn": 64512}, **REST_OF_NETWORK}):
        said = engine.preview(AWS)
    assert not said.is_well
    assert "aws:ec2/vpc:Vpc" in {token_of(urn) for urn in PROTECTED.findall(said.text)}, said.text[-3000:]
    subnets = [one for one in said.done("replace") if one.type == "aws:ec2/subnet:Subnet"]
    assert len(subnets) == len(recorded(AWS).of_type("aws:ec2/subnet:Subnet"))
    assert {key for one in subnets for key in one.keys} == {"cidrBlock", "vpcId"}


@pytest.mark.parametrize(("key", "is_taken"), [("trimaran:owner", False), ("trimaran:password", False), ("aws:secretKey", True)])
def test_a_secret_in_the_configuration_is_written_nowhere(
    engine: Engine, applied: dict[str, Said], key: str, is_taken: bool
) -> None:
    """As a setting it is refused; what is another's is passed by. State, backups, events, output: it stands in the open in none of them."""
    with engine.configured(AWS):
        assert engine.run("config", "set", "--secret", key, PLANTED, "--stack", AWS).is_well
        said = engine.up(AWS)
        assert PLANTED not in (engine.place / "stacks" / f"Pulumi.{AWS}.yaml").read_text()
    assert said.is_well == is_taken, said.text[-3000:]
    assert is_taken or f"{key}: kept as a secret" in said.text, said.text[-3000:]
    assert holding(engine, [PLANTED]) == []
    assert holding(engine, ["payments-platform"]), "what is not sealed is found by the same search"


def test_keys_that_are_made_by_chance_are_sealed_wherever_they_are_written(engine: Engine, applied: dict[str, Said]) -> None:
    """The mesh's shared keys and the word of Google's balancers: the only secrets that pass through Pulumi's hands."""
    made = {stack: recorded(stack).of_type(MADE_BY_CHANCE) for stack in (MESH, GCP)}
    keys = {stack: [ANSWERS[MADE_BY_CHANCE](one.name, one.inputs)[1]["result"] for one in made[stack]] for stack in made}
    assert {stack: len(found) for stack, found in keys.items()} == {MESH: 12, GCP: 1}
    assert holding(engine, [*keys[MESH], *keys[GCP]]) == []
    for stack, found in keys.items():
        opened = engine.run("stack", "export", "--show-secrets", "--stack", stack)
        assert all(key in opened.text for key in found), "they are there, for whoever has the passphrase"


@pytest.mark.parametrize("stack", [AWS, AZURE, GCP, CONTROL])
def test_going_live_takes_nothing_away(engine: Engine, applied: dict[str, Said], stack: str) -> None:
    """Secrets are filled, images built, machines made: what is there is told. Anew is only what is never changed: the next revision of what
    a task runs."""
    before = there(engine, stack)
    engine.configure(stack, **gone_live(stack))
    said = engine.up(stack)
    assert said.is_well, said.text[-6000:]
    assert {one.type for one in said.done(*ANEW)} == ({TASK} if stack == AWS else set())
    assert not said.done("delete")
    assert there(engine, stack) == named(recorded_live(stack)) >= before


@pytest.mark.parametrize("goes", ["machine", "data"])
@pytest.mark.parametrize("cloud", list(Cloud))
def test_a_node_is_made_anew_as_its_page_says(engine: Engine, applied: dict[str, Said], cloud: Cloud, goes: str) -> None:
    """Its machine goes, with what stands on it, and another one comes that is told today's words; its disk stays unless that is lost. Of
    whatever else there is plugins are asked nothing."""
    (page,) = ANEW_BY_HAND.findall((ROOT / "docs" / "nodes.md").read_text())
    before, calls = there(engine, CONTROL), len(engine.calls())
    control = {**gone_live(CONTROL)["control"], "joins": cloud.value}
    with engine.configured(CONTROL, control=control):
        said = engine.follow(page.replace("node=aws", f"node={cloud}").replace("goes=machine", f"goes={goes}"))
    assert said.is_well, said.text[-6000:]
    node, (machine, card) = f"control-{cloud}-node", (MACHINES[cloud], "azure-native:network:NetworkInterface")
    asks_for = {one.urn: one for one in record(CONTROL, live=True, control=control).resources if one.custom}
    wanted = {
        urn for urn, one in asks_for.items() if one.name.startswith((f"{node}-machine", f"{node}-{goes}")) and one.type != card
    }
    wanted |= {urn for urn, one in asks_for.items() if one.name == f"{node}-data" and "Attachment" in one.type}
    asked = Counter(engine.calls()[calls:])
    assert {urn for _, urn in asked} == wanted
    assert all(asked[did, urn] == 1 for did in ("delete", "create") for urn in wanted)
    assert there(engine, CONTROL) == before
    (now,) = (one for one in engine.state(CONTROL) if one["type"] == machine)
    assert now["protect"] and now["inputs"] == asks_for[now["urn"]].inputs
    assert engine.preview(CONTROL, "--expect-no-changes").is_well


@pytest.mark.parametrize("stack", STACKS)
def test_nothing_is_destroyed_while_it_is_protected(engine: Engine, applied: dict[str, Said], stack: str) -> None:
    """`pulumi destroy` is refused before it begins: not even what is unprotected goes."""
    calls, before = engine.calls(), there(engine, stack)
    said = engine.destroy(stack)
    assert not said.is_well
    assert "protect" in said.text, said.text[-3000:]
    assert there(engine, stack) == before and engine.calls() == calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One stack that was taken down."""

    without_guards: Said
    said: Said
    before: list[dict[str, Any]]
    asked: list[tuple[str, str]]
    """Of plugins, while it was destroyed."""


@pytest.fixture(scope="module")
def taken_down(engine: Engine, applied: dict[str, Said]) -> Mapping[str, Taken]:
    """Everything, as docs/deploy.md says: the vendors' guards first, then the engine's, then the last stack first."""
    assert GUARDS_OFF in (ROOT / "docs" / "deploy.md").read_text()
    subprocess.run(("sh", "-c", GUARDS_OFF), cwd=engine.place, check=True)
    without_guards = {stack: engine.run("up", "--yes", "--stack", stack) for stack in STACKS}
    found = {}
    for stack in reversed(STACKS):
        engine.run("state", "unprotect", "--all", "--yes", "--stack", stack)
        before, calls = engine.state(stack), len(engine.calls())
        said = engine.destroy(stack)
        found[stack] = Taken(without_guards=without_guards[stack], said=said, before=before, asked=engine.calls()[calls:])
    return found


@pytest.mark.parametrize("stack", STACKS)
def test_what_is_taken_down_leaves_nothing_behind(engine: Engine, taken_down: Mapping[str, Taken], stack: str) -> None:
    """Its state is empty, and its vendors were asked once for each thing that is not to outlive it: after whatever stands on it."""
    taken = taken_down[stack]
    assert taken.without_guards.is_well and taken.said.is_well, taken.without_guards.text[-3000:] + taken.said.text[-3000:]
    assert engine.state(stack) == []
    made = {one["urn"]: one for one in taken.before if one.get("custom") and not one["type"].startswith("pulumi:")}
    going = [urn for urn, one in made.items() if not one.get("retainOnDelete")]
    assert Counter(taken.asked) == Counter(("delete", urn) for urn in going)
    when = {urn: moment for moment, (_, urn) in enumerate(taken.asked)}
    for urn in going:
        below = {below for below in made[urn].get("dependencies") or () if below in when}
        assert all(when[urn] < when[one] for one in below), urn


def test_what_is_to_outlive_its_stack_is_let_go_of(taken_down: Mapping[str, Taken]) -> None:
    """Nobody deletes it, so what was closed with it can still be opened: the vault's wrapping keys first of all."""
    kept = {stack: {one["type"] for one in taken.before if one.get("retainOnDelete")} for stack, taken in taken_down.items()}
    told = {stack: {one.type for one in recorded_live(stack).resources if one.retain_on_delete} for stack in (AWS, AZURE, GCP)}
    assert {stack: kept[stack] for stack in told} == told
    assert "gcp:kms/cryptoKey:CryptoKey" in kept[GCP] and "aws:kms/key:Key" in kept[AWS]
