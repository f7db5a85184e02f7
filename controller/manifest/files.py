"""A file of the node, as it is installed."""

from dataclasses import dataclass
from pathlib import PurePosixPath

UNITS = PurePosixPath("/etc/systemd/system")


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """Root's, and readable by all: nothing in it is secret."""

    path: PurePosixPath
    content: str
    permissions: str = "0644"


def unit(name: str, *lines: str) -> File:
    """A unit of systemd, or a part of one."""
    return File(path=UNITS / name, content="\n".join(lines) + "\n")


def escaped(path: str) -> str:
    """A path as systemd names units after it: `dev-disk-by\\x2did-…` (systemd.unit, "String escaping for inclusion in unit names")."""
    plain = path.strip("/")
    return "".join(
        "-" if one == "/" else one if one.isascii() and (one.isalnum() or one in ":_" or (one == "." and at)) else _coded(one)
        for at, one in enumerate(plain)
    )


def _coded(one: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in one.encode())
