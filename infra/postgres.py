"""What every database server is told, in each vendor's words. Pure.

Sources: `docs/deploy.md` names them; where a vendor offers no such parameter it is left out here, and `trimaran doctor` asks the server
for what it has. Where nothing else is said a value is the lab's own (`lab/postgres.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from infra.topology import Cloud

VERSION = "17"
"""Major version, the same everywhere: all three clouds offer it, and a stream between versions is one more thing to prove."""

RETENTION_DAYS = 35
"""Of backups: the longest that all three keep."""

PORT = 5432


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One server parameter."""

    name: str
    value: str
    restarts: bool
    """Is it taken up only when the server starts again?"""


def _static(name: str, value: str) -> Parameter:
    return Parameter(name=name, value=value, restarts=True)


def _dynamic(name: str, value: str) -> Parameter:
    return Parameter(name=name, value=value, restarts=False)


_STREAMS = (
    _static("max_replication_slots", "30"),
    _static("max_wal_senders", "30"),
    _static("max_worker_processes", "30"),
    _static("max_logical_replication_workers", "16"),
    _static("track_commit_timestamp", "on"),
)
"""For two followers, their spare slots, and an epoch that goes while another one comes."""

_TIMEOUTS = (_dynamic("wal_sender_timeout", "5000"), _dynamic("wal_receiver_timeout", "5000"))
"""Milliseconds. With the usual minute a stream that hangs is noticed long after its writer has been replaced."""

_OWN_NAMES = (_static("rds.custom_dns_resolution", "1"),)
"""Else a server asks a resolver of RDS's own, which knows nothing of what the network hands on, and follows nobody at Azure (Amazon RDS
User Guide, "Using a custom DNS server for outbound network access": with this and no server of one's own, Route 53 of the network)."""

_SILENT = (_dynamic("log_error_verbosity", "terse"), _dynamic("log_min_error_statement", "panic"))
"""Who reads a server's log is not who may read its rows: no row that an error is about, no statement, no value."""

PARAMETERS: Mapping[Cloud, tuple[Parameter, ...]] = {
    Cloud.AWS: (
        _static("rds.logical_replication", "1"),
        _dynamic("rds.force_ssl", "1"),
        _dynamic("ssl_min_protocol_version", "TLSv1.2"),
        _dynamic("max_slot_wal_keep_size", "65536"),
        _dynamic("password_encryption", "scram-sha-256"),
        *_OWN_NAMES,
        *_STREAMS,
        *_TIMEOUTS,
        *_SILENT,
    ),
    Cloud.AZURE: (
        _static("wal_level", "logical"),
        _dynamic("require_secure_transport", "on"),
        _dynamic("ssl_min_protocol_version", "TLSv1.2"),
        *_STREAMS,
        *_TIMEOUTS,
        *_SILENT,
    ),
    Cloud.GCP: (
        _static("cloudsql.logical_decoding", "on"),
        *_STREAMS,
        *_TIMEOUTS,
        *_SILENT,
    ),
}
"""Azure keeps `max_slot_wal_keep_size` and the restart pace of workers for itself; Google forces TLS by the instance's own setting."""
