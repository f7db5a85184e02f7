"""What happened in the account and on the network, kept where nobody can make it unhappen."""

import pulumi
import pulumi_aws as aws

from infra.components.aws.documents import allow, deny, document, service, trust
from infra.components.aws.keys import Keys, trail_arn
from infra.components.aws.logs import RETENTION_DAYS, log_group
from infra.components.aws.network import Network
from infra.names import APP, name_of
from infra.settings import Settings

FINDS = ("S3_DATA_EVENTS", "RDS_LOGIN_EVENTS")
"""What GuardDuty looks at beside what it always does."""


class Audit(pulumi.ComponentResource):
    """Every call to this cloud, in every region, in files that are signed and locked: in production nobody can shorten the lock, the
    account's owner included, because whoever breaks in as the owner begins with the record of it. Every connection of the network. And
    somebody who reads both while it happens: GuardDuty, of which an account has one in each region; a second environment of a trial in the
    same account imports that of the first."""

    def __init__(
        self, name: str, settings: Settings, keys: Keys, network: Network, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("trimaran:aws:Audit", name, None, opts)
        self._name, self._settings = name, settings
        self._child = pulumi.ResourceOptions(parent=self)
        self._kept = pulumi.ResourceOptions(parent=self, protect=True)
        self.log = log_group(f"{name}-network", f"/{APP}/{settings.environment}/network", keys.logs.arn, parent=self)
        self._flows(network)
        self._trail(self._bucket(keys.trail.arn), keys.trail.arn)
        detector = aws.guardduty.Detector(name, enable=True, finding_publishing_frequency="FIFTEEN_MINUTES", opts=self._kept)
        for one in FINDS:
            aws.guardduty.DetectorFeature(
                f"{name}-{one.lower().replace('_', '-')}",
                detector_id=detector.id,
                name=one,
                status="ENABLED",
                opts=self._child,
            )
        self.register_outputs({})

    def _flows(self, network: Network) -> None:
        """Of the whole network, refused connections included. The balancer's own are among them, with clients' addresses."""
        role = aws.iam.Role(
            f"{self._name}-flows",
            name=name_of(self._settings.environment, "flows"),
            assume_role_policy=trust("vpc-flow-logs", self._settings.accounts.aws.account),
            opts=self._child,
        )
        writes = aws.iam.RolePolicy(
            f"{self._name}-flows",
            role=role.name,
            policy=document(
                allow(
                    "logs:CreateLogStream",
                    "logs:PutLogEvents",
                    "logs:DescribeLogStreams",
                    on=[self.log.arn, pulumi.Output.concat(self.log.arn, ":*")],
                )
            ),
            opts=self._child,
        )
        aws.ec2.FlowLog(
            f"{self._name}-flows",
            vpc_id=network.vpc.id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=self.log.arn,
            iam_role_arn=role.arn,
            max_aggregation_interval=60,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[writes]),
        )

    def _bucket(self, key: pulumi.Input[str]) -> aws.s3.Bucket:
        """In a trial the lock can be lifted by who may, or it could not be torn down for a year."""
        name, settings = f"{self._name}-trail", self._settings
        account = settings.accounts.aws.account
        bucket = aws.s3.Bucket(
            name,
            bucket=name_of(settings.environment, "trail", account),
            object_lock_enabled=True,
            force_destroy=False,
            # Each of these is a resource of its own, below; S3 shows them on the bucket, too.
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=True,
                ignore_changes=["versioning", "serverSideEncryptionConfiguration", "objectLockConfiguration", "lifecycleRules"],
            ),
        )
        versions = aws.s3.BucketVersioning(
            name,
            bucket=bucket.id,
            versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=self._kept,
        )
        self._locked(name, bucket, versions)
        self._closed(name, bucket, key)
        return bucket

    def _locked(self, name: str, bucket: aws.s3.Bucket, versions: aws.s3.BucketVersioning) -> None:
        mode = "COMPLIANCE" if self._settings.environment == "prod" else "GOVERNANCE"
        after = pulumi.ResourceOptions(parent=self, depends_on=[versions])
        aws.s3.BucketObjectLockConfiguration(
            name,
            bucket=bucket.id,
            object_lock_enabled="Enabled",
            rule=aws.s3.BucketObjectLockConfigurationRuleArgs(
                default_retention=aws.s3.BucketObjectLockConfigurationRuleDefaultRetentionArgs(mode=mode, days=RETENTION_DAYS)
            ),
            opts=pulumi.ResourceOptions(parent=self, protect=True, depends_on=[versions]),
        )
        aws.s3.BucketLifecycleConfiguration(
            name,
            bucket=bucket.id,
            rules=[
                aws.s3.BucketLifecycleConfigurationRuleArgs(
                    id="after-the-lock",
                    status="Enabled",
                    filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                    expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=RETENTION_DAYS + 1),
                    noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                        noncurrent_days=RETENTION_DAYS + 1
                    ),
                )
            ],
            opts=after,
        )

    def _closed(self, name: str, bucket: aws.s3.Bucket, key: pulumi.Input[str]) -> None:
        aws.s3.BucketPublicAccessBlock(
            name,
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self._child,
        )
        aws.s3.BucketOwnershipControls(
            name,
            bucket=bucket.id,
            rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
            opts=self._child,
        )
        sse = aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
            sse_algorithm="aws:kms", kms_master_key_id=key
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=bucket.id,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=sse, bucket_key_enabled=True
                )
            ],
            opts=self._child,
        )

    def _trail(self, bucket: aws.s3.Bucket, key: pulumi.Input[str]) -> None:
        """Source of the bucket's document: AWS CloudTrail User Guide, "Amazon S3 bucket policy for CloudTrail"."""
        settings, to = self._settings, service("cloudtrail")
        of_this = {"aws:SourceArn": trail_arn(settings)}
        files = pulumi.Output.concat(bucket.arn, f"/AWSLogs/{settings.accounts.aws.account}/*")
        written = {**of_this, "s3:x-amz-acl": "bucket-owner-full-control"}
        everything = [bucket.arn, pulumi.Output.concat(bucket.arn, "/*")]
        believed = aws.s3.BucketPolicy(
            f"{self._name}-trail",
            bucket=bucket.id,
            policy=document(
                allow("s3:GetBucketAcl", on=bucket.arn, to=to, when={"StringEquals": of_this}),
                allow("s3:PutObject", on=files, to=to, when={"StringEquals": written}),
                deny("s3:*", on=everything, to="*", when={"Bool": {"aws:SecureTransport": "false"}}),
            ),
            opts=self._child,
        )
        aws.cloudtrail.Trail(
            self._name,
            name=name_of(settings.environment, "trail"),
            s3_bucket_name=bucket.id,
            kms_key_id=key,
            is_multi_region_trail=True,
            include_global_service_events=True,
            enable_log_file_validation=True,
            enable_logging=True,
            opts=pulumi.ResourceOptions(parent=self, protect=True, depends_on=[believed]),
        )
