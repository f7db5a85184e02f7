"""What AWS keeps for us: databases, keys, secrets, logs, images. Nobody loses or reads them by mistake."""

from collections.abc import Mapping

import pytest

from infra.postgres import PARAMETERS, RETENTION_DAYS
from infra.services import CONTROL, CONTROL_IMAGES, CONTROL_SECRETS, DATABASES, PROGRAMS, Service
from infra.topology import Cloud
from tests.infra.recording import record, recorded, recorded_live
from tests.infra.site_aws import KEY, LOCK, SECRET, SERVER, STACKS, arn_of, document

GUARDED: Mapping[str, object] = {
    "engine": "postgres",
    "engineVersion": "17",
    "multiAz": True,
    "publiclyAccessible": False,
    "storageEncrypted": True,
    "manageMasterUserPassword": True,
    "backupRetentionPeriod": RETENTION_DAYS,
    "deletionProtection": True,
    "deleteAutomatedBackups": False,
    "skipFinalSnapshot": False,
    "copyTagsToSnapshot": True,
    "allowMajorVersionUpgrade": False,
    "applyImmediately": False,
    "port": 5432,
}


@pytest.mark.parametrize("stack", STACKS)
def test_each_service_with_a_database_has_a_server_of_its_own(stack: str) -> None:
    """With its own key, guard and name."""
    recording = recorded(stack)
    assert {one.name for one in recording.of_type(SERVER)} == {f"{one}-database" for one in DATABASES}
    for one in DATABASES:
        server = recording.one(SERVER, f"{one}-database")
        key = arn_of(recording, KEY, f"keys-{one}-database")
        assert {server.inputs["kmsKeyId"], server.inputs["masterUserSecretKmsKeyId"]} == {key}
        assert server.inputs["vpcSecurityGroupIds"] == [f"sg-guards-{one}-database"]


@pytest.mark.parametrize("stack", STACKS)
def test_a_server_has_its_standby_its_backups_and_every_guard(stack: str) -> None:
    """Also in a trial: what is tried there is what runs."""
    for server in recorded(stack).of_type(SERVER):
        assert {name: server.inputs.get(name) for name in GUARDED} == GUARDED
        assert "password" not in server.inputs and "snapshotIdentifier" not in server.inputs
        assert server.inputs["finalSnapshotIdentifier"]


@pytest.mark.parametrize("stack", STACKS)
def test_what_rds_changes_by_itself_is_let_be_and_its_making_is_waited_for(stack: str) -> None:
    """A minor version, a disk that has grown."""
    for server in recorded(stack).of_type(SERVER):
        assert server.ignore_changes == ("engineVersion", "allocatedStorage")
        assert set(server.timeouts) == {"create", "update", "delete"}


@pytest.mark.parametrize("stack", STACKS)
def test_servers_stand_in_the_databases_part_of_all_zones(stack: str) -> None:
    """Where there is no way out."""
    groups = recorded(stack).of_type("aws:rds/subnetGroup:SubnetGroup")
    assert {tuple(sorted(one.inputs["subnetIds"])) for one in groups} == {
        tuple(f"subnet-network-database-{zone}" for zone in "abc")
    }


@pytest.mark.parametrize("stack", STACKS)
def test_parameters_are_those_of_the_list_and_static_ones_wait(stack: str) -> None:
    """RDS refuses a static parameter that is to be applied at once."""
    groups = recorded(stack).of_type("aws:rds/parameterGroup:ParameterGroup")
    wanted = {(one.name, one.value, "pending-reboot" if one.restarts else "immediate") for one in PARAMETERS[Cloud.AWS]}
    assert len(groups) == len(DATABASES)
    for group in groups:
        assert group.inputs["family"] == "postgres17"
        assert {(one["name"], one["value"], one["applyMethod"]) for one in group.inputs["parameters"]} == wanted
    assert {("rds.logical_replication", "1", "pending-reboot"), ("rds.force_ssl", "1", "immediate")} <= wanted


