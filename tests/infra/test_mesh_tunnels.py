"""The mesh as three clouds are told of it: what one end believes of a tunnel is what the other end is."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

import pytest

from tests.infra.recording import Recording, Resource
from tests.infra.sites import on_sites

STACKS = ("dev-interconnect", "prod-interconnect")
SECRET = "4dabf18193072939515e22adb298388d"
"""How the wire marks a value that is not to be shown."""

CONNECTION = "aws:ec2/vpnConnection:VpnConnection"
AZURE_GATEWAY = "azure-native:network:VirtualNetworkGateway"
AZURE_CONNECTION = "azure-native:network:VirtualNetworkGatewayConnection"
GOOGLE_TUNNEL = "gcp:compute/vPNTunnel:VPNTunnel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """One end of a tunnel, as its own cloud is told."""

    cloud: str
    outside: str
    outside_there: str
    inside: str
    inside_there: str
    asn: int
    asn_there: int
    key: str

    def seen_from_there(self) -> tuple[Any, ...]:
        """What the other end has to have been told, its cloud apart."""
        return (self.outside_there, self.outside, self.inside_there, self.inside, self.asn_there, self.asn, self.key)

    def told(self) -> tuple[Any, ...]:
        """What this end was told."""
        return (self.outside, self.outside_there, self.inside, self.inside_there, self.asn, self.asn_there, self.key)


def revealed(value: Mapping[str, Any]) -> str:
    """A value that the wire marks as secret. Raises KeyError when it is not marked."""
    assert SECRET in value
    return str(value["value"])


def by_id(recording: Recording, token: str, key: str) -> Mapping[str, Resource]:
    """Resources of a type, by one of their outputs."""
    return {str(one.outputs[key]): one for one in recording.of_type(token)}


def at_aws(recording: Recording) -> Iterator[Here]:
    """AWS takes the first address of a range for itself, and the second one for the other end."""
    (gateway,) = recording.of_type("aws:ec2/vpnGateway:VpnGateway")
    customers = {f"{one.name}-id": one for one in recording.of_type("aws:ec2/customerGateway:CustomerGateway")}
    for one in recording.of_type(CONNECTION):
        there = customers[one.inputs["customerGatewayId"]].inputs
        for number in (1, 2):
            hosts = list(IPv4Network(one.inputs[f"tunnel{number}InsideCidr"]).hosts())
            yield Here(
                cloud="aws",
                outside=one.outputs[f"tunnel{number}Address"],
                outside_there=there["ipAddress"],
                inside=str(hosts[0]),
                inside_there=str(hosts[1]),
                asn=int(gateway.inputs["amazonSideAsn"]),
                asn_there=int(there["bgpAsn"]),
                key=revealed(one.inputs[f"tunnel{number}PresharedKey"]),
            )


def at_azure(recording: Recording) -> Iterator[tuple[str, Here]]:
    """By name of the connection. Both instances try each connection, from addresses that the gateway has."""
    (gateway,) = recording.of_type(AZURE_GATEWAY)
    publics = {one.outputs["name"]: one.outputs["ipAddress"] for one in recording.of_type("azure-native:network:PublicIPAddress")}
    speaks = {
        one["ipconfigurationId"]: one["customBgpIpAddresses"] for one in gateway.inputs["bgpSettings"]["bgpPeeringAddresses"]
    }
    outsides = {
        one["name"]: publics[one["publicIPAddress"]["id"].rpartition("/")[2]] for one in gateway.inputs["ipConfigurations"]
    }
    theres = {one.outputs["name"]: one for one in recording.of_type("azure-native:network:LocalNetworkGateway")}
    for one in recording.of_type(AZURE_CONNECTION):
        there = theres[one.inputs["localNetworkGateway2"]["id"].rpartition("/")[2]].inputs
        for end in one.inputs["gatewayCustomBgpIpAddresses"]:
            assert end["customBgpIpAddress"] in speaks[end["ipConfigurationId"]]
            yield (
                one.name,
                Here(
                    cloud="azure",
                    outside=outsides[end["ipConfigurationId"].rpartition("/")[2]],
                    outside_there=there["gatewayIpAddress"],
                    inside=end["customBgpIpAddress"],
                    inside_there=there["bgpSettings"]["bgpPeeringAddress"],
                    asn=int(gateway.inputs["bgpSettings"]["asn"]),
                    asn_there=int(there["bgpSettings"]["asn"]),
                    key=revealed(one.inputs["sharedKey"]),
                ),
            )


def at_google(recording: Recording) -> Iterator[Here]:
    """A tunnel, its interface at the router, and the session on it."""
    (router,) = recording.of_type("gcp:compute/router:Router")
    gateways = {
        f"projects/trimaran/regions/r/vpnGateways/{one.inputs['name']}": one
        for one in recording.of_type("gcp:compute/haVpnGateway:HaVpnGateway")
    }
    theres = {f"{one.name}-id": one for one in recording.of_type("gcp:compute/externalVpnGateway:ExternalVpnGateway")}
    interfaces = by_id(recording, "gcp:compute/routerInterface:RouterInterface", "vpnTunnel")
    peers = by_id(recording, "gcp:compute/routerPeer:RouterPeer", "interface")
    for one in recording.of_type(GOOGLE_TUNNEL):
        interface = interfaces[one.inputs["name"]]
        peer = peers[interface.inputs["name"]]
        outsides = gateways[one.inputs["vpnGateway"]].outputs["vpnInterfaces"]
        there = {end["id"]: end["ipAddress"] for end in theres[one.inputs["peerExternalGateway"]].inputs["interfaces"]}
        assert {one.inputs["router"], interface.inputs["router"], peer.inputs["router"]} == {router.inputs["name"]}
        yield Here(
            cloud="gcp",
            outside=outsides[int(one.inputs["vpnGatewayInterface"])]["ipAddress"],
            outside_there=there[one.inputs["peerExternalGatewayInterface"]],
            inside=interface.inputs["ipRange"].removesuffix("/30"),
            inside_there=peer.inputs["peerIpAddress"],
            asn=int(router.inputs["bgp"]["asn"]),
            asn_there=int(peer.inputs["peerAsn"]),
            key=revealed(one.inputs["sharedSecret"]),
        )


@pytest.mark.parametrize("stack", STACKS)
def test_every_tunnel_has_two_ends_that_know_each_other(stack: str) -> None:
    """Addresses inside and outside, numbers and keys, put together from what the three clouds were told, without the plan."""
    recording = on_sites(stack)
    azure = list(at_azure(recording))
    ends = [*at_aws(recording), *at_google(recording)]
    found: Counter[str] = Counter()
    connections: list[str] = []
    for here in ends:
        there = [(other.cloud, "") for other in ends if other.told() == here.seen_from_there()]
        there += [(other.cloud, name) for name, other in azure if other.told() == here.seen_from_there()]
        assert len(there) == 1, here
        cloud, connection = there[0]
        found["-".join(sorted((here.cloud, cloud)))] += 1
        connections += [connection] if connection else []
    assert found == {"aws-azure": 4, "aws-gcp": 8, "azure-gcp": 4}
    assert sorted(connections) == sorted({name for name, _ in azure}), "a connection that nobody answers"


@pytest.mark.parametrize("stack", STACKS)
def test_a_pair_stands_on_two_addresses_at_both_ends(stack: str) -> None:
    """Gateways are repaired one address at a time."""
    recording = on_sites(stack)
    ends = [*at_aws(recording), *at_google(recording)]
    for one, other in (("aws", 64514), ("aws", 65010), ("gcp", 65010)):
        pair = [here for here in ends if here.cloud == one and here.asn_there == other]
        assert len(pair) == 4
        assert len({here.outside_there for here in pair}) == 2
        assert len({here.outside for here in pair}) == 4


@pytest.mark.parametrize("stack", STACKS)
def test_azure_is_told_of_no_far_end_twice(stack: str) -> None:
    """It takes no two with the same public address."""
    theres = [one.inputs["gatewayIpAddress"] for one in on_sites(stack).of_type("azure-native:network:LocalNetworkGateway")]
    assert len(theres) == len(set(theres)) == 8


@pytest.mark.parametrize("stack", STACKS)
def test_every_tunnel_has_a_key_of_its_own_made_by_chance_and_marked_secret(stack: str) -> None:
    """It would be in everybody's logs of a preview, otherwise."""
    recording = on_sites(stack)
    keys = {here.key for here in (*at_aws(recording), *at_google(recording))}
    assert len(keys) == 12 and all(32 < len(key) <= 64 and key[0] != "0" and key.isalnum() for key in keys)
    assert all(
        one.inputs == {"length": 48, "special": False} for one in recording.of_type("random:index/randomPassword:RandomPassword")
    )
    shown = [text for one in recording.resources for text in texts(one.inputs)]
    assert not keys & set(shown) and not any(key in str(recording.outputs) for key in keys)
    made = {one.urn for one in recording.of_type("random:index/randomPassword:RandomPassword")}
    for token, key in ((GOOGLE_TUNNEL, "sharedSecret"), (AZURE_CONNECTION, "sharedKey"), (CONNECTION, "tunnel2PresharedKey")):
        assert all(set(one.property_dependencies[key]) & made for one in recording.of_type(token))


