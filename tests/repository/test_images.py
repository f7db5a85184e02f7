"""Images as their Dockerfile says them: nobody has built them here, so what can be read is read."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

import pytest

from infra.components.aws.tasks import CHECK, LIVES, WRITABLE, ports
from infra.services import AGENT, PROGRAMS, Carries, Service
from workload.entry import PLACE, file_name
from workload.lives import AUTHORITY, IDENTITY

ROOT = Path(__file__).parents[2]
IMAGES = (*(one.value for one in Service), "controller")
MODULES = {one: f"workload.{one}" for one in IMAGES} | {"edge": "edge.pair", "controller": "controller"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of the Dockerfile."""

    name: str
    source: str
    """What follows FROM."""
    orders: list[tuple[str, str]] = field(default_factory=list)
    """Instructions, each with its words on one line."""


def stages(text: str) -> Mapping[str, Stage]:
    """By name, in order."""
    found: dict[str, Stage] = {}
    kept = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in re.sub(r"\s*\\\n\s*", " ", kept).splitlines():
        order, _, words = line.partition(" ")
        if order == "FROM":
            source, name = re.fullmatch(r"(?:--platform=\S+ )?(\S+) AS (\S+)", words).groups()  # type: ignore[union-attr]
            found[name] = Stage(name=name, source=source)
        elif order and found:
            found[next(reversed(found))].orders.append((order, words))
    return found


DOCKERFILE = (ROOT / "images" / "Dockerfile").read_text()
STAGES = stages(DOCKERFILE)


def told(name: str) -> Sequence[tuple[str, str]]:
    """Everything that an image is told, from the first stage that it is made from to its own."""
    stage = STAGES[name]
    return (*(told(stage.source) if stage.source in STAGES else ()), *stage.orders)


def last(name: str, order: str) -> str:
    """The words that hold: those of the last such instruction."""
    return [words for one, words in told(name) if one == order][-1]


def commands(text: str) -> Iterator[str]:
    """What is run, one command each."""
    for order, words in [(order, words) for stage in STAGES.values() for order, words in stage.orders]:
        if order == "RUN":
            yield from (one.strip() for one in re.split(r"&&|;;?|\|", words) if text in one)


def test_every_program_has_an_image_and_nothing_else_has() -> None:
    """A program without one cannot run; stages that are no image are somebody's beginning."""
    used = {stage.source for stage in STAGES.values()} | set(re.findall(r"--from=(\S+)", DOCKERFILE))
    assert {name for name in STAGES if name not in used} == set(IMAGES)


def test_what_it_begins_with_is_named_by_digest_alone() -> None:
    """No default, no tag, no builder that is fetched by tag; the file that names it names a digest, and anything else ends the build."""
    outside = {stage.source for stage in STAGES.values()} - set(STAGES)
    assert outside == {"${BASE}"} and re.findall(r"^ARG BASE.*$", DOCKERFILE, re.M) == ["ARG BASE", "ARG BASE"]
    assert "syntax=" not in DOCKERFILE and not re.findall(r"--from=(?!\S+-packages )", DOCKERFILE)
    assert re.fullmatch(r"[a-z0-9-]+:[\w.-]+(@sha256:[0-9a-f]{64})?\n", (ROOT / "images" / "base.txt").read_text())
    assert ("LABEL", 'org.opencontainers.image.base.name="${BASE}"') in STAGES["start"].orders


@pytest.mark.parametrize(("base", "status"), [("name@sha256:" + 64 * "a", 0), ("name:tag", 1), ("", 1), ("name@sha256:abc", 1)])
def test_the_build_refuses_a_base_without_digest(base: str, status: int) -> None:
    """The very words of the first RUN, in a shell."""
    words = next(words for order, words in STAGES["start"].orders if order == "RUN")
    ended = subprocess.run(["/bin/sh", "-c", words], env={"BASE": base}, capture_output=True, text=True, check=False)
    assert (ended.returncode, "BASE: expected" in ended.stderr) == (status, status == 1)


