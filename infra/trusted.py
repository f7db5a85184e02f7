"""Whom a site believes that was made after it: authorities of `trimaran bootstrap`, whose certificates are no secret."""

from typing import Annotated

from pydantic import Field

from infra.shapes import Certificate
from infra.table import Table

Authorities = Annotated[tuple[Certificate, ...], Field(min_length=1)]


class TrustedTable(Table):
    """`trusted`: whom Google's balancers believe, which ask for certificates themselves. `trimaran bootstrap` makes these authorities;
    while one takes another's place both stand here. An authority's certificate is no secret."""

    clients: Authorities
    """At the public door."""
    fleet: Authorities
    """At the private ones."""
