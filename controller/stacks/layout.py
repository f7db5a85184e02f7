"""What lies where on a control node: what settings name and no stack can know.

Files without a folder lie beside the settings: they are papers of the node (`manifest.node`), and are called as it calls them. The others
are found by programs that know nothing of the settings' place.
"""

from pathlib import PurePosixPath

SETTINGS = PurePosixPath("/etc/trimaran")
"""Folder of what is no secret."""

OPERATOR_TOKEN = "operator.token"  # noqa: S105  the name of the file
"""What orders to the controller must carry."""
CERTIFICATE = "identity.pem"
"""The controller's as a client of edges and of the issuer, with chain and key."""
ETCD_CERTIFICATE, ETCD_AUTHORITY = "etcd-identity.pem", "etcd-authority.pem"
"""The controller's as a client of etcd, and who vouches for its members."""

HOST, PORT = "127.0.0.1", 7443
"""Where the operator API listens: people come through the cloud's own session service, onto the node itself."""
ETCD = 2379
"""Port of the members for their clients."""


def database_authority(site: str, service: str) -> PurePosixPath:
    """Who vouches for a site's database server: its vendor's authorities for the region, Google's for the one instance."""
    return SETTINGS / "databases" / f"{site}-{service}.pem"


def identity_token(cloud: str) -> PurePosixPath:
    """Kept fresh by the node: its own cloud's word about it, made out for another cloud."""
    return PurePosixPath("/run/trimaran/tokens") / cloud