@pytest.mark.parametrize(("stack", "size", "storage"), [("dev-aws", "db.m7g.large", 100), ("prod-aws", "db.r7g.2xlarge", 200)])
def test_servers_are_as_large_as_the_settings_say(stack: str, size: str, storage: int) -> None:
    """And their disks may grow."""
    for server in recorded(stack).of_type(SERVER):
        assert server.inputs["instanceClass"] == size and server.inputs["allocatedStorage"] == storage
        assert server.inputs["maxAllocatedStorage"] > storage


@pytest.mark.parametrize("stack", STACKS)
def test_keys_are_made_new_every_year_here_and_gone_only_after_a_month(stack: str) -> None:
    """All of them."""
    keys = recorded(stack).of_type(KEY)
    assert len(keys) == 13
    for key in keys:
        inputs = key.inputs
        assert inputs["enableKeyRotation"] is True and inputs["rotationPeriodInDays"] <= 365
        assert inputs["deletionWindowInDays"] == 30 and inputs["multiRegion"] is False


@pytest.mark.parametrize("stack", STACKS)
def test_a_keys_document_lets_in_its_own_account_and_services_under_conditions(stack: str) -> None:
    """A service of AWS without a condition could be sent by anybody's account."""
    for key in recorded(stack).of_type(KEY):
        owner, *others = document(key)
        assert owner["Principal"]["AWS"].endswith(":root") and owner["Effect"] == "Allow"
        allowed = [one for one in others if one["Effect"] == "Allow"]
        assert all("Service" in one["Principal"] and one["Condition"] for one in allowed)


def test_the_vaults_key_is_not_deleted_in_one_deed() -> None:
    """Its document is changed first, by whoever means it."""
    _, refused = document(recorded("prod-aws").one(KEY, "keys-wrapping"))
    assert refused["Effect"] == "Deny" and refused["Principal"] == "*"
    assert set(refused["Action"]) == {"kms:ScheduleKeyDeletion", "kms:DisableKey"}


@pytest.mark.parametrize("stack", STACKS)
def test_places_for_secrets_are_empty_and_closed_with_the_services_own_key(stack: str) -> None:
    """One for everything that a program is told; the control node's own are closed with the key of its disk."""
    recording = recorded(stack)
    places = {f"secrets-{one}-{secret.name}": f"{one}-secrets" for one in Service for secret in PROGRAMS[one].secrets}
    places |= {f"secrets-{CONTROL}-{name}": "disk" for name in CONTROL_SECRETS}
    assert {one.name for one in recording.of_type(SECRET)} == set(places)
    for place in recording.of_type(SECRET):
        assert place.inputs["kmsKeyId"] == arn_of(recording, KEY, f"keys-{places[place.name]}")
        assert place.inputs["recoveryWindowInDays"] == 30 and "replicas" not in place.inputs


@pytest.mark.parametrize("stack", STACKS)
def test_logs_are_kept_for_more_than_a_year_closed_and_guarded(stack: str) -> None:
    """Those that RDS and ECS would make by themselves, too."""
    recording = recorded(stack)
    groups = recording.of_type("aws:cloudwatch/logGroup:LogGroup")
    key = arn_of(recording, KEY, "keys-logs")
    environment = stack.partition("-")[0]
    exported = {f"/aws/rds/instance/trimaran-{environment}-{one}/{log}" for one in DATABASES for log in ("postgresql", "upgrade")}
    insights = {f"/aws/ecs/containerinsights/trimaran-{environment}-site/performance"}
    own = {f"/trimaran/{environment}/{one}" for one in (*Service, "network")}
    assert {one.inputs["name"] for one in groups} == exported | insights | own
    for group in groups:
        assert group.inputs["retentionInDays"] >= 365 and group.inputs["kmsKeyId"] == key
        assert group.inputs["deletionProtectionEnabled"] is True


