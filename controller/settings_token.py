"""The file with the token that orders to a controller must carry; whoever can read it can move the writer."""

import os
import re
import stat
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{16,200}")
"""What can stand in an Authorization header and is not guessed (RFC 6750)."""

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_token(path: Path, found: Callable[[str], None]) -> str | None:
    """The token in this file; None when anything is wrong with it, which is told to `found` as what was expected."""
    try:
        with path.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            token = opened.read(1024).decode("ascii", "replace").strip()
    except OSError as error:
        found(f"a readable file: {path}: {error.strerror}")
        return None
    if mode & OTHERS:
        found(f"a file that only its owner can read, 0600; {path} has {stat.S_IMODE(mode):04o}")
        return None
    if TOKEN.fullmatch(token) is None:
        found(f"16 to 200 letters, digits or any of ._~+/=- in {path}, and nothing else")
        return None
    return token


def is_loopback(host: str) -> bool:
    """Is a listener on this host reached from its own machine only? A name, `localhost` too, leads where somebody's resolver says."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
