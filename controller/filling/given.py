"""Files that somebody else made, checked for what they are to be. What is wrong is told without a word of what they hold."""

import re
import tomllib
from datetime import datetime
from pathlib import Path
from typing import assert_never

from controller.filling import door
from controller.filling.plan import Given, Kind
from controller.issuing.authority import certificates_in

WORD = re.compile(r"[A-Za-z0-9]{32,200}(\r?\n[A-Za-z0-9]{32,200})?\s*")
LONGEST = 25_000
"""Bytes that every vendor takes: Azure 25 kB, AWS and Google 64 KiB."""
LONGEST_BESIDE = 20_000
"""Of what stands beside certificates of ours."""
NONE = b"none"
"""All that stands in a file whose owner means that nobody else is believed any more."""


class GivenFiles:
    """A directory: `SITE/READER/FILE` for one site, `READER/FILE` for those that have none of their own."""

    def __init__(self, place: Path | None, domain: str) -> None:
        """None: none are given. `domain`: whose doors they are for."""
        self._place, self._domain = place, domain

    def read(self, site: str, file: str) -> bytes | None:
        """What this site is given; None: nothing. Raises OSError."""
        for one in (Path(site, file), Path(file)):
            if self._place is not None and (found := self._place / one).exists():
                return found.read_bytes()
        return None

    def problem(self, site: str, given: Given, now: datetime) -> str | None:
        """What is wrong with it; None: it can be used."""
        try:
            content = self.read(site, given.file)
        except OSError as error:
            return f"{given.file} cannot be read: {error.strerror}"
        if content is None:
            where = f"in {self._place}" if self._place is not None else "without --given DIR"
            return f"there is no {site}/{given.file} and no {given.file} {where}; expected {given.kind}"
        if not content.strip() or len(content) > LONGEST:
            return f"{given.file} has {len(content)} bytes; expected between 1 and {LONGEST}"
        wrong = tuple(door.problems(content, self._domain, now)) if given.kind is Kind.DOOR else ()
        if not wrong and _is_text(content) and _fits(site, given.kind, content):
            return None
        return ": ".join((f"{given.file} is not what is expected", given.kind, *([", and ".join(wrong)] if wrong else [])))

    def further(self, site: str, file: str) -> bytes | None:
        """Certificates that may be given. None: they are not, and whatever was given before stays. Raises OSError."""
        content = self.read(site, file)
        return b"" if content is not None and content.strip() == NONE else content

    def further_problem(self, site: str, file: str) -> str | None:
        """What is wrong with certificates that may be given; None: nothing, or there are none."""
        try:
            content = self.read(site, file)
        except OSError as error:
            return f"{file} cannot be read: {error.strerror}"
        if content is None or content.strip() == NONE:
            return None
        if b"PRIVATE KEY" in content:
            return f"{file} has a private key in it; expected certificates alone"
        if len(content) > LONGEST_BESIDE:
            return f"{file} has {len(content)} bytes; expected at most {LONGEST_BESIDE}"
        return None if certificates_in(content) else f"{file}: expected certificates, PEM, or the word {NONE.decode()}"


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _fits(site: str, kind: Kind, content: bytes) -> bool:
    match kind:
        case Kind.SETTINGS:
            # 1. Files of two sites are mixed up. 2. Azure's payments believe that they are at aws. 3. They look for the writer next door in
            # another cloud, and every payment pays a round trip more, until somebody notices.
            return (_table(content) or {}).get("site") == site
        case Kind.TABLE:
            return _table(content) is not None
        case Kind.DOOR:
            return True  # `door.problems` has looked
        case Kind.AUTHORITIES:
            return b"PRIVATE KEY" not in content and bool(certificates_in(content))
        case Kind.WORD:
            return WORD.fullmatch(content.decode("ascii", "replace")) is not None
        case _:
            assert_never(kind)


def _table(content: bytes) -> dict[str, object] | None:
    try:
        return tomllib.loads(content.decode())
    except ValueError:
        return None
