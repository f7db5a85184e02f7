"""The whole of a controller's settings file: which tables there are."""

from typing import Annotated

from pydantic import Field

from controller.core.model import Mode
from controller.settings_audit import AuditTable
from controller.settings_clouds import AuthoritiesTable, CloudsTable, GroupTable, InstancesTable, ReplicaTable, ServerTable
from controller.settings_notify import HeartbeatTable, NotifyTable
from controller.settings_tables import (
    CanaryTable,
    DatabaseTable,
    EtcdTable,
    GroupName,
    IdentityTable,
    ListenTable,
    Ratio,
    ReadinessTable,
    ServiceName,
    SiteName,
    SiteTable,
    Table,
    TokensTable,
    TracesTable,
)


class ServiceTable(Table):
    """`[services.SERVICE]`; its policy is read field by field, so that one bad field hides no other."""

    mode: Mode
    writer: SiteName
    shares: dict[SiteName, Ratio]
    canary: CanaryTable | None = None
    readiness: ReadinessTable | None = None
    databases: dict[SiteName, DatabaseTable]
    streams: dict[SiteName, dict[SiteName, DatabaseTable]]
    capacity: dict[SiteName, InstancesTable] = Field(default_factory=dict)
    replicas: dict[SiteName, ReplicaTable] = Field(default_factory=dict)
    servers: dict[SiteName, ServerTable] = Field(default_factory=dict)
    policy: dict[str, object] = Field(default_factory=dict)


class SettingsTable(Table):
    """The whole file."""

    site: SiteName
    listen: ListenTable
    etcd: EtcdTable
    sites: Annotated[dict[SiteName, SiteTable], Field(min_length=2)]
    services: Annotated[dict[ServiceName, ServiceTable], Field(min_length=1)]
    clouds: CloudsTable = CloudsTable()
    authorities: AuthoritiesTable = AuthoritiesTable()
    groups: dict[GroupName, GroupTable] = Field(default_factory=dict)
    identity: IdentityTable | None = None
    tokens: TokensTable | None = None
    audit: AuditTable | None = None
    notify: tuple[NotifyTable, ...] = ()
    heartbeat: HeartbeatTable | None = None
    traces: TracesTable | None = None
