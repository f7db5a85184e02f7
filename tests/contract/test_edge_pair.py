"""HAProxy and its agent as one process: played by small programs, and once by the real two."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

import aiohttp
import psutil
import pytest

from edge.pair import CONFIGURATION, Pair, Patience
from lab.binaries import find_haproxy
from lab.edge_identity import issue
from lab.haproxy import Edge
from lab.workspace import Workspace, python_environment
from tests.contract.edge_worlds import LOCAL, written

pytestmark = pytest.mark.asyncio

SHORT = Patience(requests=timedelta(seconds=0.3), leaving=timedelta(seconds=0.3))
LONG = Patience(requests=timedelta(seconds=20), leaving=timedelta(seconds=20))

# Within that text time is let pass: it plays a program that does nothing else until it is told, in a process of its own.
PLAYED = """
import glob, signal, sys, time
place, name, manner = sys.argv[1:]
def told(number, frame):
    open(f"{place}/{name}.told", "a").write(signal.Signals(number).name + "\\n")
    if manner != "deaf":
        sys.exit(0)
for number in (signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, told)
open(f"{place}/{name}.lives", "w").close()
while manner == "fails":
    if len(glob.glob(f"{place}/*.lives")) == 2:
        sys.exit(3)
    time.sleep(0.01)
while True:
    time.sleep(1)
"""


def played(place: Path, manners: Mapping[str, str] = MappingProxyType({}), patience: Patience = LONG) -> Pair:
    """Two programs that write down what they are told. A `deaf` one goes on, one that `fails` ends by itself as soon as both live."""
    commands: Mapping[str, list[str | Path]] = {
        name: [sys.executable, "-c", PLAYED, str(place), name, manners.get(name, "obeys")] for name in ("proxy", "agent")
    }
    return Pair(proxy=commands["proxy"], agent=commands["agent"], patience=patience)


def living(place: Path) -> int:
    """How many have begun to listen to signals."""
    return len(list(place.glob("*.lives")))


async def both_live(place: Path) -> None:
    """Wait for it."""
    async with asyncio.timeout(20):
        while living(place) < 2:
            await asyncio.sleep(0.01)


def told(place: Path, name: str) -> list[str]:
    """The signals that it got."""
    file = place / f"{name}.told"
    return file.read_text().split() if file.exists() else []


async def test_told_to_end_both_end_and_haproxy_finishes_first(tmp_path: Path) -> None:
    """SIGUSR1: requests that are inside are answered. The agent is told when HAProxy has gone."""
    end = asyncio.Event()
    running = asyncio.create_task(played(tmp_path).live(end))
    await both_live(tmp_path)
    end.set()
    assert await running == 0
    assert (told(tmp_path, "proxy"), told(tmp_path, "agent")) == (["SIGUSR1"], ["SIGTERM"])
    first, second = ((tmp_path / f"{name}.told").stat().st_mtime_ns for name in ("proxy", "agent"))
    assert first <= second


async def test_told_before_both_live_it_ends_all_the_same(tmp_path: Path) -> None:
    """A container that is taken away while it starts."""
    end = asyncio.Event()
    end.set()
    async with asyncio.timeout(20):
        assert await played(tmp_path).live(end) == 0


@pytest.mark.parametrize("fails", ["proxy", "agent"])
async def test_when_one_ends_the_other_is_ended(tmp_path: Path, fails: str) -> None:
    """Status 1: whoever starts containers starts this one anew. Left alone, HAProxy would serve for ever as it was told last."""
    async with asyncio.timeout(30):
        assert await played(tmp_path, {fails: "fails"}).live(asyncio.Event()) == 1
    other = {"proxy": "agent", "agent": "proxy"}[fails]
    assert (told(tmp_path, other), told(tmp_path, fails)) == ([{"proxy": "SIGUSR1", "agent": "SIGTERM"}[other]], [])


async def test_the_deaf_are_killed(tmp_path: Path) -> None:
    """A HAProxy with clients that never finish, an agent that hangs: the end comes all the same, before the vendor's own."""
    end = asyncio.Event()
    running = asyncio.create_task(played(tmp_path, {"proxy": "deaf", "agent": "deaf"}, SHORT).live(end))
    await both_live(tmp_path)
    end.set()
    async with asyncio.timeout(20):
        assert await running == 0
    assert (told(tmp_path, "proxy"), told(tmp_path, "agent")) == (["SIGUSR1", "SIGTERM"], ["SIGTERM"])


