"""Puts a check-up together from a controller's settings. Part of `wiring`."""

from collections.abc import Mapping
from datetime import timedelta

from controller.checkup import Checkup
from controller.clock import SystemClock
from controller.core import naming
from controller.core.model import Site
from controller.postgres.examine import Examiner
from controller.postgres.session import Address
from controller.settings import DatabaseSettings, ServiceSettings, Settings


def checkup(settings: Settings, services: Mapping[str, ServiceSettings], deadline: timedelta) -> Checkup:
    """A look at these services, from where this process runs."""
    return Checkup(
        databases={
            name: {site: _examiner(service, site, settings) for site in settings.sites} for name, service in services.items()
        },
        deadline=deadline,
    )


def _examiner(service: ServiceSettings, site: Site, settings: Settings) -> Examiner:
    control, stream = naming.control_role(service.name), naming.stream_role(service.name)
    own = service.databases[site]
    return Examiner(
        service=service.name,
        site=site,
        cloud=settings.sites[site].cloud,
        control=_address(service.name, own, control, service.control_password),
        stream=_address(service.name, own, stream, service.stream_password),
        dialled={
            publisher: _address(service.name, seen, stream, service.stream_password)
            for publisher, seen in service.streams[site].items()
        },
        clock=SystemClock(),
    )


def _address(service: str, seen: DatabaseSettings, user: str, password: str) -> Address:
    return Address(
        host=seen.host,
        port=seen.port,
        database=naming.database(service),
        user=user,
        password=password,
        options=seen.options,
    )
