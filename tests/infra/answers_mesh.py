"""What is made up for the mesh and the zone: addresses of gateways, keys, name servers."""

import zlib
from collections.abc import Callable, Mapping
from typing import Any

from tests.infra import answers_azure, answers_gcp

Made = tuple[str, Mapping[str, Any]]
Answer = Callable[[str, Mapping[str, Any]], Made]


def _address(name: str, of: str) -> str:
    """Documentation addresses (RFC 5737): the same for the same name, and different ones for different names of these stacks."""
    return f"{of}.{zlib.crc32(name.encode()) % 253 + 1}"


def _arm(kind: str, key: str) -> Answer:
    """An Azure resource whose id is put together from its group and name."""

    def answer(name: str, given: Mapping[str, Any]) -> Made:
        called = given.get(key, name)
        group = f"/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/{given.get('resourceGroupName')}"
        return f"{group}/providers/{kind}/{called}", {"name": called}

    return answer


def _public(name: str, given: Mapping[str, Any]) -> Made:
    id, added = _arm("Microsoft.Network/publicIPAddresses", "publicIpAddressName")(name, given)
    return id, {**added, "ipAddress": _address(name, "192.0.2")}


def _connection(name: str, given: Mapping[str, Any]) -> Made:
    ends = {f"tunnel{number}Address": _address(f"{name}-{number}", "198.51.100") for number in (1, 2)}
    return f"vpn-{name}", ends


def _gateway(name: str, given: Mapping[str, Any]) -> Made:
    interfaces = [{"id": number, "ipAddress": _address(f"{name}-{number}", "203.0.113")} for number in (0, 1)]
    return f"projects/trimaran/regions/r/vpnGateways/{given['name']}", {"vpnInterfaces": interfaces}


def _hosted(name: str, given: Mapping[str, Any]) -> Made:
    servers = [f"ns-{number}.awsdns-00.{end}" for number, end in ((1, "com"), (2, "net"), (3, "org"), (4, "co.uk"))]
    return "Z0123456789", {"zoneId": "Z0123456789", "nameServers": servers}


def _zone(name: str, given: Mapping[str, Any]) -> Made:
    id, added = _arm("Microsoft.Network/dnsZones", "zoneName")(name, given)
    servers = [f"ns{number}-01.azure-dns.{end}." for number, end in ((1, "com"), (2, "net"), (3, "org"), (4, "info"))]
    return id, {**added, "nameServers": servers}


def _managed(name: str, given: Mapping[str, Any]) -> Made:
    servers = [f"ns-cloud-a{number}.googledomains.com." for number in (1, 2, 3, 4)]
    return f"projects/trimaran/managedZones/{given['name']}", {"nameServers": servers}


def _password(name: str, given: Mapping[str, Any]) -> Made:
    """As long as was asked for; different for every name."""
    return name, {"result": f"{zlib.crc32(name.encode()):x}".rjust(int(given["length"]), "x")}


def _only_of(prefix: str, mine: Answer, sites: Answer | None) -> Answer:
    """Sites make things of the same type, which are answered as they say."""

    def answer(name: str, given: Mapping[str, Any]) -> Made:
        return mine(name, given) if sites is None or name.startswith(prefix) else sites(name, given)

    return answer


_PUBLIC, _MANAGED = "azure-native:network:PublicIPAddress", "gcp:dns/managedZone:ManagedZone"

ANSWERS: Mapping[str, Answer] = {
    "random:index/randomPassword:RandomPassword": _password,
    "aws:ec2/vpnConnection:VpnConnection": _connection,
    "gcp:compute/haVpnGateway:HaVpnGateway": _gateway,
    _PUBLIC: _only_of("mesh-", _public, answers_azure.ANSWERS.get(_PUBLIC)),
    "azure-native:network:VirtualNetworkGateway": _arm("Microsoft.Network/virtualNetworkGateways", "virtualNetworkGatewayName"),
    "azure-native:network:LocalNetworkGateway": _arm("Microsoft.Network/localNetworkGateways", "localNetworkGatewayName"),
    "aws:route53/zone:Zone": _hosted,
    "azure-native:dns:Zone": _zone,
    "azure-native:trafficmanager:Profile": _arm("Microsoft.Network/trafficManagerProfiles", "profileName"),
    _MANAGED: _only_of("edge-clouddns-", _managed, answers_gcp.ANSWERS.get(_MANAGED)),
}
