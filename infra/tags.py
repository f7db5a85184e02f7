"""What every resource says of itself. Auditors count by it, and bills are split by it."""

from collections.abc import Mapping

from infra.names import APP
from infra.settings import Settings


def tags(settings: Settings, data: str = "pci") -> Mapping[str, str]:
    """`data` is the class of what is kept there: `pci` (cards, payments), `internal`, or `none`. Small letters: Google allows no others."""
    return {
        "app": APP,
        "environment": settings.environment,
        "owner": settings.owner,
        "data-class": data,
        "residency": settings.topology.jurisdiction.value.lower(),
        "stack": f"{settings.environment}-{settings.role}",
    }