def texts(value: Any) -> Iterator[str]:
    """Everything that is shown of it."""
    match value:
        case str():
            yield value
        case dict() if SECRET in value:
            return
        case dict():
            for one in value.values():
                yield from texts(one)
        case list():
            for one in value:
                yield from texts(one)


@pytest.mark.parametrize("stack", STACKS)
def test_one_proposal_and_the_same_everywhere(stack: str) -> None:
    """A second one is what Cloud VPN fails to rekey with."""
    recording = on_sites(stack)
    for one in recording.of_type(CONNECTION):
        for tunnel in ("tunnel1", "tunnel2"):
            assert one.inputs[f"{tunnel}IkeVersions"] == ["ikev2"]
            for phase in ("Phase1", "Phase2"):
                assert one.inputs[f"{tunnel}{phase}EncryptionAlgorithms"] == ["AES256-GCM-16"]
                assert one.inputs[f"{tunnel}{phase}IntegrityAlgorithms"] == ["SHA2-384"]
                assert one.inputs[f"{tunnel}{phase}DhGroupNumbers"] == [20]
    for one in recording.of_type(GOOGLE_TUNNEL):
        suite = one.inputs["cipherSuite"]
        assert one.inputs["ikeVersion"] == 2
        assert suite["phase1"] == {
            "encryptions": ["AES-GCM-16-256"],
            "integrities": [],
            "prves": ["PRF-HMAC-SHA2-384"],
            "dhs": ["Group-20"],
        }
        assert suite["phase2"] == {"encryptions": ["AES-GCM-16-256"], "integrities": [], "pfs": ["Group-20"]}
    for one in recording.of_type(AZURE_CONNECTION):
        (policy,) = one.inputs["ipsecPolicies"]
        assert one.inputs["connectionProtocol"] == "IKEv2" and one.inputs["usePolicyBasedTrafficSelectors"] is False
        assert (policy["ikeEncryption"], policy["ikeIntegrity"], policy["dhGroup"]) == ("GCMAES256", "SHA384", "ECP384")
        assert (policy["ipsecEncryption"], policy["ipsecIntegrity"], policy["pfsGroup"]) == ("GCMAES256", "GCMAES256", "ECP384")
