"""Settings made of what stacks tell are settings that a controller starts with."""

import tomllib
from pathlib import Path

import pytest

from controller.core.model import Mode, Site
from controller.errors import Refused, SettingsError
from controller.manifest.node import CONTROLLER, PAPERS
from controller.settings import Canary, Readiness, Settings, read_settings
from controller.stacks import toml
from controller.stacks.contract import SITES, Stack, understood
from controller.stacks.settings import Choices, canary_accounts, document
from lab.service_identity import Authority, client_name
from tests.unit.stacks.samples import DOMAIN, GROUP, SUBSCRIPTION, TENANT, outputs

ENVIRON = {f"TRIMARAN_{service}_{role}_PASSWORD": "x" for service in ("PAYMENTS", "VAULT") for role in ("CONTROL", "STREAM")}
ISSUER = "https://issuer.example.com/token"


def choices(site: str = "aws", issuer_authority: str | None = None, edge_authority: str | None = None) -> Choices:
    """Of an ordinary person."""
    return Choices(
        site=site,
        writer="azure",
        mode=Mode.OBSERVE,
        issuer=ISSUER,
        issuer_authority=issuer_authority,
        edge_authority=edge_authority,
        client=f"controller-{site}",
        scope="payments:write",
        currency="EUR",
    )


def read(text: str, node: Path, authority: bytes | None = None) -> Settings:
    """Read where the node's papers are, by the names that the node gives them. `authority`: who is believed besides whom it trusts."""
    papers = {paper.name: node / paper.file for paper in PAPERS if paper.owner is CONTROLLER}
    clients, members = Authority("clients"), Authority("members")
    papers["operator-token"].write_text("0123456789abcdef")
    papers["operator-token"].chmod(0o600)
    papers["identity"].write_bytes(clients.issue(client_name("controller-aws")).certificate)
    papers["authority"].write_bytes(authority or Authority("issuer").pem)
    papers["controller-etcd-identity"].write_bytes(members.issue(client_name("controller-aws")).certificate)
    papers["controller-etcd-authority"].write_bytes(members.pem)
    path = papers["settings"]
    path.write_text(text)
    return read_settings(path, ENVIRON)


@pytest.mark.parametrize("site", SITES)
def test_a_controller_reads_what_was_written_for_it(site: str, tmp_path: Path) -> None:
    """At every site, and everything that stacks tell is where it belongs."""
    found = read(toml.text(document(understood(outputs()), choices(site))), tmp_path)
    assert found.site == site and {str(one) for one in found.sites} == set(SITES)
    assert found.etcd[0].startswith(f"https://{outputs()[Stack.CONTROL]['nodes'][site]}:")
    assert len(set(found.etcd)) == 3
    assert found.sites[Site("gcp")].edge == "https://192.0.2.30"
    assert {one.edge_name for one in found.sites.values()} == {f"api.{DOMAIN}"}
    assert found.identity and found.etcd_identity and found.etcd_identity.certificate != found.identity.certificate
    assert found.etcd_identity.authority is not None
    assert found.listen.local and found.listen.token
    payments, vault = found.services["payments"], found.services["vault"]
    debtor, creditor = canary_accounts(DOMAIN)
    assert payments.canary == Canary(debtor=str(debtor), creditor=str(creditor), currency="EUR")
    assert vault.canary == Readiness(host=f"vault.{DOMAIN}")
    for service in (payments, vault):
        assert service.policy.mode is Mode.OBSERVE and service.writer == "azure"
        assert service.databases[Site("azure")].host == f"{service.name}.swedencentral.example.net"
        assert {one.server for one in service.servers.values()} == {f"trimaran-prod-{service.name}"}
        assert service.capacity[Site("aws")].cluster == "trimaran-prod-site" and service.capacity[Site("gcp")].cluster is None
        assert {one.floor for one in service.capacity.values()} == {6 if service.name == "payments" else 4}
        for follower, publishers in service.streams.items():
            assert {one: at.host for one, at in publishers.items()} == {
                one: at.host for one, at in service.databases.items() if one != follower
            }
    (group,) = found.groups.values()
    assert (group.lead, group.members) == ("payments", ("vault",))
    assert [(one.name, one.ttl) for one in group.names] == [(f"everywhere.{DOMAIN}", 10)]
    assert group.addresses == {"aws": "192.0.2.10", "azure": "192.0.2.20", "gcp": "192.0.2.30"}
    assert found.authorities.route53 and found.authorities.route53.zone == "Z0123456789"


@pytest.mark.parametrize("site", SITES)
def test_a_controller_is_at_home_in_one_cloud_and_a_guest_in_two(site: str, tmp_path: Path) -> None:
    """What its machine is at home; elsewhere what that cloud lets it be for a token of minutes. No key stands anywhere."""
    clouds = read(toml.text(document(understood(outputs()), choices(site))), tmp_path).clouds
    assert clouds.aws and clouds.azure and clouds.gcp
    kinds = {"aws": clouds.aws.identity.kind, "azure": clouds.azure.identity.kind, "gcp": clouds.gcp.identity.kind}
    assert kinds == {cloud: "ambient" if cloud == site else "federated" for cloud in kinds}
    assert (clouds.azure.subscription, clouds.azure.resource_group) == (SUBSCRIPTION, GROUP)
    if site != "azure":
        assert clouds.azure.identity.tenant == TENANT
    if site != "gcp":
        google = clouds.gcp.identity
        assert (google.project_number, google.pool, google.provider) == ("1000000000001", "trimaran-prod", site)
        assert (google.token_file is None) == (site == "aws"), "a machine at AWS proves itself by a signed question"


