"""The directory in which an environment's authorities lie, and whatever else is made once for all sites. Its owner keeps it offline.

```
fleet.pem sites.pem clients.pem etcd.pem    certificate and private key of each authority
domain                                      whose environment it is
operator.token                              what orders to controllers carry
passwords.json                              by which another password is known for another one; no password
issued/SITE/READER-NAME.pem                 the certificate that was issued last for a place, without its key
```

Everything in it is for its owner alone. A file is there as a whole, or not at all; authorities and the token are never changed.
"""

import hashlib
import json
import os
import secrets
import stat
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from controller.errors import Refused
from controller.issuing.authority import Authority

LIFE = timedelta(days=3650)
"""Of an authority."""
OTHERS = stat.S_IRWXG | stat.S_IRWXO
DOMAIN, TOKEN, PASSWORDS, ISSUED = "domain", "operator.token", "passwords.json", "issued"
COST = 2**14
"""Of guessing a password by what is kept of it: N of scrypt (RFC 7914), with blocks of 8 and no parallelism."""


class Issuer(StrEnum):
    """The authorities of one environment. Each is believed for one thing: who had papers of another could do what these are for."""

    FLEET = "fleet"
    """Services, and edges towards them: whoever has such papers may speak to services past every edge."""
    SITES = "sites"
    """Edges among themselves: whoever has such papers may hand requests over, and say whose they are."""
    CLIENTS = "clients"
    """Who may come in through edges with a certificate: controllers, and the merchants that it issues to."""
    ETCD = "etcd"
    """Members, controllers and edges' agents: whoever has such papers may write the posture."""


