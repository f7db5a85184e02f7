"""The workflow that builds and publishes images, as far as it can be read, and its shell parts with played `docker` and `az`."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from controller.manifest.node import content
from controller.manifest.units import units
from infra.services import CONTROL_IMAGES, Service
from tests.unit.manifest.nodes import node

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
WORKFLOW = ROOT / ".github" / "workflows" / "images.yml"
STACKS = [(environment, cloud) for environment in ("dev", "prod") for cloud in ("aws", "azure", "gcp")]
PROGRAMS = (*(one.value for one in Service), "controller")
DIGEST = "sha256:" + 64 * "a"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_named_by_commit(path: Path) -> None:
    """Whoever moves a tag of one would be given what the run may do. Beside the hash stands the release that it is."""
    used = re.findall(r"^\s*-?\s*uses:\s*(.*)$", path.read_text(), re.M)
    assert all(re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v[\d.]+", one) for one in used), used


def test_the_workflow_holds_no_key() -> None:
    """Clouds are asked with a token of the run; what the run may do beside that is to read."""
    text = WORKFLOW.read_text()
    document = yaml.safe_load(text)
    assert document["permissions"] == {"contents": "read", "id-token": "write"}
    assert "secrets." not in text and not any("permissions" in job for job in document["jobs"].values())


def test_no_failure_is_hidden_in_an_argument() -> None:
    """`docker login "$(registry aws)"` goes on when there is none, with an empty name: the public registry is told our password."""
    for text in (WORKFLOW.read_text(), (ROOT / "images" / "publish.sh").read_text()):
        asked = re.findall(r"^(.*)\$\((?:base|registry|repository) ", text, re.M)
        assert asked and all(re.fullmatch(r"\s*\w+=", before) for before in asked), asked
    steps = yaml.safe_load(WORKFLOW.read_text())["jobs"]["images"]["steps"]
    assert {step["run"].splitlines()[0] for step in steps if "run" in step} == {"source images/publish.sh"}


def run(tmp_path: Path, words: str, environment: str = "prod", played: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """What these words end with and print, told as in the workflow; `played`: programs by name, what they do."""
    tools = tmp_path / "tools"
    tools.mkdir(exist_ok=True)
    for name, does in (played or {}).items():
        (tools / name).write_text(f'#!/bin/bash\necho {name} "$@" >> {tmp_path}/asked\n{does}\n')
        (tools / name).chmod(0o755)
    env = {"STACKS": f"stacks/Pulumi.{environment}", "RUNNER_TEMP": str(tmp_path), "TAG": "t", "PATH": f"{tools}:/usr/bin:/bin"}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", f"source images/publish.sh\n{words}"]
    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout, ended.stderr


def shell(tmp_path: Path, environment: str, words: str) -> str:
    """What these words print; they must end well."""
    status, said, complained = run(tmp_path, words, environment)
    assert status == 0, complained
    return said


def asked(tmp_path: Path) -> list[str]:
    """What played programs were asked for, in order."""
    return (tmp_path / "asked").read_text().splitlines()


def test_what_is_built_is_what_has_a_check_and_an_image(tmp_path: Path) -> None:
    """Every program of the sites, and the controller; all of it is pushed."""
    assert shell(tmp_path, "prod", "echo $IMAGES").split() == list(PROGRAMS)


def test_what_has_no_digest_is_not_built_from(tmp_path: Path) -> None:
    """A digest is taken as it stands, and nobody is asked. Without one the run ends, and says what somebody has to look at."""
    file, played = tmp_path / "base", {"docker": f"echo {DIGEST}"}
    file.write_text(f"python:3.11@{DIGEST}\n")
    assert run(tmp_path, f"found=$(base {file}); echo $found", played=played)[:2] == (0, f"python:3.11@{DIGEST}\n")
    assert not (tmp_path / "asked").exists()
    for named in ("python:3.11", "python:3.11@sha256:abc", f"python:3.11@{DIGEST}0"):
        file.write_text(f"{named}\n")
        status, said, complained = run(tmp_path, f"found=$(base {file}); echo $found", played=played)
        assert (status != 0, said, f"python:3.11@{DIGEST}: look at it" in complained) == (True, "", True)
    status, said, complained = run(tmp_path, f"found=$(base {file}); echo $found", played={"docker": "exit 4"})
    assert (status, said, "today it is" in complained) == (4, "", False)


@pytest.mark.parametrize(
    ("does", "ends"),
    [
        ("echo '/run/trimaran/settings.toml: nonsense: expected nothing' >&2; exit 2", 0),
        ("echo '/run/trimaran: expected a directory of this user alone' >&2; exit 2", 1),
        ("echo 'ModuleNotFoundError: no module named nonsense' >&2; exit 1", 1),
        ("echo '/run/trimaran/settings.toml: nonsense: no such setting'; exit 0", 1),
        ("exit 2", 1),
    ],
)
def test_an_image_that_does_not_come_as_far_as_its_settings_ends_the_run(tmp_path: Path, does: str, ends: int) -> None:
    """It would be found out in production, at the first start; the run says which one, and what it said."""
    status, _, complained = run(tmp_path, "starts vault", played={"docker": does})
    assert (status, "vault: expected status 2" in complained) == (ends, bool(ends))
    assert "--read-only --network none --cap-drop ALL" in asked(tmp_path)[0]


@pytest.mark.parametrize(("environment", "cloud"), STACKS)
def test_images_go_where_the_stacks_look_for_them_and_are_told_as_they_read_it(
    tmp_path: Path, environment: str, cloud: str
) -> None:
    """What the workflow prints, put into the stack's file, is the same table with other digests; the node's is told by its key."""
    stack = yaml.safe_load((ROOT / "stacks" / f"Pulumi.{environment}-{cloud}.yaml").read_text())["config"]["trimaran:images"]
    wanted = {
        program: f"{image.partition('@')[0]}@sha256:{number:064x}" for number, (program, image) in enumerate(stack.items(), 1)
    }
    words = "\n".join(f"repository {cloud} {program}" for program in wanted)
    assert shell(tmp_path, environment, words).split() == [image.partition("@")[0] for image in wanted.values()]
    assert shell(tmp_path, environment, f"registry {cloud}").strip() == wanted["payments"].partition("/")[0]
    control = yaml.safe_load((ROOT / "stacks" / f"Pulumi.{environment}-control.yaml").read_text())["config"]["trimaran:control"]
    places = {one: control["images"][cloud][one].partition("@")[0] for one in CONTROL_IMAGES}
    for one, place in places.items():
        assert shell(tmp_path, environment, f"repository {cloud} {one}").strip() == place
    pushed = wanted | {one: f"{place}@{DIGEST}" for one, place in places.items()}
    (tmp_path / f"{cloud}.digests").write_text("".join(f"{program} {image}\n" for program, image in pushed.items()))
    said = shell(tmp_path, environment, f"told {cloud}")
    assert yaml.safe_load(said) == {"trimaran:images": wanted}
    file, key = f"stacks/Pulumi.{environment}-control.yaml", f"trimaran:control.images.{cloud}"
    assert said.splitlines()[-2:] == [f"# {file}, {key}.{one}: {place}@{DIGEST}" for one, place in places.items()]


@pytest.mark.parametrize("words", ["repository aws nothing", "repository nowhere etcd", "registry nowhere"])
def test_what_no_stack_names_ends_the_run(tmp_path: Path, words: str) -> None:
    """Before anything is done with an empty name; the file that lacks something is told."""
    status, said, complained = run(tmp_path, f'at=$({words})\necho "on to $at"')
    assert (status != 0, said, "stacks/Pulumi.prod-" in complained) == (True, "", True)


def test_what_is_told_is_the_digest_that_the_registry_answered(tmp_path: Path) -> None:
    """Pushed to one cloud, fetched by the next under the same digest; a tag of either is never what a stack is told."""
    docker = f"""
