"""Who did what, who asked for what, and what went over the network: kept, closed, and out of anybody's reach."""

import pulumi
import pulumi_gcp as gcp

from infra.components.gcp.keys import Lock
from infra.names import name_of
from infra.settings import Settings

KEPT_DAYS = 400
"""As long as Google keeps the record of administrators' deeds itself. A year at least is wanted, and an auditor comes after its end."""

DEEDS = (
    'log_id("cloudaudit.googleapis.com/activity")',
    'log_id("cloudaudit.googleapis.com/data_access")',
    'log_id("cloudaudit.googleapis.com/policy")',
    'log_id("cloudaudit.googleapis.com/system_event")',
    'log_id("cloudaudit.googleapis.com/access_transparency")',
)
AUDITED = ("ADMIN_READ", "DATA_READ", "DATA_WRITE")
"""Besides what is always written. Reads of data are off in a new project."""


class Audit(pulumi.ComponentResource):
    """Everything is kept in this region with a key of ours. What people and programs did is locked in production: nobody can shorten its
    time any more, us included. A trial's is not: nobody takes a lock off again, and a locked bucket is deleted when it is empty and not
    before (Cloud Logging API, `LogBucket.locked`), so a look of a day would stand there for `KEPT_DAYS`.

    Google's own default place is outside of any region, so nothing is written there.
    """

    def __init__(self, name: str, settings: Settings, lock: Lock, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trimaran:gcp:Audit", name, None, opts)
        self._name, self._settings, self._lock = name, settings, lock
        self._project = settings.accounts.gcp.project
        gcp.projects.IAMAuditConfig(
            name,
            project=self._project,
            service="allServices",
            audit_log_configs=[gcp.projects.IAMAuditConfigAuditLogConfigArgs(log_type=one) for one in AUDITED],
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        deeds = " OR ".join(DEEDS)
        self.audit = self._kept("audit", "Who did what, and who read what", deeds, locked=settings.environment == "prod")
        self.records = self._kept("records", "Networks, balancers, databases, programs", f"NOT ({deeds})", locked=False)
        gcp.logging.ProjectSink(
            f"{name}-default",
            name="_Default",
            project=self._project,
            destination=f"logging.googleapis.com/projects/{self._project}/locations/global/buckets/_Default",
            disabled=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.audit, self.records]),
        )
        self.register_outputs({})

    def _kept(self, what: str, description: str, taken: str, *, locked: bool) -> gcp.logging.ProjectBucketConfig:
        bucket = gcp.logging.ProjectBucketConfig(
            f"{self._name}-{what}",
            project=self._project,
            location=self._settings.region,
            bucket_id=name_of(self._settings.environment, what),
            description=description,
            retention_days=KEPT_DAYS,
            locked=locked,
            cmek_settings=gcp.logging.ProjectBucketConfigCmekSettingsArgs(kms_key_name=self._lock.id),
            deletion_policy="PREVENT",
            opts=pulumi.ResourceOptions(parent=self, protect=True, depends_on=list(self._lock.grants)),
        )
        gcp.logging.ProjectSink(
            f"{self._name}-{what}",
            name=name_of(self._settings.environment, what),
            project=self._project,
            destination=bucket.id.apply(lambda place: f"logging.googleapis.com/{place}"),
            filter=taken,
            unique_writer_identity=True,
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        return bucket
