"""Units of a node: what systemd itself says about them, in which order they start, and what each may do."""

import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from controller.boot.tokens import LEAST
from controller.manifest.cloud_init import files
from controller.manifest.files import UNITS, escaped
from controller.manifest.node import CONTROLLER, ETCD, PAPERS
from controller.manifest.units import units
from tests.unit.manifest.nodes import CALLERS, CLOUDS, NODES, node

SYSTEMD = Path("/lib/systemd/system")
OURS = ("trimaran-etcd.service", "trimaran-controller.service")
WAITING = ("trimaran-images.service", "trimaran-papers.service", "trimaran-renewal.service", "trimaran-tokens.service")
analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None or not SYSTEMD.is_dir(),
    reason="systemd is not installed: nobody can say what it reads",
)


def text(name: str, cloud: str = "aws") -> str:
    """One unit."""
    (found,) = (one.content for one in units(node(cloud)) if one.path == UNITS / name)
    return found


def values(unit: str, key: str) -> list[str]:
    """What stands behind a key, in order."""
    return re.findall(rf"^{key}=(.*(?:\\\n.*)*)$", unit, re.MULTILINE)


def image(place: Path, cloud: str) -> Path:
    """A root that has what a node has: our files, the programs that units name, and systemd's own targets."""
    given = node(cloud)
    for one in files(given):
        path = place / str(one.path).lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(one.content)
    programs = [line.split()[0].lstrip("+") for one in units(given) for line in values(one.content, "ExecStart(?:Pre)?")]
    for program in (*programs, *("/usr/bin/true",)):
        path = place / program.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/true\n")
        path.chmod(0o755)
    shipped = place / "usr/lib/systemd/system"
    shipped.mkdir(parents=True, exist_ok=True)
    for one in SYSTEMD.glob("*.target"):
        (shipped / one.name).write_bytes(one.read_bytes())
    return place


def said(place: Path, *more: str) -> str:
    """What systemd has to say about the units below this root; empty when they are as they should be."""
    names = [one.name for one in (place / str(UNITS).lstrip("/")).iterdir() if one.is_file()]
    command = ["systemd-analyze", "verify", "--man=no", f"--root={place}", *(more or names)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return found.stdout + found.stderr + ("" if found.returncode == 0 else "refused")


@analyze
@pytest.mark.parametrize("cloud", CLOUDS)
def test_systemd_has_nothing_to_say_about_them(cloud: str, tmp_path: Path) -> None:
    """Every key is known, every value is one, every program and unit is there, and nothing waits for itself."""
    assert said(image(tmp_path, cloud)) == ""


@analyze
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("RestartSec=1", "RestartSecs=1"),
        ("MemoryMax=3G", "MemoryMax=much"),
        ("SystemCallFilter=@system-service", "SystemCallFilter=@system-services"),
        ("Requires=trimaran-images.service", "Requires=trimaran-image.service"),
        ("ExecStart=/opt", "ExecStart=/op"),
    ],
)
def test_systemd_would_say_so(old: str, new: str, tmp_path: Path) -> None:
    """Silence means something: one slip in a unit is told."""
    place = image(tmp_path, "aws")
    unit = place / str(UNITS).lstrip("/") / "trimaran-etcd.service"
    assert old in unit.read_text()
    unit.write_text(unit.read_text().replace(old, new))
    assert said(place, "trimaran-etcd.service") != ""


@analyze
@pytest.mark.parametrize(("unit", "most"), [*((one, 20) for one in OURS), *((one, 30) for one in WAITING)])
def test_what_each_may_do_is_little(unit: str, most: int, tmp_path: Path) -> None:
    """systemd's own measure of exposure, in tenths; a service that is told nothing has 96."""
    command = ["systemd-analyze", "security", "--offline=true", f"--root={image(tmp_path, 'aws')}", f"--threshold={most}", unit]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 0, found.stdout[-300:] + found.stderr


@analyze
def test_units_are_named_after_their_paths_as_systemd_does_it() -> None:
    """A drop-in beside another name is read by nobody."""
    for cloud in CLOUDS:
        device = node(cloud).device
        command = ["systemd-escape", "--path", device]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == escaped(device)


@pytest.mark.parametrize("unit", [*OURS, *WAITING])
def test_every_service_is_hardened(unit: str) -> None:
    """In words, where no systemd can say it."""
    found = text(unit)
    for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "ProtectHome=yes", "LimitCORE=0", "PrivateDevices=yes"):
        assert line in found.splitlines()
    assert values(found, "MemoryMax") and "Watchdog" not in found


@pytest.mark.parametrize(("unit", "user"), list(zip(OURS, (ETCD, CONTROLLER), strict=True)))
def test_what_listens_and_decides_is_nobody_and_may_nothing(unit: str, user: object) -> None:
    """A user of its own, no capability at all, and it is started again for ever."""
    found = text(unit)
    assert user in (ETCD, CONTROLLER) and values(found, "User") == [getattr(user, "name", None)]
    assert values(found, "CapabilityBoundingSet") == [""] == values(found, "AmbientCapabilities")
    assert values(found, "Restart") == ["always"] and values(found, "StartLimitIntervalSec") == ["0"]


