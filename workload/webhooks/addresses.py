"""Where a webhook may go: anywhere in the public internet, and nowhere else.

Merchants choose the URLs and we do the calling, from inside (server-side request forgery). A merchant registers
`http://169.254.169.254/`, or a name that answers with a public address when it is checked and with 127.0.0.1 when it is called; the
dispatcher then posts to the cloud's metadata service or to a database's neighbour. So it is the address that a socket is about to be
connected to that is looked at, for every connection, and no redirect is followed.
"""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp import AddrInfoType, SocketFactoryType
from yarl import URL

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

CARRIERS = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("::/96"))
"""Addresses that stand for an IPv4 address, any: of translators (RFC 6052, RFC 8215), and the compatible ones (RFC 4291)."""


class Refused(OSError):
    """This address must not be called. An OSError, so that the client library takes it for a connection that could not be made."""


def is_public(address: Address) -> bool:
    """Is it an address of the public internet, also when it carries an IPv4 address inside?"""
    if isinstance(address, IPv6Address):
        inside = address.ipv4_mapped or address.sixtofour
        if inside is not None:
            return is_public(inside)
        if address.teredo is not None or address.is_site_local or any(address in network for network in CARRIERS):
            return False
    return address.is_global and not address.is_multicast


def is_allowed(address: Address, allow: Sequence[Network]) -> bool:
    """May it be called?"""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    seen = address if mapped is None else mapped
    return is_public(seen) or any(seen.version == network.version and seen in network for network in allow)


def objection(url: URL, *, plain_http: bool) -> str | None:
    """What speaks against calling this URL, before any name is asked for; None: nothing."""
    if url.scheme != "https" and not (plain_http and url.scheme == "http"):
        return f"the scheme is {url.scheme or 'missing'}, and must be https"
    if not url.host:
        return "the URL has no host"
    if url.user is not None or url.password is not None:
        return "the URL must not carry a user or a password"
    return None


def guarded_sockets(allow: Sequence[Network]) -> SocketFactoryType:
    """Makes the sockets of a client; raises Refused for one that would be connected to where no webhook may go."""

    def make(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, destination = info
        address = str(destination[0])
        if not is_allowed(ip_address(address), allow):
            raise Refused(f"{address} is not an address of the public internet")
        return socket.socket(family, kind, protocol)

    return make
