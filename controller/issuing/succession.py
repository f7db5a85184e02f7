"""How one authority takes another's place without anybody being refused: in three steps, each of which may be interrupted and repeated.

1. TRUST: everybody believes the successor as well. 2. ISSUE: everybody shows a certificate of the successor. 3. FORGET: nobody believes
the old one any more. Between two steps everything that reads what was put there is started anew. Pure.

In one step instead: 1. Whoever starts first shows a certificate of the successor. 2. Whoever has not started yet believes the old one
only, and refuses it. 3. No two members of etcd speak with each other, and no edge reaches a service, at all three sites.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

UNMADE = "not made yet"
"""In place of the fingerprint of an authority that is made when it is needed."""


class Stage(StrEnum):
    """How far it is."""

    SETTLED = "settled"
    """There is one authority, and no successor."""
    TRUST = "trust"
    ISSUE = "issue"
    FORGET = "forget"


STEPS = (Stage.TRUST, Stage.ISSUE, Stage.FORGET)
"""What may be asked for, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Succession:
    """Of one authority, by fingerprints."""

    stage: Stage
    current: str
    successor: str
    keyless: bool = False
    """Is of the current one only its certificate there? Somebody put it there who vouches that it is the one that places believe."""

    def at(self, stage: Stage) -> "Succession":
        """The same, when that step is made."""
        return replace(self, stage=self.stage if stage is Stage.FORGET and self.stage is Stage.SETTLED else stage)

    @property
    def issuing(self) -> str:
        """Whose certificates are shown."""
        return self.current if self.stage in (Stage.SETTLED, Stage.TRUST) else self.successor

    @property
    def believed(self) -> tuple[str, ...]:
        """Who is believed."""
        match self.stage:
            case Stage.SETTLED:
                return (self.current,)
            case Stage.TRUST | Stage.ISSUE:
                return (self.current, self.successor)
            case Stage.FORGET:
                return (self.successor,)

    def refusal(self, wanted: Stage) -> str | None:
        """Why this step is not the next one. None: it is, or it is this one again."""
        if wanted is Stage.TRUST and self.current == UNMADE:
            return "there is none yet that could be replaced"
        at, allowed = (
            self.stage,
            {
                Stage.TRUST: (Stage.SETTLED, Stage.TRUST),
                Stage.ISSUE: (Stage.TRUST, Stage.ISSUE),
                Stage.FORGET: (Stage.SETTLED, Stage.ISSUE, Stage.FORGET),
            }[wanted],
        )
        if at in allowed:
            return None
        following = STEPS[0] if at is Stage.SETTLED else STEPS[min(STEPS.index(at) + 1, len(STEPS) - 1)]
        return f"its succession is at {at}, from where it goes on with {following}"

    def moves(self, wanted: Stage) -> bool:
        """Is it a step further, and not this one again? Then whoever reads what the earlier one changed has to have read it."""
        return wanted is not self.stage and self.stage is not Stage.SETTLED
