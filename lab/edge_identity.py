"""Who each edge is to the others: certificates of an authority that lives as long as one lab."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import trustme

SOCKET, CONFIGURATION, CERTIFICATE, AUTHORITY = "haproxy.sock", "haproxy.cfg", "site.pem", "sites.pem"
"""Files of one edge, in a directory of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One edge's certificate with its key, and the authority it trusts; PEM."""

    certificate: bytes = field(repr=False)
    authority: bytes


def edge_name(site: str) -> str:
    """The name in a site's certificate."""
    return f"{site}.edge.trimaran.test"


def issue(sites: Iterable[str]) -> Mapping[str, Identity]:
    """One identity per site, all of one new authority that signs nothing else."""
    authority = trustme.CA(organization_name="Trimaran lab edges")
    return {
        site: Identity(
            certificate=authority.issue_cert(edge_name(site)).private_key_and_cert_chain_pem.bytes(),
            authority=authority.cert_pem.bytes(),
        )
        for site in sites
    }