async def test_the_default_patience_is_below_every_vendors() -> None:
    """Cloud Run kills after ten seconds, Azure after 30, ECS after 60: whoever is killed by them breaks requests off."""
    patience = Patience()
    assert patience.requests + patience.leaving * 2 < timedelta(seconds=10)


async def test_what_cannot_be_started_leaves_nothing_behind(tmp_path: Path) -> None:
    """An agent that is not there: HAProxy does not stay alone."""
    pair = played(tmp_path)
    with pytest.raises(FileNotFoundError):
        await Pair(proxy=pair.proxy, agent=(tmp_path / "none",), patience=LONG).live(asyncio.Event())
    with pytest.raises(FileNotFoundError):
        await Pair(proxy=(tmp_path / "none",), agent=pair.agent, patience=LONG).live(asyncio.Event())
    assert not (tmp_path / "agent.lives").exists()


@pytest.mark.parametrize("manner", ["proxy", "agent"])
async def test_a_deaf_one_does_not_outlive_a_dead_one(tmp_path: Path, manner: str) -> None:
    """One fails, the other one is deaf: it is killed, and the status is that of the failure."""
    other = {"proxy": "agent", "agent": "proxy"}[manner]
    async with asyncio.timeout(20):
        assert await played(tmp_path, {manner: "fails", other: "deaf"}, SHORT).live(asyncio.Event()) == 1
    assert told(tmp_path, other) == {"proxy": ["SIGUSR1", "SIGTERM"], "agent": ["SIGTERM"]}[other]


async def test_a_file_that_is_no_settings_is_told_in_lines(tmp_path: Path) -> None:
    """Status 2, as the agent itself has it, and nothing is started."""
    file = tmp_path / "settings.toml"
    file.write_text("site = 1")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "edge.pair", "--settings", file, stderr=PIPE, env=python_environment()
    )
    said = (await process.communicate())[1].decode()
    assert (process.returncode, f"{file}: site:" in said, "Traceback" in said) == (2, True, False)


async def test_without_haproxy_it_says_so() -> None:
    """Status 2 and one line, as for settings: starting it anew would mend nothing."""
    with Workspace("edge-pair") as workspace:
        ports = {site: {door: workspace.port() for door in ("clients", "handed", "local", "agent")} for site in ("aws", "azure")}
        file = written(workspace, "aws", ports)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "edge.pair",
            "--settings",
            file,
            "--haproxy",
            "/none/haproxy",
            stderr=PIPE,
            env=python_environment(),
        )
        said = (await process.communicate())[1].decode()
    assert (process.returncode, said) == (2, "/none/haproxy: expected a program that can be started: No such file or directory\n")


@pytest.mark.parametrize(("ended", "status"), [("pair", 0), ("haproxy", 1), ("edge", 1)])
async def test_the_real_two_answer_and_end_together(ended: str, status: int) -> None:
    """HAProxy with the configuration made from the same file, the agent behind it. Told to end, or one of them killed: both are gone."""
    with Workspace("edge-pair") as workspace:
        ports = {site: {door: workspace.port() for door in ("clients", "handed", "local", "agent")} for site in ("aws", "azure")}
        file, binary = written(workspace, "aws", ports), find_haproxy()
        Edge(site="aws", workspace=workspace, binary=binary, settings=file).prepare(issue(("aws", "azure"))["aws"])
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "edge.pair", "--settings", file, "--haproxy", binary.path, env=python_environment()
        )
        children: list[psutil.Process] = []
        try:
            await answered_by_the_agent(f"http://{LOCAL}:{ports['aws']['clients']}/beacon")
            children = psutil.Process(process.pid).children()
            assert file.with_name(CONFIGURATION).stat().st_mode & 0o777 == 0o600
            if ended == "pair":
                process.send_signal(signal.SIGTERM)
            else:
                next(one for one in children if any(word.endswith(ended) for word in one.cmdline())).kill()
            assert await asyncio.wait_for(process.wait(), 20) == status
            assert len(children) == 2 and not any(one.is_running() for one in children)
        finally:
            for kill in (process.kill, *(one.kill for one in children)):
                with suppress(ProcessLookupError, psutil.NoSuchProcess):
                    kill()


async def answered_by_the_agent(url: str) -> None:
    """Wait until its own word comes through HAProxy: dark, since nobody has told it that the site serves."""
    async with asyncio.timeout(20), aiohttp.ClientSession() as http:
        while True:
            with suppress(aiohttp.ClientError):
                async with http.get(url) as answer:
                    if '"/problems/' in await answer.text():
                        return
            await asyncio.sleep(0.05)
