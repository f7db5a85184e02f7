"""The bounds of each search. Within them every order of every step is tried; nothing is cut short.

`SMALL` fit in `make test` together; `LARGE` are for `make model`, and docs/model.md has their numbers.
"""

from controller.core.plans import PlanKind
from tests.model.world import Budget, Scenario

AWS, AZURE, GCP = range(3)
_MOVES = frozenset({PlanKind.FAILOVER, PlanKind.SWITCHOVER})
_SETS = frozenset({PlanKind.FAILOVER, PlanKind.SHRINK, PlanKind.GROW})
_ALL = frozenset({PlanKind.FAILOVER, PlanKind.GROW, PlanKind.SHRINK, PlanKind.RETURN, PlanKind.SETTLE})

SMALL = {
    "failover": Scenario(
        about="one failover at any moment, while the accused writer lives and is paid at", budget=Budget(), payments=2
    ),
    "second failover": Scenario(about="a second failover at any moment of the first", budget=Budget(), epochs=3),
    "ack set": Scenario(about="one member is taken out or in, against a failover", kinds=_SETS, budget=Budget(upkeep=1)),
    "follower in its cloud": Scenario(
        about="a member's in-cloud failover loses its last transaction", payments=2, budget=Budget(in_cloud=(AWS,))
    ),
    "writer in its cloud": Scenario(
        about="the writer's in-cloud failover loses its last transaction", payments=2, budget=Budget(in_cloud=(AZURE,))
    ),
}

__all__ = ["AWS", "AZURE", "GCP", "SMALL"]
