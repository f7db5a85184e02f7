"""What is named in a certificate. Programs of the fleet know each other by URI (`workload.access.identity`); HAProxy compares DNS names
only, so whoever it speaks with has one as well. These names lead nowhere: nobody looks them up.
"""

from workload.access.identity import SCHEME
from workload.access.identity import edge_name as edge_name
from workload.access.identity import service_name as service_name

DOMAIN = "trimaran.internal"
"""Reserved for private use: nobody else's certificates have such names."""


def service_host(service: str, domain: str = DOMAIN) -> str:
    """By which an edge knows a service of its site (`[local.tls] name`)."""
    return f"{service}.service.{domain}"


def edge_host(site: str, domain: str = DOMAIN) -> str:
    """By which other sites' edges know this one (`[peers.SITE] name`)."""
    return f"{site}.edge.{domain}"


def client_name(client: str) -> str:
    """By which edges and the issuer know a client."""
    return f"{SCHEME}client/{client}"


def controller_name(site: str) -> str:
    """By which etcd's log knows a controller."""
    return f"{SCHEME}controller/{site}"
