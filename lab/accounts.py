"""Which account may run PostgreSQL: it refuses to run as root."""

import grp
import os
import pwd
from dataclasses import dataclass

from lab.errors import LabError


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user and a group, both without privileges: dropping only the user would keep root's group."""

    uid: int
    gid: int


def unprivileged() -> Account | None:
    """The account to drop to; None when we are not root and run as ourselves. Raises LabError when root has nobody to drop to."""
    if os.geteuid() != 0:
        return None
    try:
        user = pwd.getpwnam("nobody")
    except KeyError:
        raise LabError(
            "PostgreSQL does not run as root and there is no user 'nobody': start the lab as an ordinary user"
        ) from None
    return Account(uid=user.pw_uid, gid=_group("nogroup") or _group("nobody") or user.pw_gid)


def _group(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None
