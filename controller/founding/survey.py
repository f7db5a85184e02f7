"""Asks a server what it is and what its administrator may give. Changes nothing."""

from typing import Any

from controller.core import naming
from controller.core.model import Site
from controller.founding.ground import GROUPS, LENT, ORIGINS, RDS_REPLICATION, Ground, Within
from controller.founding.step import Login, Wanted
from controller.founding.visit import Visit

SERVER = """
SELECT current_setting('server_version_num')::int, current_setting('wal_level'),
       (SELECT system_identifier FROM pg_control_system()), current_user, r.rolsuper, r.rolsuper OR r.rolreplication,
       (SELECT coalesce(array_agg(o.rolname::text), '{}') FROM pg_roles AS o
        WHERE o.rolname = ANY (%(lent)s::text[]) AND pg_has_role(o.oid, 'MEMBER WITH ADMIN OPTION')),
       (SELECT min(o.rolname::text) FROM pg_roles AS o WHERE o.rolname = ANY (%(groups)s::text[])),
       has_function_privilege(%(origins)s::text, 'EXECUTE WITH GRANT OPTION'),
       (SELECT coalesce(jsonb_object_agg(o.rolname, coalesce(shobj_description(o.oid, 'pg_authid'), '')), '{}')
        FROM pg_roles AS o WHERE o.rolname = ANY (%(roles)s::text[])),
       (SELECT pg_get_userbyid(d.datdba)::text FROM pg_database AS d WHERE d.datname = %(database)s)
FROM pg_roles AS r WHERE r.rolname = current_user"""

OF_GROUP = """
SELECT coalesce(array_agg(o.rolname::text), '{}') || CASE
    WHEN has_function_privilege(%(group)s::name, %(origins)s::text, 'EXECUTE') THEN ARRAY[%(origins)s::text] ELSE '{}' END
FROM pg_roles AS o WHERE o.rolname = ANY (%(lent)s::text[]) AND pg_has_role(%(group)s::name, o.oid, 'USAGE')"""

FOREIGN = """
SELECT coalesce(array_agg(format('%%I.%%I', n.nspname, c.relname) ORDER BY 1), '{}'), to_regclass('trimaran.node') IS NOT NULL
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
  AND pg_get_userbyid(c.relowner) <> %s
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')"""

NODE = """
SELECT n.site, n.service, n.role, n.epoch, EXISTS (SELECT FROM trimaran.marker AS m WHERE m.kind = 'epoch') FROM trimaran.node AS n"""


async def survey(site: Site, wanted: Wanted, visit: Visit) -> Ground:
    """What is there at this site. Raises Transient, Denied."""
    control, database = naming.control_role(wanted.service), naming.database(wanted.service)
    asked = {
        "lent": [*LENT, *GROUPS, RDS_REPLICATION],
        "groups": list(GROUPS),
        "origins": ORIGINS,
        "roles": list(wanted.roles),
        "database": database,
    }
    ((version, wal, identifier, who, superuser, replicates, lends, group, grants, roles, owner),) = await visit.ask(
        Login.ADMINISTRATOR, SERVER, asked
    )
    named: dict[str, Any] = {"group": group, "origins": ORIGINS, "lent": list(LENT)}
    held = (await visit.ask(Login.ADMINISTRATOR, OF_GROUP, named))[0][0] if group else ()
    return Ground(
        site=site,
        version=version,
        wal_level=wal,
        system_identifier=identifier,
        administrator=who,
        superuser=superuser,
        gives_replication=replicates,
        lends=frozenset(lends),
        group=group,
        group_has=frozenset(held),
        grants_origins=grants,
        roles=dict(roles),
        owner=owner,
        within=await _within(control, visit) if owner == control else None,
    )


async def _within(control: str, visit: Visit) -> Within:
    """Asked only of a database that is ours: another one is refused for whose it is."""
    ((foreign, has_node),) = await visit.ask(Login.WITHIN, FOREIGN, (control,))
    rows = await visit.ask(Login.WITHIN, NODE, ()) if has_node else []
    if not rows:
        return Within(foreign=tuple(foreign))
    ((site, service, role, epoch, marked),) = rows
    return Within(site=site, service=service, role=role, epoch=epoch, marked=marked, foreign=tuple(foreign))
