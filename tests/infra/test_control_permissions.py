"""What a role allows is what the adapters ask: their source is read, and compared with the lists that roles are made from."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.components.control import aws_permissions, azure_permissions, gcp_permissions

ROOT = Path(__file__).parents[2]
PROVIDERS, KEY_SERVICES = ROOT / "controller/providers", ROOT / "workload/vault/kms"
ASKING = ("run", "ask", "collect")
"""How adapters send a call: its name comes first."""
PASSING = "session.py"
"""Hands on what it is given; every name that it is given stands elsewhere."""
CLIENTS = ("_client", "_metrics")


def calls(source: str) -> Iterator[ast.Call]:
    """Every call in it."""
    return (one for one in ast.walk(ast.parse(source)) if isinstance(one, ast.Call))


def named(source: str) -> set[str]:
    """The API's calls, by the names that are given with them. Raises AssertionError for one whose name is not written down there."""
    found = set()
    for call in calls(source):
        if isinstance(call.func, ast.Attribute) and call.func.attr in ASKING and len(call.args) > 1:
            name = call.args[0]
            assert isinstance(name, ast.Constant) and isinstance(name.value, str), ast.unparse(call)
            found.add(name.value)
    return found


def sent(source: str) -> set[str]:
    """The methods of boto3's clients, which are what is sent, whatever it is called."""
    found = set()
    for call in calls(source):
        method = call.func
        if isinstance(method, ast.Attribute) and isinstance(method.value, ast.Call):
            made_by = method.value.func
            if isinstance(made_by, ast.Attribute) and made_by.attr in CLIENTS:
                found.add(method.attr.replace("_", ""))
    return found


def text_of(place: Path) -> str:
    """An adapter, or all adapters of one cloud as one text."""
    files = sorted(place.glob("*.py")) if place.is_dir() else [place]
    return "\n".join(one.read_text() for one in files if one.name != PASSING)


def methods(asked: set[str]) -> set[str]:
    """`rds:DescribeDBInstances` is boto3's `describe_db_instances`."""
    return {action.partition(":")[2].lower() for action in asked}


@pytest.mark.parametrize(
    ("place", "asked"),
    [
        (PROVIDERS / "aws", aws_permissions.CONTROLLER.keys() | aws_permissions.WITHHELD | aws_permissions.FILLING),
        (KEY_SERVICES / "aws.py", set(aws_permissions.VAULT)),
    ],
    ids=["controller", "vault"],
)
def test_aws_is_asked_what_is_allowed_there_and_nothing_else(place: Path, asked: set[str]) -> None:
    """By what is sent, and by what it is called; but for what is withheld, which is told why."""
    source = text_of(place)
    assert sent(source) == methods(asked)
    assert {name.lower() for name in named(source)} == methods(asked)


@pytest.mark.parametrize(
    ("place", "asked"),
    [
        (
            PROVIDERS / "azure",
            azure_permissions.CONTROLLER.keys() | azure_permissions.WITHHELD | azure_permissions.FILLING.keys(),
        ),
        (KEY_SERVICES / "azure.py", set(azure_permissions.VAULT)),
        (PROVIDERS / "gcp", gcp_permissions.CONTROLLER.keys() | gcp_permissions.WITHHELD | gcp_permissions.FILLING.keys()),
        (KEY_SERVICES / "gcp.py", set(gcp_permissions.VAULT)),
    ],
    ids=["azure-controller", "azure-vault", "gcp-controller", "gcp-vault"],
)
def test_azure_and_google_are_asked_what_is_allowed_there_and_nothing_else(place: Path, asked: set[str]) -> None:
    """By the names that the adapters give their calls."""
    assert named(text_of(place)) == asked


def test_nothing_is_withheld_that_is_allowed() -> None:
    """A list that says both says nothing."""
    for one in (aws_permissions, azure_permissions, gcp_permissions):
        assert one.WITHHELD and not one.WITHHELD & one.CONTROLLER.keys()
        assert one.FILLING and not set(one.FILLING) & one.CONTROLLER.keys()


def test_a_call_without_a_name_would_be_noticed() -> None:
    """The test above can fail: on a call whose name is computed, and on one that is called otherwise than it is."""
    with pytest.raises(AssertionError):
        named("self._calls.run(operation, call, deadline)")
    assert sent("self._client().delete_db_instance(DBInstanceIdentifier=one)") == {"deletedbinstance"}
    assert named("self._api.ask('instances.delete', question, ends, take)") == {"instances.delete"}


def filling() -> set[str]:
    """What whoever fills places may do, in all three clouds' words."""
    lists = (aws_permissions.FILLING, azure_permissions.FILLING.values(), gcp_permissions.FILLING.values())
    return {one for each in lists for one in each}


def test_whoever_fills_is_shown_nothing_that_was_filled() -> None:
    """Not by one call of the three clouds' that answers with a secret."""
    shown = ("secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue", "secrets/getSecret/", "versions.access")
    assert len(filling()) == 6
    assert not [one for one in filling() if any(word in one for word in (*shown, "backup", "*"))]


def test_nothing_that_is_allowed_deletes_what_is_kept_or_grants() -> None:
    """Record sets of Cloud DNS are the exception: a change of weights takes the old set away."""
    every = {
        *aws_permissions.CONTROLLER,
        *aws_permissions.VAULT,
        *(leave.action for leave in azure_permissions.CONTROLLER.values()),
        *gcp_permissions.permissions(gcp_permissions.CONTROLLER, gcp_permissions.On.PROJECT),
        *gcp_permissions.permissions(gcp_permissions.CONTROLLER, gcp_permissions.On.RUNNERS),
        *gcp_permissions.permissions(gcp_permissions.VAULT, gcp_permissions.On.WRAPPING_KEY),
        *filling(),
    }
    assert not [
        one for one in every if any(word in one.lower() for word in ("delete", "setiam", "authorization", "*", "passrole"))
    ]
    zone = gcp_permissions.permissions(gcp_permissions.CONTROLLER, gcp_permissions.On.ZONE)
    assert [one for one in zone if "delete" in one] == ["dns.resourceRecordSets.delete"]


def test_what_can_exchange_a_services_image_stands_on_the_page() -> None:
    """Whoever decides to run this reads there what a node that is taken over can do, by the leave's own name, for each cloud."""
    page = (
        (ROOT / "docs" / "nodes.md").read_text().partition("## What a controller may do at the clouds")[2].partition("\n## ")[0]
    )
    rows = dict(re.findall(r"^\| (AWS|Azure|Google) \| (.*)$", page, re.MULTILINE))
    writes = {
        "AWS": [one for one, on in aws_permissions.CONTROLLER.items() if on is aws_permissions.On.SERVICES and "Update" in one],
        "Azure": [one for one in azure_permissions.actions(azure_permissions.On.GROUP) if one.endswith("/write")],
        "Google": [
            *(
                one
                for one in gcp_permissions.permissions(gcp_permissions.CONTROLLER, gcp_permissions.On.PROJECT)
                if "update" in one
            ),
            *gcp_permissions.permissions(gcp_permissions.CONTROLLER, gcp_permissions.On.RUNNERS),
        ],
    }
    assert [len(found) for found in writes.values()] == [1, 1, 2]
    assert [one for cloud, found in writes.items() for one in found if f"`{one}`" not in rows[cloud]] == []
