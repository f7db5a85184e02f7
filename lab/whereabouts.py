"""Where a running lab leaves word of itself for other processes of this user. Cheap to import: every command starts here."""

import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from lab.sweeping import CONTEXT
from lab.workspace import private_root


def state_path(name: str) -> Path:
    """Where the office of the lab of this name says how it is asked."""
    return private_root() / name / "lab.json"


def context_path(name: str) -> Path:
    """The operator's context of the lab of this name."""
    return private_root() / name / CONTEXT


def default_context() -> Path:
    """Where commands look for controllers unless told otherwise: a link to the context of the lab that started last."""
    return private_root() / CONTEXT


def write_private(path: Path, content: Mapping[str, object]) -> None:
    """Replace a file that only this user may read."""
    _write_private(path, json.dumps(content) + "\n")


def write_token(path: Path) -> None:
    """Make up a secret and keep it where only this user may read it."""
    _write_private(path, secrets.token_urlsafe(24) + "\n")


def _write_private(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(file, "w") as opened:
        opened.write(text)
    draft.replace(path)


def point_context_at(name: str) -> None:
    """Have commands find this lab's controllers. The link leads into the workspace: a lab that is killed leaves it dangling, which
    reads as no context at all."""
    draft = default_context().with_name(f".{CONTEXT}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.symlink_to(context_path(name))
    draft.replace(default_context())


def forget_context(name: str) -> None:
    """Remove that link if it leads into this lab."""
    link = default_context()
    with suppress(OSError):
        if Path(os.readlink(link)) == context_path(name):
            link.unlink()
