"""What every authority refuses, whatever its vendor would make of it."""

import math
from collections.abc import Mapping

from controller.core.model import Site
from controller.errors import Conflict, Refused


def refuse_unusable(weights: Mapping[Site, float]) -> None:
    """Refuse ratios that cannot be meant, before anything is asked.

    Route 53 answers all records of a name equally when every weight is 0. So a controller that drains the last site would send
    a third of the payers to each site, the dead one included: the opposite of what the posture says.
    """
    for site, ratio in sorted(weights.items()):
        if not math.isfinite(ratio) or ratio < 0:
            raise Refused(
                guard="usable-weights",
                value=f"{site} = {ratio}",
                limit="finite ratios of 0 or more",
                way_out="Correct the posture.",
            )
    if not any(weights.values()):
        raise Refused(
            guard="no-orphan-drain",
            value=f"every ratio is 0 ({', '.join(sorted(weights)) or 'no site named'})",
            limit="at least one ratio above 0",
            way_out="Name a site that serves.",
        )


def refuse_superseded(authority: str, mine: Mapping[Site, float], asked: Mapping[Site, float]) -> None:
    """Refuse to go on towards weights when this adapter was `asked` for other ones meanwhile: the latest asked are meant.

    The caretaker's steering by the old weights is throttled; a failover asks for the new ones and is told that they stand; the
    throttled one tries again, and sends payers back to the dead site.
    """
    if mine != asked:
        raise Conflict(f"{authority}: gave up steering by {dict(mine)}: {dict(asked)} was asked for meanwhile")
