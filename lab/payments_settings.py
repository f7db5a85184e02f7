"""What payments in the lab is told beyond its databases: whom it calls, and how much may be asked of it. TOML out."""

import json
from collections.abc import Iterator, Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from lab.cabling import SITES, Cabling, Door
from lab.fleet import SCREENING, VAULT, WHOLE
from lab.papers import Archive, controller_client
from lab.screening_settings import callee, screened
from workload.access.door import THUMBPRINT
from workload.access.peer import thumbprint_of

CLIENT_RATE, CLIENT_BURST = 100, 200
"""Of each client, at each site: a few times what the lab's merchants offer in a surge, so that one that runs wild hurts itself."""

VAULT_ATTEMPT = 0.6
"""The vault asks its writer and its barrier: two round trips of up to a quarter of a second in noise."""


def payments_lines(cabling: Cabling, papers: Archive, site: str, services: Sequence[str] = WHOLE) -> Iterator[str]:
    """Everything that is not the same for every service. `services`: those that there are."""
    if SCREENING in services:
        yield from screened(cabling, site)
    if VAULT in services:
        yield from callee(cabling, site, VAULT, VAULT, Door.VAULT, f"attempt = {VAULT_ATTEMPT:g}")
    checkers = [_thumbprint(papers, controller_client(other)) for other in SITES]
    yield from ("[limits]", f'client_header = "{THUMBPRINT}"', f"checkers = {json.dumps(checkers)}")
    yield from ("[limits.client]", f"per_second = {CLIENT_RATE}", f"burst = {CLIENT_BURST}")


def _thumbprint(papers: Archive, client: str) -> str:
    certificate = x509.load_pem_x509_certificate(papers.client(client).read_bytes())
    return thumbprint_of(certificate.public_bytes(Encoding.DER))
