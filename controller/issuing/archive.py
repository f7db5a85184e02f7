"""The directory in which an environment's authorities lie, and whatever else is made once for all sites. Its owner keeps it offline.

```
fleet.pem sites.pem clients.pem etcd.pem    certificate and private key of each authority
fleet.next.pem                              of the one that takes its place (`succession`)
fleet.stage                                 how far that is, when it is further than that both are believed
domain                                      whose environment it is
operator.token                              what orders to controllers carry
operator.token.next, .previous              while it is replaced, and until the next time
places/                                     what was put into each place (`records`)
```

An authority is never changed, and taken away by its successor only.
"""

import hashlib
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from controller.issuing.authority import Authority, Certificate
from controller.issuing.directory import Directory, unusable
from controller.issuing.passwords import COST, Sealed
from controller.issuing.records import Records
from controller.issuing.succession import STEPS, UNMADE, Stage, Succession

LIFE = timedelta(days=3650)
"""Of an authority."""
DOMAIN, TOKEN = "domain", "operator.token"


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
        self._directory, self._domain, self._now = Directory(place), domain, now
        self.records, self.sealed = Records(self._directory), Sealed(cost)
        self._parsed: dict[tuple[Issuer, bytes], Certificate] = {}
        # 1. Production is filled from the directory of a trial. 2. Whoever tried something there still has its keys. 3. They are anybody
        # of the fleet in production.
        found = self._directory.read(DOMAIN)
        if found is not None and found.decode().strip() != domain:
            raise unusable(place, f"it is the directory of {found.decode().strip()}", f"that of {domain}")

    def locked(self) -> AbstractContextManager[None]:
        """Alone with it. Raises Refused when somebody else is."""
        return self._directory.locked()

    def check(self) -> None:
        """What is there can be used. Raises Refused."""
        for issuer in Issuer:
            self.succession(issuer)

    def succession(self, issuer: Issuer) -> Succession:
        """Who it is, and who takes its place. Makes nothing. Raises Refused for a file that cannot be it."""
        current, successor = self._certificate(issuer), self._certificate(issuer, ".next")
        return Succession(
            # Without a successor the last step has ended, whatever the file says, or none was begun.
            stage=Stage.SETTLED if successor is None else self._stage(issuer),
            current=UNMADE if current is None else current.fingerprint,
            successor=UNMADE if successor is None else successor.fingerprint,
            keyless=current is not None and not isinstance(current, Authority),
        )

    def enter(self, issuer: Issuer, stage: Stage) -> None:
        """Make this step of its succession, or make it again. The step has to be the next one: see `Succession.refusal`."""
        if self.succession(issuer).stage is Stage.SETTLED:
            if stage is not Stage.TRUST:
                return
            self._directory.remove(
                f"{issuer}.stage"
            )  # left behind by the last one: the next successor would be where that one was
            self._made(issuer, ".next")
        self._directory.replace(f"{issuer}.stage", f"{stage}\n".encode())

    def settle(self, issuer: Issuer) -> None:
        """The old one is forgotten: its successor has its place. The key of the old one is gone."""
        if self.succession(issuer).stage is not Stage.SETTLED:
            self._directory.rename(_file(issuer, ".next"), _file(issuer))
        self._directory.remove(f"{issuer}.stage")

    def has(self, issuer: Issuer) -> bool:
        """Is this authority there?"""
        return self._directory.has(_file(issuer))

    def authority(self, issuer: Issuer) -> Authority:
        """The one that issues, made when there is none. Raises Refused for a file that cannot be it, or that has no key."""
        suffix = "" if self.succession(issuer).stage in (Stage.SETTLED, Stage.TRUST) else ".next"
        found = self._made(issuer, suffix)
        if not isinstance(found, Authority):
            file = self._directory.path(_file(issuer, suffix))
            raise unusable(file, "its key is not there, and nothing can be issued without", "a certificate and its private key")
        return found

    def believed(self, issuer: Issuer) -> tuple[Certificate, ...]:
        """Those that are believed now; made when there is none."""
        match self.succession(issuer).stage:
            case Stage.SETTLED:
                return (self._made(issuer),)
            case Stage.TRUST | Stage.ISSUE:
                return self._made(issuer), self._made(issuer, ".next")
            case Stage.FORGET:
                return (self._made(issuer, ".next"),)

    def issuer_of(self, issuer: Issuer, certificate: str) -> str | None:
        """Which of the two has issued this certificate, PEM? By its fingerprint; None: neither."""
        return next((one.fingerprint for one in self._both(issuer) if one.has_issued(certificate.encode())), None)

    def ends(self, issuer: Issuer, fingerprint: str) -> datetime | None:
        """When what this one has issued is not believed any more; None: it is not there."""
        return next((one.ends for one in self._both(issuer) if one.fingerprint == fingerprint), None)

    def operator_token(self) -> bytes:
        """What orders carry from now on; made when it is not there."""
        following = self._directory.read(f"{TOKEN}.next")
        return self._directory.once(TOKEN, _token) if following is None else following

    def another_token(self) -> None:
        """The next one is made, and is what orders carry from now on. Again: the same one, until it is settled."""
        self._directory.once(f"{TOKEN}.next", _token)

    def next_token(self) -> str | None:
        """Its fingerprint, while not every site has it."""
        following = self._directory.read(f"{TOKEN}.next")
        return None if following is None else fingerprint(following)

    def settle_token(self) -> None:
        """Every site has the next one. The one before it stays beside it: controllers that were not started since know that one only."""
        if (before := self._directory.read(TOKEN)) is not None:
            self._directory.replace(f"{TOKEN}.previous", before)
        self._directory.rename(f"{TOKEN}.next", TOKEN)

    def _stage(self, issuer: Issuer) -> Stage:
        name = f"{issuer}.stage"
        content = self._directory.read(name)
        try:
            return Stage.TRUST if content is None else Stage(content.decode().strip())
        except ValueError as error:
            raise unusable(self._directory.path(name), "it cannot be used", f"one of {', '.join(STEPS)}") from error

    def _both(self, issuer: Issuer) -> tuple[Certificate, ...]:
        found = (self._certificate(issuer), self._certificate(issuer, ".next"))
        return tuple(one for one in found if one is not None)

    def _made(self, issuer: Issuer, suffix: str = "") -> Certificate:
        self._directory.once(DOMAIN, f"{self._domain}\n".encode)
        name = _name(issuer)
        self._directory.once(_file(issuer, suffix), lambda: Authority.made(name, now=self._now(), life=LIFE).sealed)
        found = self._certificate(issuer, suffix)
        assert found is not None, "made just now, when it was not there"
        return found

    def _certificate(self, issuer: Issuer, suffix: str = "") -> Certificate | None:
        """With its key, when that is there. None: it is not there."""
        content = self._directory.read(_file(issuer, suffix))
        if content is None:
            return None
        if (issuer, content) not in self._parsed:
            file = self._directory.path(_file(issuer, suffix))
            self._parsed[issuer, content] = _understood(file, _name(issuer), content)
        return self._parsed[issuer, content]


def _understood(file: Path, name: str, content: bytes) -> Certificate:
    """With its key, or the certificate alone. Raises Refused."""
    alone = b"-----BEGIN CERTIFICATE" in content and b"PRIVATE KEY" not in content
    try:
        found = Certificate.read(content) if alone else Authority.read(content)
    except ValueError as error:
        raise unusable(file, "it cannot be used", str(error)) from error
    if found.name != name:
        raise unusable(file, f"it cannot be used: it is the authority of {found.name or 'nobody'}", f"that of {name}")
    return found


def fingerprint(content: bytes) -> str:
    """By which it is known again, and which tells nothing of what was made by chance."""
    return hashlib.sha256(content).hexdigest()


def _file(issuer: Issuer, suffix: str = "") -> str:
    return f"{issuer}{suffix}.pem"


def _name(issuer: Issuer) -> str:
    return f"Trimaran {issuer}"


def _token() -> bytes:
    return f"{secrets.token_urlsafe(32)}\n".encode()
