"""Every check there is, by what it is about.

Rules for changing this file: a prerequisite of the design without a check is a hole, so each area has at least one check, and every
check is made of every subject of its kind, good or not.
"""

from collections.abc import Mapping
from enum import StrEnum


class Check(StrEnum):
    """One thing that is looked at. Parameters of a server bear their own names."""

    WAL_LEVEL = "wal_level"
    FSYNC = "fsync"
    FULL_PAGE_WRITES = "full_page_writes"
    SYNCHRONOUS_COMMIT = "synchronous_commit"
    DEFAULT_TRANSACTION_ISOLATION = "default_transaction_isolation"
    DEFAULT_TRANSACTION_READ_ONLY = "default_transaction_read_only"
    SESSION_REPLICATION_ROLE = "session_replication_role"
    MAX_SLOT_WAL_KEEP_SIZE = "max_slot_wal_keep_size"
    IDLE_REPLICATION_SLOT_TIMEOUT = "idle_replication_slot_timeout"
    WAL_RECEIVER_STATUS_INTERVAL = "wal_receiver_status_interval"
    WAL_SENDER_TIMEOUT = "wal_sender_timeout"
    WAL_RECEIVER_TIMEOUT = "wal_receiver_timeout"
    WAL_RETRIEVE_RETRY_INTERVAL = "wal_retrieve_retry_interval"
    PASSWORD_ENCRYPTION = "password_encryption"  # noqa: S105  a parameter's name
    SSL_MIN_PROTOCOL_VERSION = "ssl_min_protocol_version"
    TRACK_COMMIT_TIMESTAMP = "track_commit_timestamp"
    LOG_ERROR_VERBOSITY = "log_error_verbosity"
    LOG_MIN_ERROR_STATEMENT = "log_min_error_statement"
    LOG_STATEMENT = "log_statement"
    MAX_WORKER_PROCESSES = "max_worker_processes"
    OVERRIDES = "overrides"
    RESTART_PENDING = "restart-pending"

    CONTROL_ROLE = "control-role"
    STREAM_ROLE = "stream-role"
    APP_ROLE = "app-role"

    TLS_REACHED = "tls-reached"
    TLS_VERIFIED = "tls-verified"
    TLS_FORCED = "tls-forced"
    TLS_STREAMS = "tls-streams"

    VERSION = "version"
    SAME_VERSION = "same-version"

    REPLICA_IDENTITY = "replica-identity"
    GUARDS = "guards"
    SEQUENCES = "sequences"
    PUBLICATION = "publication"

    SAME_SCHEMA = "same-schema"
    CLOCK = "clock"

    NODE = "node"
    PINS = "pins"
    OWN_SERVER = "own-server"
    ONE_WRITER = "one-writer"
    STREAM = "stream"
    ACK_SLOTS = "ack-slots"
    SPARES = "spares"
    RETAINED = "retained"
    SLOT_ROOM = "slot-room"
    SENDER_ROOM = "sender-room"
    WORKER_ROOM = "worker-room"

    STANDBY = "standby"
    HIGH_AVAILABILITY = "high-availability"
    SERVER_STATE = "server-state"

    LOGIN = "login"
    STREAM_LOGIN = "stream-login"
    PROVIDER_ACCESS = "provider-access"
    ETCD = "etcd"
    ISSUER = "issuer"

    INSTANCES = "instances"
    STORAGE = "storage"
    CONNECTIONS = "connections"
    SURVIVORS = "survivors"

    CERTIFICATE = "certificate"
    AUTHORITY = "authority"
    NAME_SERVERS = "name-servers"
    DELEGATION = "delegation"
    ZONE_DRIFT = "zone-drift"
    POSTURE_DRIFT = "posture-drift"


class Area(StrEnum):
    """What the design needs to be so before it can promise anything."""

    PARAMETERS = "parameters"
    PRIVILEGES = "privileges"
    TLS = "tls"
    VERSIONS = "versions"
    REPLICA_IDENTITY = "replica identity"
    SCHEMA = "schema fingerprint"
    CLOCKS = "clocks"
    SLOTS = "slots"
    NODES = "nodes"
    STANDBY = "in-cloud standby"
    DNS = "dns"
    CERTIFICATES = "certificates"
    CREDENTIALS = "credentials"
    CAPACITY = "capacity"
    DRIFT = "drift"


_UNDER: Mapping[Area, tuple[Check, ...]] = {
    Area.PARAMETERS: tuple(Check)[: tuple(Check).index(Check.CONTROL_ROLE)],
    Area.PRIVILEGES: (Check.CONTROL_ROLE, Check.STREAM_ROLE, Check.APP_ROLE),
    Area.TLS: (Check.TLS_REACHED, Check.TLS_VERIFIED, Check.TLS_FORCED, Check.TLS_STREAMS),
    Area.VERSIONS: (Check.VERSION, Check.SAME_VERSION),
    Area.REPLICA_IDENTITY: (Check.REPLICA_IDENTITY, Check.GUARDS, Check.SEQUENCES, Check.PUBLICATION),
    Area.SCHEMA: (Check.SAME_SCHEMA,),
    Area.CLOCKS: (Check.CLOCK,),
    Area.SLOTS: (Check.ACK_SLOTS, Check.SPARES, Check.RETAINED, Check.SLOT_ROOM, Check.SENDER_ROOM, Check.WORKER_ROOM),
    Area.NODES: (Check.NODE, Check.PINS, Check.OWN_SERVER, Check.ONE_WRITER, Check.STREAM),
    Area.STANDBY: (Check.STANDBY, Check.HIGH_AVAILABILITY, Check.SERVER_STATE),
    Area.DNS: (Check.AUTHORITY, Check.NAME_SERVERS, Check.DELEGATION),
    Area.CERTIFICATES: (Check.CERTIFICATE,),
    Area.CREDENTIALS: (Check.LOGIN, Check.STREAM_LOGIN, Check.PROVIDER_ACCESS, Check.ETCD, Check.ISSUER),
    Area.CAPACITY: (Check.INSTANCES, Check.STORAGE, Check.CONNECTIONS, Check.SURVIVORS),
    Area.DRIFT: (Check.ZONE_DRIFT, Check.POSTURE_DRIFT),
}

AREA: Mapping[Check, Area] = {check: area for area, checks in _UNDER.items() for check in checks}
