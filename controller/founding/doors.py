"""How the settings of a controller say that servers are reached; as whom, somebody else does."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.core.model import Site
from controller.founding.visit import Door
from controller.postgres.session import Address
from controller.settings import DatabaseSettings, ServiceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Administrator:
    """Who may make roles on one server."""

    user: str
    password: str = field(repr=False)


MAINTENANCE = "postgres"
"""The database that every server has, at all three vendors too. Always this one: locks that keep a second founding out are each
database's own."""


def doors(service: ServiceSettings, administrators: Mapping[Site, Administrator]) -> Mapping[Site, Door]:
    """Of every site that has an administrator."""
    return {
        site: Door(
            administrator=_address(service.databases[site], who),
            publishers={other: _address(at, Administrator(user="", password="")) for other, at in service.streams[site].items()},
        )
        for site, who in administrators.items()
    }


def _address(at: DatabaseSettings, who: Administrator) -> Address:
    return Address(host=at.host, port=at.port, options=at.options, database=MAINTENANCE, user=who.user, password=who.password)
