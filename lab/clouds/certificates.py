"""A certificate authority of the lab's own, and one certificate for this machine's loopback address from it."""

from dataclasses import dataclass
from pathlib import Path

import trustme

from lab.addresses import LOCAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """Where a server's certificate and key are, and the certificate of who vouches for it."""

    authority: Path
    certificate: Path
    key: Path


def mint(folder: Path) -> Papers:
    """A new authority and a certificate of it for 127.0.0.1 and localhost, as files in `folder`; the authority's key is kept nowhere."""
    papers = Papers(authority=folder / "authority.pem", certificate=folder / "certificate.pem", key=folder / "key.pem")
    authority = trustme.CA(organization_name="Trimaran lab")
    leaf = authority.issue_cert(LOCAL, "localhost")
    authority.cert_pem.write_to_path(str(papers.authority))
    papers.certificate.write_bytes(b"".join(part.bytes() for part in leaf.cert_chain_pems))
    papers.key.touch(mode=0o600)
    papers.key.write_bytes(leaf.private_key_pem.bytes())
    return papers
