"""Processes of the lab: whole trees, and nothing left behind however the lab ends."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from lab import trees
from lab.accounts import unprivileged
from lab.binaries import etcd_is_sound, find_postgres, readable_place
from lab.errors import LabError
from lab.processes import GATE, Supervised, freeze, kill, launch, thaw
from lab.registry import Registry
from lab.sweeping import CONTEXT
from lab.workspace import Workspace, private_root, python_environment

FAMILY = "import select, subprocess; subprocess.Popen(['sleep', '60'], start_new_session=True); select.select([], [], [], 60)"
"""A process with a child in a session of its own, as PostgreSQL's backends are. Both are there to be killed, and end by themselves should
nobody do it."""

STOPPED = {psutil.STATUS_STOPPED}
GONE = {psutil.STATUS_ZOMBIE, None}

LAB = """
import asyncio, sys
from lab.binaries import find_postgres
from lab.links import Links
from lab.postgres import create_server
from lab.processes import launch
from lab.workspace import Workspace

async def main():
    workspace = Workspace(sys.argv[1])
    await Links.start(workspace)
    server = await create_server(workspace, "azure", find_postgres())
    await server.start()
    launch(workspace, "family", [sys.executable, "-c", sys.argv[2]])
    await asyncio.sleep(0.5)
    print("up", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def status(pid: int) -> str | None:
    """What the process table says; None when there is no such process."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status()
    return None


def within(seconds: float, true: Callable[[], bool]) -> bool:
    """Does it become true in time?"""
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)  # what processes do to each other is told to nobody here
    return True


def family(workspace: Workspace, label: str = "family") -> tuple[Supervised, tuple[int, ...]]:
    """A supervised process and the pids of its tree, child in another session included."""
    process = launch(workspace, label, [sys.executable, "-c", FAMILY])
    assert within(5, lambda: len(trees.members([process.pid])) == 2)
    return process, tuple(member.pid for member in trees.members([process.pid]))


def test_freeze_thaw_and_kill_reach_every_process_of_several_trees() -> None:
    """A child that called setsid is stopped, continued and killed with its parent; signals to the group would miss it."""
    with Workspace("test-trees") as workspace:
        (one, first), (two, second) = family(workspace, "one"), family(workspace, "two")
        everyone = (*first, *second)
        assert os.getpgid(first[0]) != os.getpgid(first[1])
        freeze(one, two)
        assert {status(pid) for pid in everyone} <= STOPPED
        thaw(one, two)
        assert not {status(pid) for pid in everyone} & STOPPED
        kill(one, two)
        assert {status(pid) for pid in everyone} <= GONE
        assert (one.exit_status, two.exit_status) == (-signal.SIGKILL, -signal.SIGKILL)


def test_a_process_that_will_not_end_is_killed_at_its_deadline() -> None:
    """Deaf to SIGTERM or frozen: stop returns, and nothing is left. The deaf one is there to be killed, and ends by itself should
    nobody do it."""
    deaf = "import select, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); select.select([], [], [], 60)"
    with Workspace("test-stop") as workspace:
        stubborn = launch(workspace, "deaf", [sys.executable, "-c", deaf])
        frozen, _ = family(workspace)
        frozen.freeze()
        assert within(5, lambda: "deaf" in stubborn.tail())
        began = time.monotonic()
        asyncio.run(stubborn.stop(timedelta(milliseconds=200)))
        asyncio.run(frozen.stop(timedelta(seconds=30)))
        assert 0.2 <= time.monotonic() - began < 5
        assert not stubborn.alive
        assert not frozen.alive


def test_nothing_starts_before_it_is_registered(tmp_path: Path) -> None:
    """A lab that dies between fork and registration leaves no process: the gate's pipe closes and the program never runs."""
    mark = tmp_path / "ran"
    shut = subprocess.run([*GATE, "name", "touch", str(mark)], stdin=subprocess.DEVNULL, timeout=10, check=False)
    assert shut.returncode != 0
    assert not mark.exists()
    opened = subprocess.run([*GATE, "name", "touch", str(mark)], input=b"go\n", timeout=10, check=False)
    assert opened.returncode == 0
    assert mark.exists()


def start_lab(name: str) -> tuple[subprocess.Popen[bytes], set[int], set[int]]:
    """A lab as a process of its own; answers it, everything it started, and its guardian alone."""
    lab = subprocess.Popen([sys.executable, "-c", LAB, name, FAMILY], stdout=subprocess.PIPE, env=python_environment())
    assert lab.stdout is not None
    with lab.stdout:
        assert lab.stdout.readline() == b"up\n"
    started = {process.pid: process.cmdline() for process in psutil.Process(lab.pid).children(recursive=True)}
    guardian = {pid for pid, command in started.items() if "lab.guardian" in command}
    assert len(guardian) == 1
    assert len(started) > 8, "PostgreSQL with its children, links, a family and the guardian"
    return lab, set(started), guardian


def segments_of(pids: set[int]) -> int:
    """System V segments that these processes created."""
    return sum(int(line.split()[4]) in pids for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:])


def test_a_lab_killed_outright_leaves_nothing() -> None:
    """SIGKILL to the lab's own process: its guardian ends every tree, removes the data and PostgreSQL's shared memory."""
    lab, started, _ = start_lab("test-crash")
    assert segments_of(started) == 1
    lab.kill()
    lab.wait()
    assert within(10, lambda: {status(pid) for pid in started} <= GONE), {pid: status(pid) for pid in started}
    assert within(5, lambda: not (private_root() / "test-crash").exists())
    assert segments_of(started) == 0


