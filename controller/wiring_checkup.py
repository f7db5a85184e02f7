"""Puts a check-up together from a controller's settings. Part of `wiring`."""

from collections.abc import Mapping
from datetime import timedelta

from controller.checkup import Checkup
from controller.clock import SystemClock
from controller.core import naming
from controller.core.checkup.finding import Finding
from controller.core.model import Site
from controller.postgres.examine import Examiner
from controller.settings import ServiceSettings, Settings
from controller.wiring import database_address


async def checkup(settings: Settings, services: Mapping[str, ServiceSettings], deadline: timedelta) -> tuple[Finding, ...]:
    """Look at these services, and at what they rest on, from where this process runs."""
    databases = {
        name: {site: _examiner(service, site, settings) for site in settings.sites} for name, service in services.items()
    }
    return await Checkup(databases=databases, deadline=deadline).look()


def _examiner(service: ServiceSettings, site: Site, settings: Settings) -> Examiner:
    control, stream = naming.control_role(service.name), naming.stream_role(service.name)
    own = service.databases[site]
    return Examiner(
        service=service.name,
        site=site,
        cloud=settings.sites[site].cloud,
        control=database_address(service, own, control, service.control_password),
        stream=database_address(service, own, stream, service.stream_password),
        dialled={
            publisher: database_address(service, seen, stream, service.stream_password)
            for publisher, seen in service.streams[site].items()
        },
        clock=SystemClock(),
    )