@pytest.mark.parametrize("stack", STACKS)
def test_servers_wait_for_their_logs(stack: str) -> None:
    """One that is made first makes them itself: open to the account's key, and for ever."""
    recording = recorded(stack)
    for one in DATABASES:
        server = recording.one(SERVER, f"{one}-database")
        logs = {
            group.urn
            for group in recording.of_type("aws:cloudwatch/logGroup:LogGroup")
            if group.name.startswith(f"{one}-database")
        }
        assert len(logs) == 2 and logs <= set(server.dependencies)
        assert {f"/{name}" for name in server.inputs["enabledCloudwatchLogsExports"]} == {"/postgresql", "/upgrade"}


@pytest.mark.parametrize("stack", STACKS)
def test_the_trail_sees_every_region_and_proves_its_files(stack: str) -> None:
    """With a key of its own."""
    recording = recorded(stack)
    (trail,) = recording.of_type("aws:cloudtrail/trail:Trail")
    for option in ("isMultiRegionTrail", "includeGlobalServiceEvents", "enableLogFileValidation", "enableLogging"):
        assert trail.inputs[option] is True
    assert trail.inputs["kmsKeyId"] == arn_of(recording, KEY, "keys-trail")


@pytest.mark.parametrize(("stack", "mode"), [("dev-aws", "GOVERNANCE"), ("prod-aws", "COMPLIANCE")])
def test_the_trails_files_are_locked_for_more_than_a_year(stack: str, mode: str) -> None:
    """In production for everybody."""
    recording = recorded(stack)
    (lock,) = recording.of_type(LOCK)
    retention = lock.inputs["rule"]["defaultRetention"]
    assert retention["mode"] == mode and retention["days"] >= 365
    (bucket,) = recording.of_type("aws:s3/bucket:Bucket")
    assert bucket.inputs["objectLockEnabled"] is True and bucket.inputs["forceDestroy"] is False
    (aging,) = recording.of_type("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration")
    (rule,) = aging.inputs["rules"]
    assert rule["expiration"]["days"] > retention["days"]
    assert rule["noncurrentVersionExpiration"]["noncurrentDays"] > retention["days"]