@pytest.mark.parametrize("image", IMAGES)
def test_nobody_in_it_is_root(image: str) -> None:
    """A number, as who forbids root wants to see it, that owns what it may write to and is never given back."""
    users = [words for order, words in told(image) if order == "USER"]
    assert users == ["10001:10001"]
    after = told(image)[[order for order, _ in told(image)].index("USER") :]
    assert {order for order, _ in after} <= {"USER", "ARG", "LABEL", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT"}
    made = [one for one in commands("install --directory") if str(PLACE) in one]
    assert made == [f"install --directory --mode 0700 --owner 10001 --group 10001 {PLACE}"]


@pytest.mark.parametrize("image", IMAGES)
def test_it_writes_where_every_cloud_lets_it(image: str) -> None:
    """ECS mounts volumes there, and makes them like what the image has at their place, for which it looks at VOLUME."""
    assert sorted(json.loads(last(image, "VOLUME"))) == sorted(WRITABLE.values())
    assert str(PLACE) in WRITABLE.values()


@pytest.mark.parametrize("service", PROGRAMS, ids=str)
def test_its_health_is_what_the_program_says(service: Service) -> None:
    """The same command as in the task definition. The edge's is its agent's: its beacon is dark while a site is drained."""
    program = PROGRAMS[service]
    command = json.loads(last(service, "HEALTHCHECK").partition("CMD ")[2])
    expected = [CHECK, "--plain", str(AGENT), "/status"] if program.is_public else [CHECK, str(program.port), program.health]
    assert command == expected
    assert program.is_public or program.health == LIVES
    assert set(map(int, last(service, "EXPOSE").split())) == set(ports(program))


def test_the_check_is_in_every_image() -> None:
    """Under the name that task definitions call, as the project installs it."""
    program, _, function = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["trimaran-lives"].partition(
        ":"
    )
    assert callable(getattr(import_module(program), function))
    assert list(commands("ln -s")) == [f"ln -s /opt/trimaran/bin/trimaran-lives {CHECK}"]
    assert all(("WORKDIR", "/") in told(image) and last(image, "HEALTHCHECK").count(CHECK) == 1 for image in IMAGES)


@pytest.mark.parametrize("image", IMAGES)
def test_it_starts_its_program_by_the_entry(image: str) -> None:
    """With the settings where the entry puts them, and with nothing of its surroundings on the path of modules."""
    command = json.loads(last(image, "ENTRYPOINT"))
    verb = ["run"] if image == "controller" else []
    settings = str(PLACE / "settings.toml")
    start = ["/opt/trimaran/bin/python", "-I", "-m", "workload.entry"]
    assert command == [*start, MODULES[image], *verb, "--settings", settings]
    assert find_spec(MODULES[image]) is not None


@pytest.mark.parametrize("service", PROGRAMS, ids=str)
def test_every_file_of_a_program_is_understood(service: Service) -> None:
    """Each variable that carries one makes a file of its own; the papers lie where the health check looks."""
    files = {one.variable: file_name(one.variable) for one in PROGRAMS[service].secrets if one.carries is Carries.FILE}
    assert None not in files.values() and len(set(files.values())) == len(files)
    assert {"settings.toml", IDENTITY, AUTHORITY} <= set(files.values())
    theirs = {"etcd-identity.pem", "etcd-authority.pem"} & set(files.values())
    assert len(theirs) == (2 if PROGRAMS[service].asks_etcd else 0), (
        "papers for etcd are for whoever asks it, and for nobody else"
    )
    others = [one.variable for one in PROGRAMS[service].secrets if one.carries is Carries.VARIABLE]
    assert not [one for one in others if one.startswith("FILE_")]


def test_what_is_installed_is_checked_by_hash() -> None:
    """As in the Makefile: from the lists, wheels only; then the project from no index at all. What builds it does not stay."""
    installing = list(commands("pip --python /opt/trimaran/bin/python install"))
    lists = [set(one.split()) for one in installing if "-r" in one.split()]
    rest = [set(one.split()) for one in installing if "-r" not in one.split()]
    assert [({"--require-hashes", "--only-binary"} <= one) for one in lists] == [True, True]
    assert [({"--no-index", "--no-deps", "--no-build-isolation"} <= one) for one in rest] == [True, True]
    assert not [one for one in commands("pip") if re.search(r"pip3? install|pip download", one)]
    named = {word for one in lists for word in one if word.startswith("constraints/")}
    assert named == {"constraints/workload.txt", "constraints/controller.txt"}
    assert all((ROOT / name).is_file() for name in named)
    assert sum("uninstall --yes setuptools" in one for one in commands("setuptools")) == 2


@pytest.mark.parametrize("name", ["workload", "controller"])
def test_what_runs_there_is_what_tests_have_run(name: str) -> None:
    """The same releases as in the list that tests are installed from; another one would meet its first payment in production."""

    def pins(path: Path) -> set[tuple[str, str]]:
        return set(re.findall(r"^([\w.-]+)(==[^ ;\\]+)", path.read_text(), re.M))

    own, tested = (pins(ROOT / "constraints" / f"{one}.txt") for one in (name, "test"))
    assert own and own <= tested


@pytest.mark.parametrize("image", IMAGES)
def test_nothing_can_be_installed_in_it(image: str) -> None:
    """Neither pip nor what brings it back: whoever gets in has only what is there."""
    words = " ".join(words for order, words in told(image) if order == "RUN")
    assert re.search(r"pip uninstall --yes \S+ pip setuptools wheel && rm -rf /usr/local/lib/python3.11/ensurepip ", words)


@pytest.mark.parametrize("image", IMAGES)
def test_nothing_is_copied_into_it_but_the_packages(image: str) -> None:
    """No sources, no lists, no tools: one folder of another stage, which its user cannot write to."""
    copied = [words for order, words in told(image) if order in {"COPY", "ADD"}]
    wanted = "controller" if image in {"edge", "controller"} else "workload"
    assert copied == [f"--from={wanted}-packages /opt/trimaran /opt/trimaran"]
    assert not [
        words for order, words in told(image) if order in {"ARG", "ENV"} and re.search("SECRET|TOKEN|PASSWORD|KEY", words)
    ]


def test_the_builder_sees_only_what_is_named() -> None:
    """Everything is left out, then what is needed is let in: a key that lies about in a checkout gets into no layer."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    let_in = {line[1:] for line in lines if line.startswith("!")}
    packages = {"controller", "detection", "edge", "workload"}
    assert let_in == {"pyproject.toml", "constraints/workload.txt", "constraints/controller.txt", *packages}


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Of a file, without what only a type checker reads."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from nodes(node)


def imported(*paths: Path) -> set[str]:
    """Modules that these files import, of nobody's standard library."""
    found = set[str]()
    for node in (node for path in paths for node in nodes(ast.parse(path.read_text()))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return {name for name in found if name.partition(".")[0] not in sys.stdlib_module_names}


@pytest.mark.parametrize("module", ["entry", "lives"])
def test_entry_and_check_need_nothing_that_is_installed(module: str) -> None:
    """They are in every image, also where the services' packages are not, and the check is started every few seconds."""
    assert imported(ROOT / "workload" / "__init__.py", ROOT / "workload" / f"{module}.py") <= {"workload.entry"}


@cache
def distributions() -> Mapping[str, set[str]]:
    """Top-level name -> who installed it here, spelt as in the lists."""
    return {name: {re.sub(r"[-_.]+", "-", one).lower() for one in found} for name, found in packages_distributions().items()}


@pytest.mark.parametrize(("name", "packages"), [("controller", ("controller", "detection", "edge")), ("workload", ("workload",))])
def test_whatever_a_program_imports_is_in_its_list(name: str, packages: Sequence[str]) -> None:
    """A package that only tests bring along is missing in the image alone, and where it is imported late, only at night."""
    listed = set(re.findall(r"^([\w.-]+)==", (ROOT / "constraints" / f"{name}.txt").read_text(), re.M))
    own = {"controller", "detection", "edge", "workload"}
    wanted = {one.partition(".")[0] for one in imported(*(file for one in packages for file in (ROOT / one).rglob("*.py")))} - own
    assert wanted and {one: distributions().get(one) for one in wanted if not distributions().get(one, set()) & listed} == {}
