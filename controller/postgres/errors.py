"""PostgreSQL's errors in our words, translated in one place."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from controller.errors import Conflict, Denied, StaleToken, Stuck, Transient


@contextmanager
def translated(site: str, step: str) -> Iterator[None]:
    """Raise StaleToken, Stuck, Conflict, Denied or Transient instead of anything psycopg knows.

    The original error is not chained: its context quotes the statement that failed, and a CREATE SUBSCRIPTION holds a password.
    """
    try:
        yield
    except psycopg.Error as error:
        said = error.diag.message_primary or str(error).strip() or type(error).__name__
        match error.sqlstate:
            case "TR001":
                raise StaleToken(f"{step} on {site}: {said}") from None
            case "TR003":
                raise Stuck(
                    step=f"{step} on {site}",
                    blocked_by=said,
                    way_out="The node went through an in-cloud failover or a restore; it proves nothing until it is reseeded.",
                ) from None
            case "TR005":
                raise Stuck(step=f"{step} on {site}", blocked_by=said, way_out="It is tried again.") from None
            case "TR002" | "TR006":
                raise Conflict(f"{step} on {site}: {said}") from None
            case "TR007" | "28P01" | "28000" | "42501":
                raise Denied(f"{step} on {site}: {said}") from None
            case _:
                raise Transient(f"{step} on {site}: {said}") from None
    except (OSError, TimeoutError) as error:
        raise Transient(f"{step} on {site}: {error or type(error).__name__}") from None
