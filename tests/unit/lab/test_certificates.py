"""The lab's own certificates: good for this machine's loopback address, and for nothing else."""

import ssl
from pathlib import Path

from cryptography import x509

from lab.clouds.certificates import mint


def test_a_server_gets_what_it_needs_and_nobody_reads_its_key(tmp_path: Path) -> None:
    """The chain and the key fit, the authority vouches for the chain, and the key is the owner's alone."""
    papers = mint(tmp_path)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(papers.certificate, papers.key)
    assert papers.key.stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in papers.authority.read_text() + papers.certificate.read_text()
    authority = x509.load_pem_x509_certificate(papers.authority.read_bytes())
    leaf = x509.load_pem_x509_certificate(papers.certificate.read_bytes())
    leaf.verify_directly_issued_by(authority)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["127.0.0.1", "localhost"]


def test_every_lab_has_an_authority_of_its_own(tmp_path: Path) -> None:
    """A certificate of yesterday's run vouches for nobody today."""
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    first, second = map(mint, folders)
    assert first.authority.read_bytes() != second.authority.read_bytes()
