"""What belongs into which place: everybody's papers, each with the names that those it meets look for."""

from datetime import timedelta
from ipaddress import IPv4Address
from itertools import pairwise

from controller.filling.plan import LIFE, SITES, Given, Issued, Kind, Password, Place, Trusted, plan
from controller.issuing.archive import Issuer
from controller.manifest.etcd import MEMBER
from tests.unit.filling.worlds import NODES
from workload.payments.settings import PASSWORD_VARIABLE


def at(site: str) -> dict[str, Place]:
    """By name."""
    return {one.name: one for one in plan(NODES) if one.site == site}


def test_every_place_is_named_once() -> None:
    """At every site the same ones."""
    places = plan(NODES)
    assert len({str(one) for one in places}) == len(places)
    assert at("aws").keys() == at("azure").keys() == at("gcp").keys()


def test_whoever_has_a_certificate_believes_who_issued_it() -> None:
    """Beside each identity lies an authority, and it is the one of those that its owner meets."""
    for site in SITES:
        places = at(site)
        for name, place in places.items():
            if isinstance(place.source, Issued) and name != "control/identity":
                beside = places[name.replace("identity", "authority")].source
                assert isinstance(beside, Trusted) and beside.issuer is place.source.issuer


def test_services_are_told_apart_by_uri_and_found_by_host() -> None:
    """The same names at every site, because nobody cares which instance answers."""
    for site in SITES:
        for service in ("payments", "vault", "screening", "webhooks"):
            source = at(site)[f"{service}/identity"].source
            assert isinstance(source, Issued) and source.issuer is Issuer.FLEET
            assert source.subject.uris == (f"trimaran://service/{service}",)
            assert source.subject.hosts == (f"{service}.service.trimaran.internal",)


def test_an_edge_is_three() -> None:
    """One of the fleet to services, a site to other edges, a client to etcd: no certificate is good for two of these."""
    places = at("gcp")
    found = {name: places[f"edge/{name}"].source for name in ("identity", "peers-identity", "etcd-identity")}
    issuers = [source.issuer for source in found.values() if isinstance(source, Issued)]
    assert issuers == [Issuer.FLEET, Issuer.SITES, Issuer.ETCD]
    peers = found["peers-identity"]
    assert isinstance(peers, Issued) and peers.subject.hosts == ("gcp.edge.trimaran.internal",) and not peers.subject.uris


def test_a_member_of_etcd_is_its_address_and_nothing_else() -> None:
    """Members compare the addresses in each other's certificates with who is calling."""
    source = at("azure")["control/etcd-identity"].source
    assert isinstance(source, Issued) and source.issuer is Issuer.ETCD
    assert source.subject.addresses == (IPv4Address("10.11.0.4"),) and not source.subject.uris and not source.subject.hosts


def test_members_of_etcd_alone_are_called_so() -> None:
    """Other papers of the same authority make no member by this."""
    issued = [(one.name, one.source) for one in plan(NODES) if isinstance(one.source, Issued)]
    assert {name for name, source in issued if source.subject.called == MEMBER} == {"control/etcd-identity"}
    assert {name for name, source in issued if source.issuer is Issuer.ETCD} > {"control/etcd-identity"}


def test_only_the_balancers_word_is_no_certificate() -> None:
    """Clients' TLS ends at the edge in two clouds."""
    kinds = {site: at(site)["edge/door"].source for site in SITES}
    assert [source.kind for source in kinds.values() if isinstance(source, Given)] == [Kind.DOOR, Kind.DOOR, Kind.WORD]


def test_a_role_has_one_password_everywhere() -> None:
    """It follows whoever writes. The variable is bootstrap's own: programs have another name for theirs."""
    found = {at(site)["payments/password"].source for site in SITES}
    assert found == {Password(variable=f"TRIMARAN_{PASSWORD_VARIABLE}")}


def test_certificates_of_three_sites_do_not_end_together() -> None:
    """Whatever else was forgotten: two weeks apart, and the first not before three quarters of a year."""
    lives = sorted(LIFE.values())
    assert [later - one for one, later in pairwise(lives)] == [timedelta(days=14)] * 2 and lives[0].days > 270


def test_no_plan_has_a_secret_in_it() -> None:
    """It is printed."""
    printed = " ".join(f"{one} {one.source}" for one in plan(NODES))
    assert "$TRIMARAN_PAYMENTS_APP_PASSWORD" in printed and "PRIVATE" not in printed and "-of-" not in printed