def test_etcd_speaks_to_members_and_to_who_asks_for_the_posture() -> None:
    """And to nobody else, whatever it is told; what it writes is on its own disk."""
    found = text("trimaran-etcd.service")
    (allowed,) = values(found, "IPAddressAllow")
    assert set(allowed.split()) == {"localhost", *map(str, NODES.values()), *map(str, CALLERS)}
    assert values(found, "IPAddressDeny") == ["any"] and values(found, "ReadWritePaths") == ["/var/lib/trimaran/etcd"]


def test_etcd_never_starts_beside_its_disk() -> None:
    """It needs the mount and ends with it; the mount needs the file system, and that the very device."""
    assert values(text("trimaran-etcd.service"), "BindsTo") == ["var-lib-trimaran-etcd.mount"]
    assert values(text("trimaran-etcd.service"), "RequiresMountsFor") == ["/var/lib/trimaran/etcd"]
    for cloud in CLOUDS:
        mount, disk, device = text("var-lib-trimaran-etcd.mount", cloud), text("trimaran-disk.service", cloud), node(cloud).device
        assert values(mount, "What") == [device] and values(mount, "Requires") == values(mount, "After") == [
            "trimaran-disk.service"
        ]
        assert values(disk, "BindsTo") == values(disk, "After") == [f"{escaped(device)}.device"]
        assert values(disk, "ExecStart") == [f"/usr/lib/systemd/systemd-makefs ext4 {device}"]


def test_a_controller_does_not_wait_for_its_own_member() -> None:
    """One whose member is down acts by way of the other two: nothing of it names etcd's unit."""
    found = text("trimaran-controller.service")
    assert "trimaran-etcd" not in found and "etcd.mount" not in found
    for unit in OURS:
        for key in ("Requires", "After"):
            assert {"trimaran-images.service", "trimaran-papers.service"} <= set(values(text(unit), key)[0].split())


def test_new_papers_start_nothing_anew() -> None:
    """Nobody requires the unit that fetches them every day, and the one that is required is not what the timer starts."""
    assert not [one for one in units(node()) if re.search(r"^(Requires|BindsTo)=.*renewal", one.content, re.MULTILINE)]
    assert values(text("trimaran-renewal.timer"), "OnCalendar") == ["daily UTC"] and not values(
        text("trimaran-renewal.timer"), "Unit"
    )


def test_tokens_are_asked_for_round_after_round_and_no_round_hangs() -> None:
    """By the controller's user, which writes nothing else; a round that fails is made again soon, and nobody waits for one."""
    found, timer = text("trimaran-tokens.service"), text("trimaran-tokens.timer")
    assert values(found, "User") == [CONTROLLER.name] and values(found, "ReadWritePaths") == ["/run/trimaran/tokens"]
    assert values(found, "CapabilityBoundingSet") == [""] and values(found, "ExecStart")[0].endswith("controller.boot tokens")
    assert (values(found, "TimeoutStartSec"), values(found, "Restart"), values(found, "RestartSec")) == (
        ["1min"],
        ["on-failure"],
        ["15"],
    )
    assert values(found, "StartLimitIntervalSec") == ["0"]
    assert values(timer, "OnUnitInactiveSec") == ["5min"] and values(timer, "OnActiveSec") == ["0"]
    assert 2 * (timedelta(minutes=5) + timedelta(minutes=1)) <= LEAST
    others = [one.content for one in units(node()) if "trimaran-tokens" not in one.path.name]
    assert not [one for one in others if re.search(r"^(Requires|BindsTo|After)=.*trimaran-tokens", one, re.MULTILINE)]
    assert "trimaran-tokens.timer" in values(text("trimaran.target"), "Wants")[0].split()


def test_a_controller_sees_tokens_and_cannot_write_any() -> None:
    """Made out anew, they appear below the place that it was given at its start."""
    found = text("trimaran-controller.service")
    assert "/run/trimaran/tokens" in values(found, "BindReadOnlyPaths")[0].split() and not values(found, "ReadWritePaths")


def test_programs_lie_below_their_digest() -> None:
    """What has another digest is another program at another place: an update that is half done starts nothing."""
    assert values(text("trimaran-etcd.service"), "ExecStart")[0].startswith(f"/opt/trimaran/images/{'e' * 16}/")
    assert values(text("trimaran-controller.service"), "RootDirectory") == [f"/opt/trimaran/images/{'c' * 16}"]


def test_whoever_reads_papers_has_them_in_its_own_place() -> None:
    """A controller sees its own, and etcd's are etcd's."""
    controller = text("trimaran-controller.service")
    assert "/run/trimaran/controller " in values(controller, "BindReadOnlyPaths")[0] and "/run/trimaran/etcd" not in controller
    assert len({paper.path for paper in PAPERS}) == len(PAPERS)
    assert {str(paper.path.parent) for paper in PAPERS} == {"/run/trimaran/etcd", "/run/trimaran/controller"}
