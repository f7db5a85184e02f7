"""Lines of settings files that say who a process is, whom it believes and who may come in. Pure: ports and files in, TOML out."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.addresses import LOCAL
from lab.cabling import ISSUER, Cabling, Door
from lab.issuer import ISSUER as ISSUER_NAME
from lab.papers import Archive, controller_client
from workload.access.identity import edge_name

NOBODY: Mapping[str, Sequence[str]] = {}


def service_door(
    cabling: Cabling, papers: Archive, site: str, service: str, services: Mapping[str, Sequence[str]] = NOBODY
) -> list[str]:
    """`[identity]` and `[access]` of a service: mutual TLS, and the issuer's tokens through its own site's edge. `services`: scopes that
    other services have by their certificates alone, by name."""
    lines = [*_identity(papers.service(site, service), papers.fleet)]
    lines += ["[access]", f'issuer = "{ISSUER_NAME}"', f'audience = "{service}"', f'edges = ["{edge_name(site)}"]']
    lines += [f'keys_url = "{issuer_url(cabling, site)}/jwks"', f"authority = {_path(papers.issuer.authority)}"]
    lines += [f"keys_file = {_path(papers.service(site, service).with_suffix('.keys.json'))}"]
    if services:
        known = ", ".join(f"{json.dumps(name)} = {json.dumps(list(scopes))}" for name, scopes in services.items())
        lines += [f"services = {{ {known} }}"]
    return lines


def controller_papers(cabling: Cabling, papers: Archive, site: str) -> list[str]:
    """`[identity]` and `[tokens]` of a controller, which is a client like any other."""
    client = controller_client(site)
    return [
        *_identity(papers.client(client), papers.doors),
        "[tokens]",
        f'url = "{issuer_url(cabling, site)}/token"',
        f'client = "{client}"',
        f"authority = {_path(papers.issuer.authority)}",
    ]


def issuer_url(cabling: Cabling, source: str) -> str:
    """Where a process of this place asks the issuer."""
    return f"https://{LOCAL}:{cabling.port(source, ISSUER, Door.ISSUER)}"


def _identity(certificate: Path, authority: Path) -> list[str]:
    return ["[identity]", f"certificate = {_path(certificate)}", f"authority = {_path(authority)}"]


def _path(path: Path) -> str:
    return json.dumps(str(path))
