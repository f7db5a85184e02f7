"""Who a controller is to edges and to the issuer of tokens: files that cannot be used are told with everything else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from controller.settings import Settings
from lab.service_identity import Authority, client_name
from tests.unit.test_settings import SITES, document, problems, read  # noqa: F401  read is a fixture

URL = "https://issuer.test/token"
Read = Callable[..., Settings]


@pytest.fixture
def papers(tmp_path: Path) -> dict[str, Any]:
    """Settings with a certificate and tokens; the files lie beside them."""
    authority = Authority("clients")
    issued = authority.issue(client_name("controller-aws"))
    (tmp_path / "own.pem").write_bytes(issued.certificate)
    (tmp_path / "doors.pem").write_bytes(issued.authority)
    secure = {site: {"edge": f"https://{site}.edge.test"} for site in SITES}
    identity = {"certificate": "own.pem", "authority": "doors.pem"}
    tokens = {"url": URL, "client": "controller-aws", "scope": "payments:write", "authority": "doors.pem"}
    return {**document(), "sites": secure, "identity": identity, "tokens": tokens}


def test_files_are_looked_for_beside_the_settings(read: Read, papers: dict[str, Any], tmp_path: Path) -> None:  # noqa: F811
    """And both tables may be absent: labs and tests without TLS."""
    found = read(papers)
    assert found.identity is not None and found.identity.certificate == tmp_path / "own.pem"
    assert found.tokens is not None and (found.tokens.url, found.tokens.scope) == (URL, "payments:write")
    assert found.tokens.authority == tmp_path / "doors.pem"
    del papers["tokens"], papers["identity"]["authority"]
    assert read(papers).tokens is None
    del papers["identity"]
    assert read(papers).identity is None


def test_what_cannot_be_shown_or_believed_is_told(read: Read, papers: dict[str, Any], tmp_path: Path) -> None:  # noqa: F811
    """A certificate without its key, no certificate at all, a file that is not there: each with its key, all at once."""
    papers["identity"] = {"certificate": "doors.pem", "authority": "missing.pem"}
    papers["tokens"]["authority"] = "empty.pem"
    (tmp_path / "empty.pem").write_text("")
    found = problems(read, papers)
    assert set(found) == {"identity.certificate", "identity.authority", "tokens.authority"}
    assert "private key" in found["identity.certificate"] and "No such file" in found["identity.authority"]


def test_a_token_is_bound_to_a_certificate_and_sent_to_nobody_in_the_open(read: Read, papers: dict[str, Any]) -> None:  # noqa: F811
    """Nor is it asked for in the open."""
    del papers["identity"]
    papers["sites"]["gcp"]["edge"] = "http://127.0.0.1:8001"
    papers["tokens"]["url"] = "http://issuer.test/token"
    assert set(problems(read, papers)) == {"identity", "sites.gcp.edge", "tokens.url"}


def test_a_controller_is_known_to_etcd_by_papers_of_its_own(read: Read, papers: dict[str, Any], tmp_path: Path) -> None:  # noqa: F811
    """Not by those that edges know it by; in the lab it is known by none."""
    assert read(papers).etcd_identity is None
    papers["etcd"] = {"endpoints": ["https://10.1.48.10:2379"], "identity": {"certificate": "own.pem", "authority": "doors.pem"}}
    found = read(papers).etcd_identity
    assert found is not None and (found.certificate, found.authority) == (tmp_path / "own.pem", tmp_path / "doors.pem")


def test_etcd_is_not_asked_in_the_open_by_who_has_papers(read: Read, papers: dict[str, Any]) -> None:  # noqa: F811
    """One slip among three addresses, and files that cannot be used: each told by its key."""
    papers["etcd"] = {
        "endpoints": ["https://10.1.48.10:2379", "http://10.2.48.10:2379"],
        "identity": {"certificate": "doors.pem", "authority": "missing.pem"},
    }
    assert set(problems(read, papers)) == {"etcd.endpoints", "etcd.identity.certificate", "etcd.identity.authority"}