def test_the_next_lab_sweeps_what_a_guardian_could_not() -> None:
    """Lab and guardian both killed: everything runs on, until a lab of the same name starts."""
    lab, started, guardian = start_lab("test-orphans")
    for pid in (*guardian, lab.pid):
        os.kill(pid, signal.SIGKILL)
    lab.wait()
    orphans = started - guardian
    time.sleep(0.3)  # a guardian that was left would kill them meanwhile, and nobody tells that none is
    assert not {status(pid) for pid in orphans} & GONE, "they must be alive, or this test proves nothing"
    with Workspace("test-orphans") as workspace:
        swept = workspace.inherited
    assert (swept.processes, swept.segments, swept.data) == (len(orphans), 1, True)
    assert {status(pid) for pid in orphans} <= GONE
    assert not (private_root() / "test-orphans").exists()


def test_a_file_written_during_the_sweep_is_swept_too() -> None:
    """Somebody no registry knows still writes when the sweep begins; the directory is gone all the same when it is over."""
    workspace = Workspace("test-late-files")
    place, wrote = workspace.directory("postgres", "azure"), threading.Event()

    def write() -> None:
        with contextlib.suppress(OSError):
            for number in range(20_000):
                (place / str(number)).touch()
                wrote.set()

    writer = threading.Thread(target=write)
    writer.start()
    wrote.wait()
    workspace.close()
    assert not workspace.path.exists()
    writer.join()
    assert not workspace.path.exists()
    with pytest.raises(LabError, match="has ended"):
        workspace.directory("logs")


def test_a_dangling_context_is_removed_by_the_next_sweep() -> None:
    """A lab killed together with its guardian leaves a link to nowhere beside its directory."""
    link = private_root() / CONTEXT
    if link.exists():
        pytest.skip("another lab of this user is up, and the link is its")
    link.unlink(missing_ok=True)
    link.symlink_to(private_root() / "test-gone" / CONTEXT)
    with Workspace("test-dangling"):
        assert not os.path.lexists(link)


def test_a_reused_pid_is_never_signalled() -> None:
    """The registry names a pid that now belongs to somebody else: its birth differs, so it is left alone."""
    with Workspace("test-reuse") as workspace:
        path = workspace.path
        stranger = subprocess.Popen(["/bin/sleep", "60"])
        try:
            entry = Registry(path).record(stranger.pid, "stranger")
            assert entry is not None
            registry = path / "processes.jsonl"
            registry.write_text(registry.read_text().replace(entry.born, "12345@another-boot"))
            workspace.close()
            assert stranger.poll() is None
        finally:
            stranger.kill()
            stranger.wait()


def test_a_living_lab_is_not_started_twice() -> None:
    """The second start is refused in one line that names the first; after its end the name is free."""
    with Workspace("test-twice") as first:
        process, _ = family(first)
        with pytest.raises(LabError, match=rf"'test-twice' is already running \(pid {os.getpid()}\)"):
            Workspace("test-twice")
        assert process.alive
    with Workspace("test-twice") as second:
        assert not second.inherited.data


def test_a_directory_that_others_can_write_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another local user who made our directory first could plant the binaries that we run."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    planted = tmp_path / f"trimaran-{os.getuid()}"
    planted.mkdir()
    planted.chmod(0o777)
    with pytest.raises(LabError, match="only this user can write to"):
        private_root()


@pytest.mark.parametrize("name", ["", "Lab", "../lab", ".binaries", "a/b"])
def test_a_name_cannot_leave_the_workspace(name: str) -> None:
    """A lab's name becomes a path that is removed at the end."""
    with pytest.raises(LabError, match="lower-case"):
        Workspace(name)


def test_ports_stay_taken_until_the_lab_ends() -> None:
    """A server can listen on a held port, stop and listen again, and nobody else is given the port in between."""
    with Workspace("test-ports") as workspace:
        port = workspace.port()
        for _ in range(2):
            with contextlib.closing(socket.socket()) as server:
                server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                server.bind(("127.0.0.1", port))
                server.listen()
        with contextlib.closing(socket.socket()) as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
    with contextlib.closing(socket.socket()) as other:
        other.bind(("127.0.0.1", port))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another account and copies for it")
def test_a_private_clone_still_runs_postgresql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed below a directory that only its owner can read: copied with its libraries, once, and runnable after dropping."""
    account = unprivileged()
    assert account is not None
    original = find_postgres().directory.parent.parent
    clone = tmp_path / "private"
    clone.mkdir(mode=0o700)
    for name in (original.name, f"{original.name}.libs"):
        subprocess.run(["/bin/cp", "-r", original.with_name(name), clone / name], check=True)
    clone.chmod(0o700)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as reachable:
        Path(reachable).chmod(0o711)
        monkeypatch.setattr(tempfile, "tempdir", reachable)
        place = readable_place(clone / original.name, account)
        command = [str(place / "pginstall/bin/psql"), "--version"]
        ran = subprocess.run(
            command, user=account.uid, group=account.gid, extra_groups=[], cwd="/", capture_output=True, check=False
        )
        assert ran.stdout.startswith(b"psql (PostgreSQL) 18"), ran.stderr
        assert readable_place(clone / original.name, account) == place
        assert len(list(place.parent.parent.iterdir())) == 1


@pytest.mark.parametrize(
    ("version", "sound"),
    [("3.4.21", False), ("3.4.23", True), ("3.5.0", False), ("3.5.1", False), ("3.5.5", False), ("3.5.6", True), ("3.6.1", True)],
)
def test_which_etcd_may_keep_its_data(*, version: str, sound: bool) -> None:
    """Only versions past etcd-io/etcd#13766 restart on the data they were killed with."""
    assert etcd_is_sound(version) is sound
