"""All stacks under the real engine: previewed, applied, applied again, changed, destroyed. Clouds are stood in for; nothing else is.

Runs where `pulumi` is on PATH. What it adds to the recording monitor: the engine's own order, its previews before anything is known, its
state, its protection, its reading of `Pulumi.yaml` and of the stacks' files, and policies as `pulumi up` has them run.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.program import stack_name
from infra.settings import Role
from tests.engine.ground import Engine, Said
from tests.infra.recording import Recording, recorded, recorded_live
from tests.infra.stacks import built

pytestmark = [
    pytest.mark.skipif(shutil.which("pulumi") is None, reason="Pulumi's engine is not installed: `pulumi` is not on PATH"),
    pytest.mark.timeout(1800),
]
ENVIRONMENT = "prod"
ORDER = (Role.AWS, Role.AZURE, Role.GCP, Role.INTERCONNECT, Role.EDGE, Role.CONTROL)
STACKS = tuple(stack_name(ENVIRONMENT, role) for role in ORDER)
AWS = STACKS[0]
REST_OF_NETWORK = {"azure": {"block": "10.20.0.0/16", "asn": 65010}, "gcp": {"block": "10.30.0.0/16", "asn": 64514}}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """With a stack for each, and nothing in any."""
    made = Engine.in_directory(tmp_path_factory.mktemp("engine"))
    for stack in STACKS:
        said = made.run("stack", "init", f"organization/trimaran/{stack}")
        assert said.is_well, said.text
    return made


@pytest.fixture(scope="module")
def applied(engine: Engine) -> Iterator[dict[str, Said]]:
    """Each applied in turn; and everything destroyed at last, guards taken off first."""
    yield {stack: engine.up(stack) for stack in STACKS}
    for stack in reversed(STACKS):
        engine.run("state", "unprotect", "--all", "--yes", "--stack", stack)
        engine.run("destroy", "--yes", "--stack", stack)


ENGINES_OWN = ("pulumi:pulumi:", "pulumi:providers:pulumi")
"""Stacks themselves, what is read of others, and by whom."""


def there(engine: Engine, stack: str) -> set[tuple[str, str]]:
    """Type and name of everything that a program made."""
    made = [one for one in engine.state(stack) if not one["type"].startswith(ENGINES_OWN)]
    return {(one["type"], one["urn"].rpartition("::")[2]) for one in made}


def named(recording: Recording) -> set[tuple[str, str]]:
    """The same of what the recording monitor was asked for."""
    return {(one.type, one.name) for one in recording.resources}


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


def test_what_cannot_keep_the_promises_is_refused_at_preview(engine: Engine, applied: dict[str, Said]) -> None:
    """With the key and the rule; nothing was asked of any cloud."""
    engine.configure(AWS, network={"aws": {"block": "10.20.0.0/16", "asn": 64512}, **REST_OF_NETWORK})
    try:
        said = engine.preview(AWS)
    finally:
        engine.configure(AWS, network={"aws": {"block": "10.10.0.0/16", "asn": 64512}, **REST_OF_NETWORK})
    assert not said.is_well
    assert "network.aws" in said.text and "10.20.0.0/16" in said.text, said.text[-3000:]


def test_a_mandatory_policy_stops_what_breaks_it(tmp_path: Path) -> None:
    """By a slip a database is to be reachable from everywhere: `pulumi up` ends before anything is made."""
    spoilt = Engine.in_directory(tmp_path, copied=True)
    path = tmp_path / "infra" / "components" / "aws" / "database.py"
    text = path.read_text()
    assert text.count("publicly_accessible=False") == 1
    path.write_text(text.replace("publicly_accessible=False", "publicly_accessible=True"))
    assert spoilt.run("stack", "init", f"organization/trimaran/{AWS}").is_well
    said = spoilt.up(AWS)
    assert not said.is_well
    assert "pg-private" in said.text, said.text[-3000:]
    assert {one["type"] for one in spoilt.state(AWS)} <= {"pulumi:pulumi:Stack"}


def test_a_site_is_applied_while_the_other_clouds_cannot_be_asked(engine: Engine, applied: dict[str, Said]) -> None:
    """Azure and Google are gone, and something has to be changed at AWS."""
    for name in ("azure-native", "gcp"):
        engine.unplug(name)
    try:
        engine.configure(AWS, owner="somebody-else")
        said = engine.up(AWS)
        engine.configure(AWS, owner="payments-platform")
        back = engine.up(AWS)
    finally:
        for name in ("azure-native", "gcp"):
            engine.plug(name)
    assert said.is_well and back.is_well, said.text[-3000:] + back.text[-3000:]


@pytest.mark.parametrize("stack", STACKS[:3])
def test_going_live_takes_nothing_away(engine: Engine, applied: dict[str, Said], stack: str) -> None:
    """Secrets are filled and images built: what is there is told, nothing is made anew."""
    before = there(engine, stack)
    engine.configure(stack, live=True, images=built(stack))
    said = engine.up(stack)
    assert said.is_well, said.text[-6000:]
    assert "replaced" not in said.text and "deleted" not in said.text, said.text[-6000:]
    assert there(engine, stack) == named(recorded_live(stack)) >= before


def test_nothing_that_holds_payments_is_destroyed(engine: Engine, applied: dict[str, Said]) -> None:
    """`pulumi destroy` is refused as long as somebody has not taken the guards off by name; and then it leaves nothing."""
    stack = STACKS[3]
    refused = engine.run("destroy", "--yes", "--stack", stack)
    assert not refused.is_well
    assert "protect" in refused.text, refused.text[-3000:]
    assert engine.state(stack)
