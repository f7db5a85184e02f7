"""What a server is before anything is founded on it, and what its administrator may give. Pure values; `survey` asks for them.

No vendor lets anybody be a superuser. What its administrator is instead differs, and changes with versions, so it is asked of the server
itself: may this login give REPLICATION away, or membership in a role that has it (`rds_replication`); which of PostgreSQL's own roles may
it lend; may it let others read replication origins, or is that the vendor's group's (`rds_superuser`, `azure_pg_admin`,
`cloudsqlsuperuser`) alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from controller.core.model import Site

OLDEST = 160000
"""As PostgreSQL counts: 16 is the first with `origin` and `pg_create_subscription`."""

GROUPS = ("rds_superuser", "azure_pg_admin", "cloudsqlsuperuser")
"""What vendors' administrators are members of."""
RDS_REPLICATION = "rds_replication"
"""On RDS no role has the attribute; who is a member of this one replicates."""

LENT = ("pg_create_subscription", "pg_signal_backend", "pg_monitor")
"""PostgreSQL's own roles that controllers need: to make subscriptions, to end their workers, to see how far they are."""
ORIGINS = "pg_catalog.pg_replication_origin_progress(text, boolean)"
"""How far a follower is: what an election goes by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Within:
    """What is in the service's database already."""

    site: str | None = None
    """Whose node it says it is; None: there is no row yet."""
    service: str | None = None
    role: str | None = None
    epoch: int = 0
    marked: bool = False
    """Has the first epoch begun? It is the last thing that founding does."""
    foreign: tuple[str, ...] = ()
    """Tables and the like of somebody else than the control role."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """One site's server, as its administrator sees it."""

    site: Site
    version: int
    wal_level: str
    system_identifier: int
    administrator: str
    superuser: bool
    gives_replication: bool
    """May it make roles with the attribute?"""
    lends: frozenset[str] = frozenset()
    """Of `LENT`, `GROUPS` and `RDS_REPLICATION`, those it may make others members of."""
    group: str | None = None
    """The vendor's."""
    group_has: frozenset[str] = frozenset()
    """Of `LENT` and `ORIGINS`."""
    grants_origins: bool = False
    roles: Mapping[str, str] = field(default_factory=dict)
    """Those that are to be made and are there already, with the comments on them."""
    owner: str | None = None
    """Of the service's database; None: there is none."""
    within: Within | None = None
    """None: there is no database."""

    @property
    def needs_group(self) -> tuple[str, ...]:
        """What controllers can have as members of the vendor's group only."""
        missing = [one for one in LENT if one not in self.lends]
        return (*missing, *(() if self.grants_origins else (ORIGINS,)))


def mark(service: str) -> str:
    """Comment on a role of ours: who finds it knows whose it is, and so does founding when it is begun again."""
    return f"trimaran: {service}"


def objections(service: str, control: str, writer: Site, grounds: Mapping[Site, Ground]) -> Iterator[str]:
    """Every reason why nothing can be founded here, each with the way out."""
    seen: dict[int, Site] = {}
    for site, ground in sorted(grounds.items()):
        yield from _of_server(site, ground)
        yield from _of_rights(site, ground)
        yield from _of_contents(site, ground, service, control)
        first = seen.setdefault(ground.system_identifier, site)
        if first != site:
            yield f"{site}: it is the same server as {first}'s: mend the address in the settings"
    begun = sorted(site for site, ground in grounds.items() if ground.within and ground.within.marked)
    yield from _of_begun(service, begun, grounds) if begun else _of_half(writer, grounds)


def _of_begun(service: str, begun: Sequence[Site], grounds: Mapping[Site, Ground]) -> Iterator[str]:
    for site, ground in sorted(grounds.items()):
        if ground.within is None or ground.within.site is None:
            yield (
                f"{site}: it is empty, and {service} has begun at {', '.join(begun)}: bootstrap founds three empty databases and "
                "brings no lost one back; see docs/deploy.md"
            )
    if not any(ground.within and ground.within.role == "writer" for ground in grounds.values()):
        yield (
            f"{service} has begun at {', '.join(begun)}, and nobody writes: if a failover is under way, wait for its end "
            "(trimaran status) and give the same command again"
        )


def _of_half(writer: Site, grounds: Mapping[Site, Ground]) -> Iterator[str]:
    """1. With azure as the writer, aws and gcp are founded, and azure's server fails. 2. The settings are changed to aws, for that reason,
    and the command is given again. 3. aws has its row, as a follower, and keeps it; azure becomes a follower too. 4. All is done, the
    first epoch begins, and nobody writes."""
    for site, ground in sorted(grounds.items()):
        wanted = "writer" if site == writer else "follower"
        if ground.within is not None and ground.within.site is not None and ground.within.role != wanted:
            yield (
                f"{site}: it was begun as the {ground.within.role}, and is to be a {wanted} now: name the writer that was named then, "
                "or drop the service's databases and begin anew"
            )


def _of_server(site: Site, ground: Ground) -> Iterator[str]:
    if ground.version < OLDEST:
        yield f"{site}: PostgreSQL {ground.version // 10000}; {OLDEST // 10000} or later is needed: update the server"
    if ground.wal_level != "logical":
        yield f"{site}: wal_level is {ground.wal_level}, not logical: set the server's parameter and restart it"


def _of_rights(site: Site, ground: Ground) -> Iterator[str]:
    if not ground.gives_replication and RDS_REPLICATION not in ground.lends:
        yield (
            f"{site}: {ground.administrator} can let nobody replicate: log in as the administrator that the vendor "
            f"made; on Azure and Google first ALTER ROLE {ground.administrator} REPLICATION"
        )
    if needed := ground.needs_group:
        held = ground.group is not None and ground.group in ground.lends and set(needed) <= ground.group_has
        if not held:
            yield (
                f"{site}: {ground.administrator} can give nobody {', '.join(needed)}, nor membership in a group that has it: "
                "log in as the administrator that the vendor made"
            )


def _of_contents(site: Site, ground: Ground, service: str, control: str) -> Iterator[str]:
    for role, said in sorted(ground.roles.items()):
        if said != mark(service):
            yield f"{site}: role {role} is there and not ours: rename or drop it, or COMMENT ON ROLE {role} IS '{mark(service)}'"
    if ground.owner is not None and ground.owner != control:
        yield f"{site}: database {service} is {ground.owner}'s: drop it, or give the service another server"
    within = ground.within
    if within is None:
        return
    if within.foreign:
        named = ", ".join(within.foreign[:5])
        yield f"{site}: database {service} is not empty: {named}: empty it, or give the service another server"
    if within.site is not None and (within.service, within.site) != (service, site):
        yield f"{site}: {service} is dialled and {within.service} of {within.site} answers: mend the address in the settings"
