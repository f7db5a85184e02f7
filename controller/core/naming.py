"""Names of everything that carries a service: databases, roles, slots, subscriptions, etcd keys.

Slots are server-wide in PostgreSQL, so a name without its service would collide on the day a second service moves in; a name
without its epoch would let a controller of an earlier reign act on this reign's stream.
"""

from controller.core.model import Epoch, Site


def database(service: str) -> str:
    """Database that holds the service's ledger and its `trimaran` schema."""
    return service


def app_role(service: str) -> str:
    """Login of the service itself: reads and writes the ledger, subject to the guard."""
    return f"{service}_app"


def control_role(service: str) -> str:
    """Login of the controllers: owns the tables, the publication, the subscriptions and the node row."""
    return f"{service}_control"


def stream_role(service: str) -> str:
    """Login inside subscriptions: may replicate and read the published tables, nothing else."""
    return f"{service}_stream"


def publication(service: str) -> str:
    """The one publication of the service, the same on every site."""
    return f"{service}_ledger"


def stream(service: str, epoch: Epoch, publisher: Site, follower: Site) -> str:
    """Slot on the publisher and subscription on the follower: one stream, one name."""
    return f"{service}_e{epoch}_{publisher}_{follower}"


def unplaced(stream: str) -> str:
    """Slot that is still being moved to where the stream's own slot is to begin; read by nobody. It goes with its epoch."""
    return f"{stream}_new"


def spare_stream(service: str, epoch: Epoch, publisher: Site, follower: Site) -> str:
    """Spare slot that one follower keeps for its sibling and, on the sibling, the spare subscription to it: with both, the sibling is
    re-parented without a copy and without dialling anybody first."""
    return f"{spare_streams(service)}{epoch}_{publisher}_{follower}"


def spare_streams(service: str) -> str:
    """How every spare stream of the service begins."""
    return f"{service}_spare_e"


def key(service: str, noun: str) -> str:
    """etcd key of one noun of one service, for example `/trimaran/payments/posture`."""
    return f"/trimaran/{service}/{noun}"
