"""The command line on a node: what the controller's unit runs, where and as whom it runs it."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from controller.cli.context import read_context
from controller.manifest.cloud_init import document, files
from controller.manifest.node import PLACE, WORK
from controller.manifest.operating import COMMAND, CONTEXT, GIVEN, command, context
from controller.stacks import layout
from tests.unit.manifest.nodes import CLOUDS, node
from tests.unit.manifest.test_units import text, values

ROOT = Path(__file__).resolve().parents[3]
RUN = re.compile(
    r"^(Root|Mount|Bind|Environment|User|Group|Restrict|Capability|Ambient|NoNew|Protect|Private|Lock|Remove|Keyring|System|UMask|LimitCORE)"
)
"""What says where a program runs, as whom, with which papers, and what it may; the rest says how long it lives and what it takes."""


def asked(place: Path, cloud: str, *arguments: str) -> list[str]:
    """What systemd would be asked for: the script is run, by a shell, with a `systemd-run` that writes down its arguments."""
    script, told = place / "trimaran", place / "told"
    script.write_text(command(node(cloud)).content)
    (place / "systemd-run").write_text(f'#!/bin/sh\nprintf "%s\\0" "$@" > {told}\nexit 7\n')
    for one in (script, place / "systemd-run"):
        one.chmod(0o755)
    ended = subprocess.run([script, *arguments], env={"PATH": f"{place}:/usr/bin:/bin"}, stdin=subprocess.DEVNULL, check=False)
    assert ended.returncode == 7, "it ends as what it started ends"
    return told.read_text().split("\0")[:-1]


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_command_starts_what_the_unit_starts(cloud: str, tmp_path: Path) -> None:
    """The same image by its digest, user, papers and rights; beside it a place for what people bring."""
    unit = text("trimaran-controller.service", cloud)
    told = asked(tmp_path, cloud, "doctor", "--reason", "two words")
    properties = [one.removeprefix("--property=") for one in told if one.startswith("--property=")]
    whole = [line for line in unit.splitlines() if RUN.match(line)]
    assert len(whole) > 25 and [one for one in whole if one not in properties] == []
    more = [one for one in properties if one not in whole]
    assert [one.partition("=")[0] for one in more] == [
        "EnvironmentFile",
        "Environment",
        "BindReadOnlyPaths",
        "BindPaths",
        "ReadWritePaths",
        "WorkingDirectory",
    ]
    (started,) = values(unit, "ExecStart")
    interpreter = started.split()[:4]
    assert told[told.index("--") + 1 :] == [*interpreter, "doctor", "--reason", "two words"]
    assert {"--wait", "--pipe"} <= set(told)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_it_is_put_there_to_be_run_and_fits(cloud: str) -> None:
    """On everybody's path; what it asks is on the node, and nobody but the controller's user sees what people bring."""
    told = json.loads(document(node(cloud)).partition("\n")[2])["write_files"]
    assert {one["path"]: one["permissions"] for one in told if one["permissions"] != "0644"} == {str(COMMAND): "0755"}
    placed = {str(one.path): one.content for one in files(node(cloud))}
    assert str(CONTEXT) in placed
    assert f"d {WORK} 0700 trimaran-controller trimaran-controller -" in placed["/etc/tmpfiles.d/trimaran.conf"]
    assert WORK.is_relative_to(PLACE) and GIVEN.parent == WORK


def test_orders_go_to_the_nodes_own_controller(tmp_path: Path) -> None:
    """As the settings from the stacks have it listen, with the token of the node's papers."""
    (file := tmp_path / "context.json").write_text(context(node("gcp")).content)
    token = json.loads(file.read_text())["token_file"]
    assert token == str(layout.PAPERS / layout.OPERATOR_TOKEN)
    (tmp_path / "mine").write_text("word")
    file.write_text(file.read_text().replace(token, "mine"))
    read = read_context(file, None, {})
    assert read.controllers == {"gcp": f"http://{layout.HOST}:{layout.PORT}"} and read.token == "word"


@pytest.mark.parametrize("page", ["deploy.md", "nodes.md"])
def test_pages_say_how_a_command_is_given_on_a_node(page: str) -> None:
    """And name no program that is not there."""
    told = (ROOT / "docs" / page).read_text()
    assert "[On a control node](" in told
    assert "az login --identity" not in told, "no vendor's tool is on a node"
    if page == "nodes.md":
        assert all(str(one) in told for one in (COMMAND, WORK, GIVEN))
        assert "--settings settings.toml" not in told, "papers do not lie where a command begins"
