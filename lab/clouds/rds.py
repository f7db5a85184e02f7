"""What moto's RDS lacks: a promotion that takes its time, cuts the replica off its source, and is refused a second time.

Measured on moto 5.2.5: `promote_read_replica` leaves the source in place, the primary goes on listing the replica, the instance is
available at once, and a second promotion succeeds. Source: Amazon RDS User Guide, "Promoting a read replica to be a standalone DB
instance" (the instance is modifying, is rebooted, and is available again when it is over).
"""

from collections.abc import Callable
from typing import Any

from moto.rds.exceptions import DBInstanceNotFoundError, InvalidDBInstanceStateFault, InvalidParameterCombination
from moto.rds.models import DBInstance, RDSBackend, rds_backends


class Promotions:
    """Promotions of all regions of one account. The caller holds moto's lock."""

    def __init__(self, seconds: float, monotonic: Callable[[], float]) -> None:
        """`seconds`: from the request to an instance that is available by itself."""
        self._seconds, self._monotonic = seconds, monotonic
        self._due: list[tuple[float, DBInstance]] = []
        self.idle = False
        """The next promotion is answered and does not begin."""

    def install(self) -> None:
        """Have moto promote like this, for the life of the process."""
        promotions = self

        def promote_read_replica(backend: RDSBackend, db_kwargs: dict[str, Any]) -> DBInstance:
            return promotions.begin(backend, db_kwargs["db_instance_identifier"])

        setattr(RDSBackend, "promote_read_replica", promote_read_replica)  # noqa: B010  a class of moto's: no other way in

    def begin(self, backend: RDSBackend, name: str) -> DBInstance:
        """What RDS answers to PromoteReadReplica. Raises moto's own errors, which it knows how to spell."""
        instance = backend.databases.get(name)
        if instance is None:
            raise DBInstanceNotFoundError(name)
        if not instance.is_replica:
            raise InvalidParameterCombination("DB instance is not a read replica")
        if instance.status != "available":
            raise InvalidDBInstanceStateFault(f"DB instance {name} is in state {instance.status}, not available")
        if not self.idle:
            instance.status = "modifying"
            self._due.append((self._monotonic() + self._seconds, instance))
        return instance

    def settle(self) -> None:
        """End the promotions whose time has come."""
        now = self._monotonic()
        over = [instance for due, instance in self._due if due <= now]
        self._due = [(due, instance) for due, instance in self._due if due > now]
        for instance in over:
            self._cut_off(instance)
            instance.is_replica, instance.source_db_instance_identifier = False, None
            instance.status = "available"

    @staticmethod
    def _cut_off(instance: DBInstance) -> None:
        source = str(instance.source_db_instance_identifier)
        for backend in rds_backends[instance.backend.account_id].values():
            if (primary := backend.databases.get(source.rpartition(":")[2])) is not None:
                names = [one for one in primary.replicas if one.rpartition(":")[2] != instance.db_instance_identifier]
                primary.replicas = names
