"""The one tree of errors, split by who must act.

TrimaranError
├── SettingsError            the operator edits a file; carries every problem at once
├── Refused                  a person decides: a guard said no (guard, value, limit, way out)
├── LostOwnership            we stop: the plan, the session or the revision is no longer ours
│   └── StaleToken           ... and the database itself said so
├── ProviderError            a system outside failed
│   ├── Transient            we retry: timeout, throttling, connection refused
│   ├── Denied               someone mends credentials or permissions
│   ├── Conflict             someone else changed it first; read again
│   └── Unsupported          this provider can never do it; use another way
└── Stuck                    a step cannot go on by itself; carries what blocks it and the way out

"Not found" is a value, never an error. "Could not ask" is an error, and becomes `unknown` in `observe` only.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class TrimaranError(Exception):
    """Base of every error this project raises on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsProblem:
    """One thing wrong in the settings: where it is and what was expected there."""

    file: str
    key: str
    expected: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.expected}"


class SettingsError(TrimaranError):
    """The settings cannot be used; all problems are listed together so that one edit mends them."""

    def __init__(self, problems: Sequence[SettingsProblem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class Refused(TrimaranError):
    """A guard refused: names the guard, the value it saw, its limit and the way out. Nothing was changed."""

    def __init__(self, *, guard: str, value: str, limit: str, way_out: str) -> None:
        super().__init__(f"refused by {guard}: {value}; needs {limit}. {way_out}")
        self.guard, self.value, self.limit, self.way_out = guard, value, limit, way_out


class LostOwnership(TrimaranError):
    """Another controller owns the plan now, or the world moved since it was read. Stop acting at once."""


class StaleToken(LostOwnership):
    """A database holds the promise of a newer owner and refused this step. Nothing was changed."""


class ProviderError(TrimaranError):
    """A system outside this process failed; raised by adapters only, already translated."""


class Transient(ProviderError):
    """Worth trying again: timeout, throttling, lost connection. The effect may or may not have happened."""


class Denied(ProviderError):
    """Credentials or permissions are missing; trying again changes nothing."""


class Conflict(ProviderError):
    """Somebody else changed it first; read again before acting."""


class Unsupported(ProviderError):
    """This provider can never do what was asked."""


class Stuck(TrimaranError):
    """A step cannot be completed as things are; says what blocks it and the way out. Trying again later is safe."""

    def __init__(self, *, step: str, blocked_by: str, way_out: str) -> None:
        super().__init__(f"{step} is blocked by {blocked_by}. {way_out}")
        self.step, self.blocked_by, self.way_out = step, blocked_by, way_out