case $1 in
    inspect) echo "elsewhere@sha256:0"; echo "${{*: -1}}" | sed 's/:t$/@{DIGEST}/' ;;
esac"""
    played = {"docker": docker, "az": "cat"}
    status, _, complained = run(tmp_path, "pushed aws\nimported aws secret", played=played)
    assert (status, complained) == (0, "")
    lines = {cloud: (tmp_path / f"{cloud}.digests").read_text().splitlines() for cloud in ("aws", "azure")}
    for found in lines.values():
        assert [line.split()[0] for line in found] == list(PROGRAMS)
        assert all(re.fullmatch(rf"\w+ [\w./-]+@{DIGEST}", line) for line in found)
    pushed = [line.split()[-1] for line in asked(tmp_path) if line.startswith("docker push")]
    assert [f"{line.split()[1].partition('@')[0]}:t" for line in lines["aws"]] == pushed
    fetched = [line for line in asked(tmp_path) if line.startswith("az ")]
    registry, _, image = lines["azure"][0].split()[1].partition("@")[0].partition("/")
    source = lines["aws"][0].split()[1]
    assert (
        len(fetched) == len(PROGRAMS)
        and f"--name {registry.partition('.')[0]} --source {source} --image {image}:t " in fetched[0]
    )


def test_a_registry_that_answers_no_digest_ends_the_run(tmp_path: Path) -> None:
    """Nothing is told then: an empty digest in a stack's file would be somebody's to find."""
    status, _, _ = run(tmp_path, "pushed aws\ntold aws", played={"docker": ":"})
    assert status != 0 and (tmp_path / "aws.digests").read_text() == ""


ETCD = f"etcd:v3.6.1@{DIGEST}"
"""As images/etcd.txt has to name it."""


def test_the_run_ends_where_etcds_image_has_no_digest(tmp_path: Path) -> None:
    """As the file stands until somebody has looked at one: before anything is built, and with the digest to look at."""
    named = (ROOT / "images" / "etcd.txt").read_text()
    assert re.fullmatch(r"[\w./-]+/etcd:v3\.6\.\d+(@sha256:[0-9a-f]{64})?\n", named)
    steps = [step["run"] for step in yaml.safe_load(WORKFLOW.read_text())["jobs"]["images"]["steps"] if "run" in step]
    (checks,) = (number for number, words in enumerate(steps) if "images/etcd.txt" in words)
    assert checks < next(number for number, words in enumerate(steps) if "docker build" in words)
    file = tmp_path / "etcd.txt"
    file.write_text(named.partition("@")[0].strip() + "\n")
    words = steps[checks].replace("images/etcd.txt", str(file))
    status, _, complained = run(tmp_path, words, played={"docker": f"echo {DIGEST}"})
    assert status != 0 and f"today it is {file.read_text().strip()}@{DIGEST}: look at it" in complained
    assert len(asked(tmp_path)) == 1, "nothing is run of what nobody has looked at"


@pytest.mark.parametrize(
    ("does", "ends"),
    [
        ('[[ $* == *etcdctl* ]] && echo "etcdctl version: 3.6.1" || echo "etcd Version: 3.6.1"', 0),
        ('[[ $* == *etcdctl* ]] && echo "etcdctl version: 3.5.1" || echo "etcd Version: 3.6.1"', 1),
        ('[[ $* == *etcdctl* ]] && echo "etcdctl version: 3.6.1" || echo "etcd Version: 3.7.0"', 1),
        ('echo "etcd Version: 3.6.1"', 1),
        ("echo 'exec: /usr/local/bin/etcd: no such file or directory' >&2; exit 127", 1),
    ],
)
def test_what_is_not_etcd_as_nodes_start_it_ends_the_run(tmp_path: Path, does: str, ends: int) -> None:
    """The very file that the unit starts, of the release that was meant, and what an operator needs beside it."""
    status, _, complained = run(tmp_path, f"is_etcd {ETCD}", played={"docker": does})
    assert (status, f"{ETCD}: expected 3.6 of /usr/local/bin/etcd" in complained) == (ends, bool(ends))
    (unit,) = (one.content for one in units(node()) if one.path.name == "trimaran-etcd.service")
    (started,) = re.findall(rf"^ExecStart={content(node().etcd)}(\S+) ", unit, re.M)
    assert f"--entrypoint {started} {ETCD} --version" in asked(tmp_path)[0]
    assert "--read-only --network none --cap-drop ALL" in asked(tmp_path)[0]


def test_etcds_image_is_copied_to_every_cloud_under_its_own_digest(tmp_path: Path) -> None:
    """To two by this run, to Azure by its control plane with the rest; the digest is the one that was looked at."""
    words = "\n".join(step.get("run", "") for step in yaml.safe_load(WORKFLOW.read_text())["jobs"]["images"]["steps"])
    assert re.findall(r"mirrored (\w+) \"\$ETCD\"", words) == ["aws", "gcp"]
    played = {"docker": f'[[ $3 == inspect ]] && echo {DIGEST} || echo "copied"', "az": "cat"}
    said, copied = run(tmp_path, f"mirrored aws {ETCD}\nmirrored gcp {ETCD}\nimported aws secret", played=played), asked(tmp_path)
    assert said[0] == 0, said
    for cloud in ("aws", "azure", "gcp"):
        place = shell(tmp_path, "prod", f"repository {cloud} etcd").strip()
        assert (tmp_path / f"{cloud}.digests").read_text() == f"etcd {place}@{DIGEST}\n"
        assert cloud == "azure" or f"docker buildx imagetools create --prefer-index=false --tag {place}:t {ETCD}" in copied


@pytest.mark.parametrize("does", [f"echo {DIGEST}0", "echo", "[[ $3 == inspect ]] || exit 3"])
def test_a_copy_of_etcd_under_another_digest_ends_the_run(tmp_path: Path, does: str) -> None:
    """It is not what somebody has looked at; no stack is told of it."""
    status, _, _ = run(tmp_path, f"mirrored aws {ETCD}\ntold aws", played={"docker": does})
    assert status != 0 and not (tmp_path / "aws.digests").exists()
