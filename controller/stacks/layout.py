"""What lies where on a control node: what settings name and no stack can know.

All of it are papers of the node (`manifest.node`), called as it calls them. Files without a folder lie beside the settings; the others are
read by libraries that know nothing of the settings' place.
"""

from pathlib import PurePosixPath

PAPERS = PurePosixPath("/run/trimaran/controller")
"""The one folder that the controller sees besides its image."""

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


def database_authority(site: str) -> PurePosixPath:
    """Who vouches for a site's database servers, and for no other site's: AWS's authorities for the region, the public ones that Azure's
    certificates are of, Google's for each of the two instances. In one file for all sites, a public authority could vouch for Google's
    servers, which are believed without a name."""
    return PAPERS / f"database-authority-{site}.pem"


def identity_token(cloud: str) -> PurePosixPath:
    """Kept fresh by the node: its own cloud's word about it, made out for another cloud."""
    return PurePosixPath("/run/trimaran/tokens") / cloud
