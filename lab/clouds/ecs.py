"""A change of an ECS service that is answered and not carried out, which moto does not know."""

from collections.abc import Iterator
from contextlib import contextmanager

from moto.ecs.models import ecs_backends


@contextmanager
def without_effect(account: str) -> Iterator[None]:
    """Whatever happens to desired counts in the block is undone behind it. The caller holds moto's lock."""
    services = [service for backend in ecs_backends[account].values() for service in backend.services.values()]
    counts = [(service, service.desired_count, service.running_count, service.pending_count) for service in services]
    try:
        yield
    finally:
        for service, desired, running, pending in counts:
            service.desired_count, service.running_count, service.pending_count = desired, running, pending
