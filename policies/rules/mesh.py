"""Tunnels between the sites: strong ones, and enough of them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from infra.topology import Cloud
from policies.rules.expect import Absent, Given, Is, Table, as_number, joined, unmet
from policies.rules.seen import Facts, Finding, Resource

VPN, CONNECTION, TUNNEL = (
    "aws:ec2/vpnConnection:VpnConnection",
    "azure-native:network:VirtualNetworkGatewayConnection",
    "gcp:compute/vPNTunnel:VPNTunnel",
)
_GROUPS = (19, 20, 21)
"""Diffie-Hellman groups: elliptic curves of 256 bits and more."""


def _aws_tunnel(number: int) -> tuple[Is | Absent, ...]:
    lists: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("IkeVersions", ("ikev2",)),
        ("Phase1EncryptionAlgorithms", ("AES256-GCM-16",)),
        ("Phase2EncryptionAlgorithms", ("AES256-GCM-16",)),
        ("Phase1IntegrityAlgorithms", ("SHA2-256", "SHA2-384", "SHA2-512")),
        ("Phase2IntegrityAlgorithms", ("SHA2-256", "SHA2-384", "SHA2-512")),
        ("Phase1DhGroupNumbers", (*_GROUPS, *map(float, _GROUPS))),
        ("Phase2DhGroupNumbers", (*_GROUPS, *map(float, _GROUPS))),
    )
    return tuple(Is(path=f"tunnel{number}{name}", allowed=tuple([one] for one in allowed)) for name, allowed in lists)


_POLICY = "ipsecPolicies[]"
_SUITE = "cipherSuite"
"""Google's. Where it is left out, whatever both sides know of a long list is taken ("Supported IKE ciphers")."""
_GOOGLE_GCM = (["AES-GCM-16-256"],)
_GOOGLE_GROUPS = tuple([f"Group-{group}"] for group in _GROUPS)
_INTEGRITY = "AES-GCM brings its own"
CRYPTO: Table = {
    VPN: (*_aws_tunnel(1), *_aws_tunnel(2), Is(path="staticRoutesOnly", allowed=(False,), absent=True)),
    CONNECTION: (
        Is(path="connectionProtocol", allowed=("IKEv2",)),
        Is(path="enableBgp", allowed=(True,)),
        Is(path=f"{_POLICY}.ipsecEncryption", allowed=("GCMAES256",)),
        Is(path=f"{_POLICY}.ipsecIntegrity", allowed=("GCMAES256",)),
        Is(path=f"{_POLICY}.ikeEncryption", allowed=("GCMAES256", "AES256")),
        Is(path=f"{_POLICY}.ikeIntegrity", allowed=("SHA256", "SHA384", "GCMAES256")),
        Is(path=f"{_POLICY}.dhGroup", allowed=("ECP256", "ECP384")),
        Is(path=f"{_POLICY}.pfsGroup", allowed=("ECP256", "ECP384")),
    ),
    TUNNEL: (
        Is(path="ikeVersion", allowed=(2, 2.0)),
        Is(path=f"{_SUITE}.phase1.encryptions", allowed=_GOOGLE_GCM),
        Is(path=f"{_SUITE}.phase1.prves", allowed=tuple([f"PRF-HMAC-SHA2-{bits}"] for bits in (256, 384, 512))),
        Is(path=f"{_SUITE}.phase1.dhs", allowed=_GOOGLE_GROUPS),
        Absent(path=f"{_SUITE}.phase1.integrities", limit=_INTEGRITY),
        Is(path=f"{_SUITE}.phase2.encryptions", allowed=_GOOGLE_GCM),
        Is(path=f"{_SUITE}.phase2.pfs", allowed=_GOOGLE_GROUPS),
        Absent(path=f"{_SUITE}.phase2.integrities", limit=_INTEGRITY),
        Given(path="router", limit="routes are learned by BGP"),
    ),
}


def vpn_crypto(one: Resource, facts: Facts) -> Iterator[Finding]:
    """One proposal for each phase, IKEv2, AES-256-GCM, SHA-2, elliptic curves; BGP; no shared key that is written down."""
    yield from unmet(one, CRYPTO)
    policies = list(one.every(_POLICY)) if one.type == CONNECTION else []
    if len(policies) > 1:
        yield one.finding(f"{len(policies)} ipsecPolicies; one, or the weakest that both sides know is taken")


