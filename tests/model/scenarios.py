"""The bounds of each search. Within them every order of every step is tried; nothing is cut short.

`SMALL` fit into `make test` together; `LARGE` are for `make model`, and docs/model.md has their numbers.
"""

from controller.core.plans import PlanKind
from tests.model.world import Budget, Scenario

AWS, AZURE, GCP = range(3)
NO_DATA = frozenset({PlanKind.STEER, PlanKind.PROMOTE})
"""Kinds of plans that move no data: weights, and a provider's own replica."""

_MOVES = frozenset({PlanKind.FAILOVER, PlanKind.SWITCHOVER})
_CHANGES = frozenset({PlanKind.SHRINK, PlanKind.GROW})
_SETS = _CHANGES | {PlanKind.FAILOVER}
_ALL = frozenset({PlanKind.FAILOVER, PlanKind.GROW, PlanKind.SHRINK, PlanKind.RETURN, PlanKind.SETTLE})
_RETURNS = frozenset({PlanKind.RETURN, PlanKind.GROW})

SMALL = {
    "failover": Scenario(
        about="one failover at any moment, while the accused writer lives and is paid at", budget=Budget(), payments=2
    ),
    "undo": Scenario(about="the same, taken over once", budget=Budget(takeovers=1), payments=2),
    "second failover": Scenario(about="a second failover at any moment of the first", budget=Budget(), epochs=3),
    "late": Scenario(
        about="a failover whose calls arrive again after their step is done", budget=Budget(), in_flight=1, late_tries=True
    ),
    "ack set": Scenario(about="one member is taken out, against a failover", kinds=_SETS, budget=Budget(upkeep=1)),
    "return": Scenario(about="the old writer comes back, is copied to and counted", kinds=_ALL, budget=Budget(upkeep=2)),
    "late return": Scenario(
        about="a node outside is emptied, copied to and counted, while calls arrive late",
        kinds=_RETURNS,
        epochs=1,
        members=(AWS,),
        budget=Budget(upkeep=2),
        in_flight=1,
        late_tries=True,
    ),
    "stale ack set": Scenario(
        about="three changes of the set, the owner replaced in between, its call under way",
        kinds=_CHANGES,
        epochs=1,
        budget=Budget(takeovers=1, upkeep=3),
        in_flight=1,
    ),
    "switchover": Scenario(
        about="a move, planned or not, with a payment open across the fence", kinds=_MOVES, budget=Budget(), two_phases=True
    ),
    "follower in its cloud": Scenario(
        about="a member's in-cloud failover loses its last transaction", payments=2, budget=Budget(in_cloud=(GCP,))
    ),
    "writer in its cloud": Scenario(
        about="the writer's in-cloud failover loses its last transaction", payments=2, budget=Budget(in_cloud=(AZURE,))
    ),
    "writer in its cloud, ack set": Scenario(
        about="... while a member is taken out", kinds=_SETS, budget=Budget(upkeep=1, in_cloud=(AZURE,))
    ),
}

LARGE = {
    "stale": Scenario(
        about="two failovers, a takeover, and a call of an owner before under way",
        epochs=3,
        budget=Budget(takeovers=1),
        in_flight=1,
    ),
    "second failover, two payments": Scenario(
        about="a second failover at any moment of the first, nobody silent for ever",
        budget=Budget(),
        payments=2,
        epochs=3,
        left_behind=False,
    ),
    "winner in its cloud": Scenario(
        about="two failovers, and a member's in-cloud failover loses its last transaction",
        epochs=3,
        budget=Budget(in_cloud=(AWS,)),
    ),
    "lone member": Scenario(
        about="the only member is replaced: two changes of the set, two owners, a call under way",
        kinds=_SETS,
        members=(AWS,),
        budget=Budget(takeovers=1, upkeep=2),
        in_flight=1,
    ),
}
