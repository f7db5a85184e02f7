"""Papers from the secret store into files, each for one user alone, in memory."""

import os
import pwd
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.boot.asking import NotYet

Owner = Callable[[str], tuple[int, int]]
"""A user's name to its number and its group's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """One file."""

    place: str
    """In the secret store, as the vendor names it."""
    file: Path
    owner: str


def of_system(name: str) -> tuple[int, int]:
    """As this machine knows it. Raises NotYet for a user that was not made yet."""
    try:
        found = pwd.getpwnam(name)
    except KeyError as error:
        raise NotYet(f"there is no user {name}") from error
    return found.pw_uid, found.pw_gid


def put(papers: Sequence[Paper], secret: Callable[[str], bytes], owner: Owner = of_system) -> None:
    """Write them all, or none. Raises NotYet.

    1. A certificate is renewed, and its authority with it. 2. The first comes, the second does not. 3. The member starts with a certificate
    that it does not believe itself. So everything is asked for before anything is written.
    """
    contents = [secret(paper.place) for paper in papers]
    for paper, content in zip(papers, contents, strict=True):
        if not content.strip():
            raise NotYet(f"{paper.place} is empty: `trimaran bootstrap` fills it")
    owners = [owner(paper.owner) for paper in papers]
    for paper, content, (user, group) in zip(papers, contents, owners, strict=True):
        write(paper.file, content, user, group)


def write(file: Path, content: bytes, user: int, group: int) -> None:
    """For one user alone, and under its name only when it is whole: etcd reads its certificate at every connection."""
    part = file.with_name(f".{file.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o400), "wb") as opened:
        opened.write(content)
        os.fchown(opened.fileno(), user, group)
    part.replace(file)
