"""Whom a site believes that was made after it: authorities of `trimaran bootstrap`, whose certificates are no secret."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from infra.table import Table, matching

PEM = re.compile(r"-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=]{1,64}\n)+-----END CERTIFICATE-----\n?")
Authorities = Annotated[
    tuple[Annotated[str, AfterValidator(matching(PEM, "one certificate of an authority, PEM, and no key"))], ...],
    Field(min_length=1),
]


class TrustedTable(Table):
    """`trusted`: whom Google's balancers believe, which ask for certificates themselves. `trimaran bootstrap` makes these authorities;
    while one takes another's place both stand here. An authority's certificate is no secret."""

    clients: Authorities
    """At the public door."""
    fleet: Authorities
    """At the private ones."""