class Archive:
    """One environment's directory. Nothing is made before it is needed."""

    def __init__(self, place: Path, domain: str, now: Callable[[], datetime], cost: int = COST) -> None:
        """Raises Refused for a place that somebody else may look into, or that is another environment's."""
        self._place, self._domain, self._now, self._cost = place, domain, now, cost
        self._read: dict[Issuer, Authority] = {}
        if place.exists():
            _private(place, directory=True)
            # 1. Production is filled from the directory of a trial. 2. Whoever tried something there still has its keys. 3. They are
            # anybody of the fleet in production.
            if (file := place / DOMAIN).exists() and (found := file.read_text(encoding="utf-8").strip()) != domain:
                raise _unusable(place, f"it is the directory of {found}", f"that of {domain}")

    def has(self, issuer: Issuer) -> bool:
        """Is this authority there?"""
        return (self._place / f"{issuer}.pem").exists()

    def authority(self, issuer: Issuer) -> Authority:
        """This one, made when it is not there. Raises Refused for a file that cannot be it."""
        if issuer not in self._read:
            self._once(DOMAIN, f"{self._domain}\n".encode)
            name = f"Trimaran {issuer}"
            content = self._once(f"{issuer}.pem", lambda: Authority.made(name, now=self._now(), life=LIFE).sealed)
            self._read[issuer] = self._understood(issuer, content)
        return self._read[issuer]

    def check(self) -> None:
        """What is there can be used. Raises Refused."""
        for issuer in Issuer:
            if self.has(issuer):
                self.authority(issuer)

    def operator_token(self) -> bytes:
        """Made when it is not there."""
        return self._once(TOKEN, f"{secrets.token_urlsafe(32)}\n".encode)

    def other_passwords(self, given: Mapping[str, str]) -> tuple[str, ...]:
        """Names of those that were different the last time."""
        known = self._passwords()
        return tuple(name for name, password in given.items() if name in known and not _is_known(known[name], password))

    def remember_passwords(self, given: Mapping[str, str]) -> None:
        """By what they are compared with the next time; those that are known stay."""
        known = self._passwords()
        if missing := {name: password for name, password in given.items() if name not in known}:
            known |= {name: _digest(password, self._cost, secrets.token_bytes(16)) for name, password in missing.items()}
            self._replace(PASSWORDS, json.dumps(known, indent=2).encode())

    def forget_password(self, name: str) -> None:
        """It is replaced by name: the next one is the right one."""
        known = self._passwords()
        if known.pop(name, None) is not None:
            self._replace(PASSWORDS, json.dumps(known, indent=2).encode())

    def issued(self, site: str, name: str) -> bytes | None:
        """The certificate that was issued last for this place; None: none was from here."""
        file = self._issued(site, name)
        return file.read_bytes() if file.exists() else None

    def record(self, site: str, name: str, certificate: bytes | None) -> None:
        """What is issued for this place now; None: nothing is. Kept before it is sent: what was sent without an answer is known then."""
        file = self._issued(site, name)
        if certificate is None:
            file.unlink(missing_ok=True)
        else:
            self._replace(str(file.relative_to(self._place)), certificate)

    def _issued(self, site: str, name: str) -> Path:
        return self._place / ISSUED / site / f"{name.replace('/', '-')}.pem"

    def _passwords(self) -> dict[str, str]:
        file = self._place / PASSWORDS
        if not file.exists():
            return {}
        _private(file)
        try:
            found = json.loads(file.read_bytes())
        except ValueError as error:
            raise _unusable(file, "no JSON", "what bootstrap wrote there") from error
        return {str(name): str(kept) for name, kept in found.items()} if isinstance(found, dict) else {}

    def _understood(self, issuer: Issuer, content: bytes) -> Authority:
        file = self._place / f"{issuer}.pem"
        try:
            found = Authority.read(content)
        except ValueError as error:
            raise _unusable(file, "it cannot be used", str(error)) from error
        if found.name != f"Trimaran {issuer}":
            raise _unusable(file, f"it is the authority of {found.name}", f"that of Trimaran {issuer}")
        return found

    def _once(self, name: str, content: Callable[[], bytes]) -> bytes:
        """What is in this file; made when there is none. Of two who make it at once both are told the same."""
        file = self._place / name
        if not file.exists():
            part = self._part(file, content())
            try:
                os.link(part, file)
            except FileExistsError:
                pass  # somebody else's is there first, and is what counts
            finally:
                part.unlink()
        _private(file)
        return file.read_bytes()

    def _replace(self, name: str, content: bytes) -> None:
        file = self._place / name
        self._part(file, content).replace(file)

    def _part(self, file: Path, content: bytes) -> Path:
        # 1. The machine goes down while a key is written. 2. The file is there, with half a key. 3. What it has issued is in use at three
        # sites, and nothing can be issued beside it any more. So a file gets its name when it is whole, and on the disk.
        self._place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in reversed(file.relative_to(self._place).parents[:-1]):  # one by one: `mkdir` makes parents for everybody
            (self._place / folder).mkdir(mode=0o700, exist_ok=True)
        part = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        return part


def _private(path: Path, *, directory: bool = False) -> None:
    """Raises Refused for what somebody else may read or replace."""
    found = path.lstat()
    if stat.S_ISDIR(found.st_mode) is not directory or stat.S_ISLNK(found.st_mode):
        raise _unusable(path, "it is none", "a directory" if directory else "a file")
    if found.st_uid != os.geteuid() or found.st_mode & OTHERS:
        mode = "0700" if directory else "0600"
        value = f"others have rights to it ({stat.S_IMODE(found.st_mode):04o}), or it is another user's"
        raise _unusable(path, value, f"your own with mode {mode}: whoever reads it can be anybody of the fleet")


def _unusable(path: Path, value: str, limit: str) -> Refused:
    return Refused(
        guard="authority",
        value=f"{path}: {value}",
        limit=limit,
        way_out="Name the directory that bootstrap was given the first time; for a new environment, one that is not there yet.",
    )


def _digest(password: str, cost: int, salt: bytes) -> str:
    made = hashlib.scrypt(password.encode(), salt=salt, n=cost, r=8, p=1)
    return f"{cost}:{salt.hex()}:{made.hex()}"


def _is_known(kept: str, password: str) -> bool:
    cost, salt, _ = kept.split(":")
    return secrets.compare_digest(kept, _digest(password, int(cost), bytes.fromhex(salt)))