@pytest.mark.parametrize(
    ("site", "agent"),
    [
        ("aws", "http://side-door.eu-central-1.example.net:8445"),
        ("azure", "http://side-door.swedencentral.example.net:8445"),
        ("gcp", None),
    ],
)
def test_a_controller_hears_the_agent_beside_its_own_edge(site: str, agent: str | None, tmp_path: Path) -> None:
    """Nobody asks another site's. At Google's site there is nobody who would answer: the edge takes nothing by its private doors."""
    found = read(toml.text(document(understood(outputs()), choices(site))), tmp_path)
    assert {one: seen.agent for one, seen in found.sites.items() if seen.agent} == ({site: agent} if agent else {})


def test_what_clients_are_told_is_asked_of_each_authority(tmp_path: Path) -> None:
    """Of one of its name servers, always the same one."""
    found = read(toml.text(document(understood(outputs()), choices())), tmp_path).authorities.nameservers()
    assert {name: (server.host, server.port) for name, server in found.items()} == {
        "route53": ("ns-1.awsdns-00.com", 53),
        "azure": ("ns1-03.azure-dns.com", 53),
        "clouddns": ("ns-cloud-a1.googledomains.com", 53),
    }


def test_an_issuer_is_believed_by_the_machine_unless_said_otherwise(tmp_path: Path) -> None:
    """The file lies on the node: without a folder beside the settings, as its other papers."""
    ordinary = read(toml.text(document(understood(outputs()), choices())), tmp_path).tokens
    assert ordinary is not None and ordinary.authority is None
    own = read(toml.text(document(understood(outputs()), choices(issuer_authority="authority.pem"))), tmp_path).tokens
    assert own is not None and own.authority == tmp_path / "authority.pem"
    with pytest.raises(SettingsError, match=r"tokens\.authority: certificates of an authority"):
        read(toml.text(document(understood(outputs()), choices(issuer_authority="missing.pem"))), tmp_path)


def test_edges_are_believed_by_the_machine_unless_said_otherwise(tmp_path: Path) -> None:
    """A private authority vouches for them to controllers as to clients. Whoever vouches for the issuer is not asked about edges."""
    ordinary = read(toml.text(document(understood(outputs()), choices(issuer_authority="authority.pem"))), tmp_path).identity
    assert ordinary is not None and ordinary.authority is None
    own = read(toml.text(document(understood(outputs()), choices(edge_authority="authority.pem"))), tmp_path)
    assert own.identity is not None and own.identity.authority == tmp_path / "authority.pem"
    assert own.tokens is not None and own.tokens.authority is None
    with pytest.raises(SettingsError, match=r"identity\.authority: certificates of an authority"):
        read(toml.text(document(understood(outputs()), choices(edge_authority="missing.pem"))), tmp_path)


def test_databases_are_believed_for_their_authorities_only() -> None:
    """As the node dials them; a managed server has no file to believe anybody by, and encrypts."""
    found = tomllib.loads(toml.text(document(understood(outputs()), choices())))
    for service in found["services"].values():
        for site, database in service["databases"].items():
            mode = "verify-ca" if site == "gcp" else "verify-full"
            (authority,) = (paper.path for paper in PAPERS if paper.name == f"database-authority-{site}")
            assert database["options"] == f"sslmode={mode} sslrootcert={authority}"
        streams = [one for publishers in service["streams"].values() for one in publishers.values()]
        assert len(streams) == 6 and {one["options"] for one in streams} == {"sslmode=require"}


def test_no_password_is_in_them() -> None:
    """They come by environment."""
    assert "password" not in toml.text(document(understood(outputs()), choices())).lower()


def test_a_database_that_two_sites_tell_is_refused() -> None:
    """Both members of an ack set would be one disk."""
    told = outputs()
    told[Stack.GCP]["database_hosts"]["payments"] = told[Stack.AWS]["database_hosts"]["payments"]
    with pytest.raises(Refused, match=r"gcp\.database_hosts\.payments: .* is aws\.database_hosts\.payments already"):
        document(understood(told), choices())


def test_a_zone_of_another_environment_is_refused() -> None:
    """The controller asks one resource group for both."""
    told = outputs()
    told[Stack.EDGE]["azure_group"] = "trimaran-dev"
    with pytest.raises(Refused, match=r"edge\.azure_group: .* trimaran-dev; azure\.group: "):
        document(understood(told), choices())


def test_text_says_what_the_document_says() -> None:
    """Tables within tables, lists of tables, and keys that are no bare words."""
    told = {"a": 1, "b": {"c d": 'é"\n\x7f', "e": {"f": [{"g": True}], "h": {}}}, "i": {"j.k": {"l": 1.5}}}
    assert tomllib.loads(toml.text(told)) == told
