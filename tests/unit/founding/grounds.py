"""Servers as vendors' administrators see them: stand-ins, after what the vendors document."""

from dataclasses import replace

from controller.core.model import Site
from controller.founding.ground import LENT, ORIGINS, RDS_REPLICATION, Ground
from controller.founding.schemas import Schema
from controller.founding.step import Wanted

SITES = AWS, AZURE, GCP = Site("aws"), Site("azure"), Site("gcp")
WANTED = Wanted(
    schema=Schema(service="bank", script="CREATE SCHEMA bank;", tables=("bank.row",), logins=("bank_desk",)), writer=AZURE
)

OWN = Ground(
    site=AZURE,
    version=170010,
    wal_level="logical",
    system_identifier=1,
    administrator="postgres",
    superuser=True,
    gives_replication=True,
    lends=frozenset(LENT),
    grants_origins=True,
)
"""A server of one's own, as in the lab."""

ALL = frozenset({*LENT, ORIGINS})


def vendor(group: str, *, attribute: bool) -> Ground:
    """Its administrator is a member of a group that has what is needed, and may make others members of it."""
    lends = frozenset({group}) if attribute else frozenset({group, RDS_REPLICATION})
    return replace(
        OWN,
        administrator="owner",
        superuser=False,
        gives_replication=attribute,
        lends=lends,
        group=group,
        group_has=ALL,
        grants_origins=False,
    )


VENDORS = {
    AWS: vendor("rds_superuser", attribute=False),
    AZURE: vendor("azure_pg_admin", attribute=True),
    GCP: vendor("cloudsqlsuperuser", attribute=True),
}


def grounds(**changed: object) -> dict[Site, Ground]:
    """Three servers of three vendors; `changed` is otherwise at azure."""
    found = {
        site: replace(ground, site=site, system_identifier=number)
        for number, (site, ground) in enumerate(VENDORS.items(), start=1)
    }
    return {**found, AZURE: replace(found[AZURE], **changed)}  # type: ignore[arg-type]
