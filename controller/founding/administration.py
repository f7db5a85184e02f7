"""What only a vendor's administrator may do: roles and the database of a service, and what they are allowed. Pure.

No superuser is needed. A role that makes others has them in its hands, and no more: to own a database by one of them it has to be a member
of it (PostgreSQL 16 and later).
"""

from collections.abc import Iterator

from controller.core import naming
from controller.founding.ground import LENT, ORIGINS, RDS_REPLICATION, Ground, mark
from controller.founding.step import VERIFIER, Login, Step, Wanted


def steps(wanted: Wanted, ground: Ground) -> Iterator[Step]:
    """In this order."""
    for name in wanted.roles:
        yield _role(wanted, ground, name)
        yield Step(
            site=ground.site,
            login=Login.ADMINISTRATOR,
            does=f"password of {name}",
            run=f"ALTER ROLE {name} PASSWORD {VERIFIER}",
            role=name,
        )
    yield from _database(wanted, ground)
    if ground.grants_origins:
        run = f"GRANT EXECUTE ON FUNCTION {ORIGINS} TO {naming.control_role(wanted.service)}"
        yield Step(site=ground.site, login=Login.WITHIN, does="positions of followers may be read", run=run)


def _role(wanted: Wanted, ground: Ground, name: str) -> Step:
    """Made with everything it is, or not at all.

    Logins of processes read by default on every node and write only by saying BEGIN READ WRITE: a courtesy to people with psql, no fence.
    Their transactions may not idle: one that is cut off half-way would hold up a fence.
    """
    control, stream = naming.control_role(wanted.service), naming.stream_role(wanted.service)
    attribute = " REPLICATION" if name in (control, stream) and ground.gives_replication else ""
    lines = [f"CREATE ROLE {name} LOGIN{attribute}", f"COMMENT ON ROLE {name} IS '{mark(wanted.service)}'"]
    if name in (control, stream) and not ground.gives_replication:
        lines.append(f"GRANT {RDS_REPLICATION} TO {name}")
    if name == control:
        lent = [one for one in LENT if one in ground.lends]
        lines += [f"GRANT {', '.join(lent)} TO {control}"] if lent else []
        lines += [f"GRANT {ground.group} TO {control}"] if ground.needs_group else []
        lines += [] if ground.superuser else [f"GRANT {control} TO CURRENT_USER WITH INHERIT TRUE, SET TRUE"]
    if name in wanted.processes:
        lines.append(f"ALTER ROLE {name} SET default_transaction_read_only = on")
        lines.append(f"ALTER ROLE {name} SET idle_in_transaction_session_timeout = '1s'")
    return Step(
        site=ground.site,
        login=Login.ADMINISTRATOR,
        does=f"role {name}",
        run="".join(f"{line};\n" for line in lines),
        done=("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)),
    )


def _database(wanted: Wanted, ground: Ground) -> Iterator[Step]:
    name, control = naming.database(wanted.service), naming.control_role(wanted.service)
    connecting = ", ".join((*wanted.processes, naming.stream_role(wanted.service)))
    yield Step(
        site=ground.site,
        login=Login.ADMINISTRATOR,
        does=f"database {name}",
        run=f"CREATE DATABASE {name} OWNER {control}",
        done=("SELECT 1 FROM pg_database WHERE datname = %s", (name,)),
        alone=True,
    )
    yield Step(
        site=ground.site,
        login=Login.ADMINISTRATOR,
        does=f"who may connect to {name}",
        run=f"REVOKE ALL ON DATABASE {name} FROM PUBLIC;\nGRANT CONNECT ON DATABASE {name} TO {connecting};",
    )