SHARED: Mapping[str, tuple[str, ...]] = {
    VPN: ("tunnel1PresharedKey", "tunnel2PresharedKey"),
    CONNECTION: ("sharedKey",),
    TUNNEL: ("sharedSecret", "sharedSecretWo"),
}


def vpn_secret_from_output(resources: tuple[Resource, ...], facts: Facts) -> Iterator[Finding]:
    """A tunnel's shared key comes from something that makes one: what is computed from nothing was typed."""
    for one in resources:
        for name in SHARED.get(one.type, ()):
            if one.at(name) is not None and not one.sources(name):
                yield one.finding(f"{name} is written down; let the vendor or a random password make it")


CUSTOMER, LOCAL, PEER = (
    "aws:ec2/customerGateway:CustomerGateway",
    "azure-native:network:LocalNetworkGateway",
    "gcp:compute/routerPeer:RouterPeer",
)
TUNNELS_OF_ONE = 2
"""AWS makes two for each connection."""


def vpn_mesh_complete(resources: tuple[Resource, ...], facts: Facts, *, least_tunnels: float) -> Iterator[Finding]:
    """From each site there are `least_tunnels` or more to each other one, to two or more gateways there."""
    if facts.role != "interconnect":
        return
    if set(facts.asns) != set(Cloud):
        yield Finding(
            problem=f"{facts.stack}: trimaran:network does not tell the three sites' BGP numbers; nobody can tell who a tunnel is to"
        )
        return
    tunnels, gateways = _ways(resources, {asn: cloud for cloud, asn in facts.asns.items()})
    for near in Cloud:
        for far in Cloud:
            if near is not far and (tunnels[near, far] < least_tunnels or gateways[near, far] < TUNNELS_OF_ONE):
                yield Finding(
                    problem=f"{facts.stack}: {tunnels[near, far]} tunnels to {gateways[near, far]} gateways from {near} to {far}; "
                    f"at least {least_tunnels:g} tunnels to {TUNNELS_OF_ONE}: one is down whenever a vendor repairs it"
                )


def _ways(
    resources: tuple[Resource, ...], owners: Mapping[int, Cloud]
) -> tuple[Counter[tuple[Cloud, Cloud]], Counter[tuple[Cloud, Cloud]]]:
    """Tunnels, and the gateways they lead to, by who looks and at whom."""
    tunnels: Counter[tuple[Cloud, Cloud]] = Counter()
    gateways: Counter[tuple[Cloud, Cloud]] = Counter()
    for one in resources:
        match one.type:
            case "aws:ec2/customerGateway:CustomerGateway":
                if (far := _owner(one.at("bgpAsn"), owners)) is not None:
                    led = [vpn for vpn in resources if vpn.type == VPN and joined(vpn, "customerGatewayId", one, "id")]
                    tunnels[Cloud.AWS, far] += TUNNELS_OF_ONE * len(led)
                    gateways[Cloud.AWS, far] += bool(led)
            case "azure-native:network:LocalNetworkGateway":
                if (far := _owner(one.at("bgpSettings.asn"), owners)) is not None:
                    led = [way for way in resources if way.type == CONNECTION and _leads_to(way, one)]
                    tunnels[Cloud.AZURE, far] += len(led)
                    gateways[Cloud.AZURE, far] += bool(led)
            case "gcp:compute/routerPeer:RouterPeer":
                if (far := _owner(one.at("peerAsn"), owners)) is not None:
                    tunnels[Cloud.GCP, far] += 1
                    gateways[Cloud.GCP, far] += 1
    return tunnels, gateways


def _leads_to(way: Resource, gateway: Resource) -> bool:
    return joined(way, "localNetworkGateway2.id", gateway, "id")


def _owner(asn: Any, owners: Mapping[int, Cloud]) -> Cloud | None:
    number = as_number(asn)
    return None if number is None else owners.get(int(number))


LOOKS_AT = frozenset(CRYPTO) | {CUSTOMER, LOCAL, PEER}
