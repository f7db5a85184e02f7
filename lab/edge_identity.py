"""Who each edge is to the others: certificates of an authority that lives as long as one lab."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from controller.issuing import names
from controller.issuing.authority import Authority, Subject
from lab.service_identity import DOMAIN, LIFE

SOCKET, CONFIGURATION, CERTIFICATE, AUTHORITY = "haproxy.sock", "haproxy.cfg", "site.pem", "sites.pem"
"""Files of one edge, in a directory of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One edge's certificate with its key, and the authority it trusts; PEM."""

    certificate: bytes = field(repr=False)
    authority: bytes


def edge_name(site: str) -> str:
    """The name in a site's certificate."""
    return names.edge_host(site, DOMAIN)


def issue(sites: Iterable[str]) -> Mapping[str, Identity]:
    """One identity per site, all of one new authority that signs nothing else."""
    now = datetime.now(UTC)
    authority = Authority.made("Trimaran lab edges", now=now, life=LIFE)
    issued = {
        site: authority.issue(Subject(called=f"site {site}", hosts=(edge_name(site),)), now=now, life=LIFE) for site in sites
    }
    return {site: Identity(certificate=papers.certificate, authority=authority.pem) for site, papers in issued.items()}