@pytest.mark.parametrize("stack", STACKS)
def test_the_trails_bucket_is_closed_to_everybody_and_believes_one_trail(stack: str) -> None:
    """Also to whoever comes without TLS."""
    recording = recorded(stack)
    (block,) = recording.of_type("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")
    for option in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"):
        assert block.inputs[option] is True
    (sealed,) = recording.of_type("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration")
    (rule,) = sealed.inputs["rules"]
    assert rule["applyServerSideEncryptionByDefault"]["kmsMasterKeyId"] == arn_of(recording, KEY, "keys-trail")
    (policy,) = recording.of_type("aws:s3/bucketPolicy:BucketPolicy")
    *allowed, refused = document(policy)
    (trail,) = recording.of_type("aws:cloudtrail/trail:Trail")
    assert {one["Condition"]["StringEquals"]["aws:SourceArn"].rpartition("/")[2] for one in allowed} == {trail.inputs["name"]}
    assert refused["Effect"] == "Deny" and refused["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert policy.urn in trail.dependencies


@pytest.mark.parametrize("stack", STACKS)
def test_somebody_looks_while_it_happens(stack: str) -> None:
    """GuardDuty, at logins to databases, too."""
    recording = recorded(stack)
    (detector,) = recording.of_type("aws:guardduty/detector:Detector")
    assert detector.inputs["enable"] is True
    features = recording.of_type("aws:guardduty/detectorFeature:DetectorFeature")
    assert {one.inputs["name"]: one.inputs["status"] for one in features} == {
        "S3_DATA_EVENTS": "ENABLED",
        "RDS_LOGIN_EVENTS": "ENABLED",
    }


@pytest.mark.parametrize("stack", STACKS)
def test_images_lie_in_this_cloud_scanned_and_never_replaced(stack: str) -> None:
    """Each service's in its own repository, which its image names; and what the control node runs in two more."""
    recording = recorded(stack)
    repositories = recording.of_type("aws:ecr/repository:Repository")
    assert {one.inputs["name"] for one in repositories} == {f"trimaran/{one}" for one in (*Service, *CONTROL_IMAGES)}
    told: dict[str, str] = recording.outputs["repositories"]
    assert {name: address.partition("/")[2] for name, address in told.items()} == {
        one: f"trimaran/{one}" for one in CONTROL_IMAGES
    }
    for one in repositories:
        assert one.inputs["imageTagMutability"] == "IMMUTABLE" and one.inputs["imageScanningConfiguration"]["scanOnPush"] is True
        (sealed,) = one.inputs["encryptionConfigurations"]
        assert sealed == {"encryptionType": "KMS", "kmsKey": arn_of(recording, KEY, "keys-images")}
        assert one.inputs["forceDelete"] is False


def test_roles_of_one_service_read_nothing_of_another() -> None:
    """Whoever gets into screening has no password of the vault."""
    recording = recorded_live("prod-aws")
    arns = {one.name: one.outputs["arn"] for one in recording.of_type(SECRET)}
    for service in Service:
        statements = document(recording.one("aws:iam/rolePolicy:RolePolicy", f"runtime-who-{service}-start"))
        by_action = {action: one for one in statements for action in one["Action"]}
        own = {arn for name, arn in arns.items() if name.startswith(f"secrets-{service}-")}
        assert set(by_action["secretsmanager:GetSecretValue"]["Resource"]) == own
        assert by_action["kms:Decrypt"]["Resource"] == arn_of(recording, KEY, f"keys-{service}-secrets")
        assert by_action["kms:Decrypt"]["Condition"] == {
            "StringEquals": {"kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com"}
        }
        assert by_action["ecr:BatchGetImage"]["Resource"] == arn_of(
            recording, "aws:ecr/repository:Repository", f"runtime-{service}"
        )
        log = arn_of(recording, "aws:cloudwatch/logGroup:LogGroup", f"runtime-{service}")
        assert by_action["logs:PutLogEvents"]["Resource"] == f"{log}:*"
        assert {action for action, one in by_action.items() if one["Resource"] == "*"} == {"ecr:GetAuthorizationToken"}


def test_only_the_vault_may_do_anything_and_only_with_its_own_key() -> None:
    """And prove itself to Azure, for one audience."""
    recording = recorded("prod-aws")
    policies = {one.inputs["role"] for one in recording.of_type("aws:iam/rolePolicy:RolePolicy")}
    assert policies == {*(f"trimaran-prod-{one}-start" for one in Service), "trimaran-prod-vault", "trimaran-prod-flows"}
    wraps, proves = document(recording.one("aws:iam/rolePolicy:RolePolicy", "runtime-who-vault"))
    assert wraps["Action"] == ["kms:Encrypt", "kms:Decrypt", "kms:DescribeKey"]
    assert wraps["Resource"] == recording.outputs["wrapping_key"]
    assert proves["Action"] == ["sts:GetWebIdentityToken"]
    assert proves["Condition"]["ForAllValues:StringEquals"] == {"sts:IdentityTokenAudience": ["api://AzureADTokenExchange"]}
    assert proves["Condition"]["Null"] == {"sts:IdentityTokenAudience": "false"}


@pytest.mark.parametrize("stack", STACKS)
def test_roles_believe_one_service_of_aws_and_this_account(stack: str) -> None:
    """Nobody from outside acts as one."""
    recording = recorded(stack)
    for role in recording.of_type("aws:iam/role:Role"):
        (statement,) = document(role, "assumeRolePolicy")
        service = "vpc-flow-logs" if role.name == "audit-flows" else "ecs-tasks"
        assert statement["Principal"] == {"Service": f"{service}.amazonaws.com"}
        assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": recording.outputs["group"]}}


def test_a_smaller_database_in_the_settings_is_a_smaller_server() -> None:
    """The size is the settings', not the environment's."""
    changed = record("prod-aws", databases={"size": "small", "storage_gib": 150})
    assert {(one.inputs["instanceClass"], one.inputs["allocatedStorage"]) for one in changed.of_type(SERVER)} == {
        ("db.m7g.large", 150)
    }
