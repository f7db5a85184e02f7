"""What a program takes from its stack's configuration before it reads it, what it loads, and in which order programs run."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from contextvars import copy_context
from typing import Any

import pytest
from pulumi.runtime import set_all_config

from infra.program import MODULES, given
from infra.settings import SITES, Role, SettingsError, read_settings
from tests.infra.stacks import ROOT, configuration

STACK = "prod-aws"
TABLES_OF_TEXTS = {"tags", "metadata", "attribute_mapping"}
"""Inputs of vendors that have any keys: there is no class for them."""


def taken(config: Mapping[str, str], *secrets: str) -> dict[str, Any]:
    """What the program would read, with those keys kept as secrets."""

    def read() -> dict[str, Any]:
        set_all_config(dict(config), list(secrets))
        return given()

    return copy_context().run(read)


def test_every_setting_that_is_there_is_read_and_nothing_else() -> None:
    """The engine's own configuration is in the same table."""
    whole = {**configuration(STACK), "pulumi:disable-default-providers": '["*"]', "aws:region": "nowhere"}
    assert {f"trimaran:{key}": value for key, value in taken(whole).items()} == {
        key: value for key, value in whole.items() if key.startswith("trimaran:")
    }


def test_a_key_that_nobody_knows_is_handed_on_and_refused() -> None:
    """`lives: true` in a stack's file would be a site that silently does not run."""
    with pytest.raises(SettingsError) as caught:
        read_settings(taken({**configuration(STACK), "trimaran:lives": "true"}))
    assert caught.value.problems == ("trimaran:lives: Extra inputs are not permitted",)


@pytest.mark.parametrize("key", ["trimaran:owner", "trimaran:password"])
def test_a_setting_that_is_kept_as_a_secret_is_refused_and_not_told(key: str) -> None:
    """It would stand in tags and names, in the open, in the state and in every preview."""
    with pytest.raises(SettingsError) as caught:
        taken({**configuration(STACK), key: "correct-horse"}, key)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{key}: kept as a secret") and "correct-horse" not in str(caught.value)


@pytest.mark.parametrize("role", SITES)
def test_a_site_loads_its_own_sdk_and_no_other(role: Role) -> None:
    """One that is broken, or not installed, stops one stack. The mesh, the zone and the control stack have to do with all three."""
    asked = f"import json, sys, {MODULES[role]}; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(
        subprocess.run((sys.executable, "-W", "ignore", "-c", asked), cwd=ROOT, capture_output=True, check=True).stdout
    )
    sdks = {"pulumi_aws": Role.AWS, "pulumi_azure_native": Role.AZURE, "pulumi_gcp": Role.GCP}
    assert [whose for sdk, whose in sdks.items() if sdk in loaded] == [role]


def test_each_cloud_has_its_own_of_everything() -> None:
    """Whoever knows one cloud's folder finds the same thing in another's."""
    folders = [{path.stem for path in (ROOT / "infra" / "components" / role).glob("*.py")} for role in SITES]
    shared = {"provider", "network", "keys", "secrets", "database", "runtime", "ingress", "audit", "ways"}
    assert shared <= set.intersection(*folders)


def test_the_readme_applies_stacks_in_the_order_in_which_they_read_each_other() -> None:
    """Each once, with policies."""
    applied = re.findall(
        r"^pulumi up --stack prod-(\w+) --policy-pack policies\b", (ROOT / "README.md").read_text(), re.MULTILINE
    )
    assert applied == [role.value for role in Role]


@pytest.mark.parametrize("role", list(Role))
def test_what_lies_inside_of_inputs_is_of_a_class(role: Role) -> None:
    """A key that is misspelled in a table is passed over by the vendor in silence; in a class it is an error of types."""
    for path in (ROOT / "infra" / "components" / role).glob("*.py"):
        calls = [one for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.Call)]
        named = [(ast.unparse(call.func), one) for call in calls for one in call.keywords if isinstance(call.func, ast.Attribute)]
        assert [f"{called}({one.arg})" for called, one in named if _is_table(one.value) and one.arg not in TABLES_OF_TEXTS] == []


def _is_table(value: ast.expr) -> bool:
    """Is it written as one, or as a list of them?"""
    if isinstance(value, ast.List | ast.Tuple):
        return any(_is_table(one) for one in value.elts)
    return isinstance(value, ast.Dict | ast.DictComp) or (
        isinstance(value, ast.ListComp | ast.GeneratorExp) and _is_table(value.elt)
    )
