"""What was put into each place: written down before it is sent, and believed when the store has confirmed it. No secret is among it.

```
places/SITE/READER-NAME.json        what the store confirmed last, with the version it gave
places/SITE/READER-NAME.next.json   what is being sent, over which version; left behind by whoever got no answer
```
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from controller.issuing.directory import Directory, unusable

PLACES = "places"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Of one place. What does not belong to its kind is empty."""

    id: str
    """What the vendor calls it."""
    version: str | None = None
    """As the store calls what it confirmed. None: it has not."""
    over: str | None = None
    """In the place of which version it was sent. None: the place was empty."""
    certificate: str = ""
    """PEM, without its key."""
    believed: tuple[str, ...] = ()
    """Fingerprints of the authorities of ours that are in it."""
    further: str = ""
    """PEM: certificates of others that were given and are in it as well."""
    passwords: Mapping[str, str] = field(default_factory=dict)
    """By variable: how the password is known again."""
    token: str = ""
    """Fingerprint of what orders carry."""


class Records:
    """Of all places of one environment."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def last(self, site: str, name: str) -> Record | None:
        """What was confirmed last. None: nothing was from here. Raises Refused for a file that cannot be it."""
        return self._read(_name(site, name))

    def known(self, site: str, name: str, version: str | None) -> Record | None:
        """Of what programs are told now, which the store calls `version`. None: nobody here knows what that is."""
        last = self.last(site, name)
        if version is not None and last is not None and last.version == version:
            return last
        return self._read(_name(site, name, ".next")) if self.began(site, name, version) else None

    def began(self, site: str, name: str, version: str | None) -> bool:
        """Was it filled when it was empty, and the answer lost? Then what is there is what was being sent, as far as anybody knows."""
        following, last = self._read(_name(site, name, ".next")), self.last(site, name)
        if version is None or following is None or following.over is not None:
            return False
        return last is None or last.version != version

    def is_unsure(self, site: str, name: str, version: str | None) -> bool:
        """Was something put into it after what was confirmed last?"""
        return version is not None and self.last(site, name) is not None and self.known(site, name, version) is None

    def begin(self, site: str, name: str, record: Record) -> None:
        """This is about to be sent."""
        self._write(_name(site, name, ".next"), record)

    def confirm(self, site: str, name: str, record: Record, version: str) -> None:
        """The store has it, and calls it so."""
        self._write(_name(site, name), replace(record, version=version))
        self.drop(site, name)

    def drop(self, site: str, name: str) -> None:
        """It was not sent, or somebody else was faster."""
        self._directory.remove(_name(site, name, ".next"))

    def _write(self, name: str, record: Record) -> None:
        self._directory.replace(name, json.dumps(asdict(record), indent=2).encode())

    def _read(self, name: str) -> Record | None:
        content = self._directory.read(name)
        if content is None:
            return None
        try:
            found: dict[str, Any] = json.loads(content)
            return Record(**{**found, "believed": tuple(found["believed"])})
        except (ValueError, TypeError, KeyError) as error:
            raise unusable(self._directory.path(name), "it cannot be read", "what bootstrap wrote there") from error


def _name(site: str, name: str, suffix: str = "") -> str:
    return f"{PLACES}/{site}/{name.replace('/', '-')}{suffix}.json"
