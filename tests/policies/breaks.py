"""What is made wrong, by the role of the stack, and who has to notice: exactly that control, and those of `also`.

Rows of a role are run against its sample, and against its real stacks (`landed.LANDED`). A row for a type that a stack does not
have is left out there; that every row has met something is the samples' part.
"""

import json
from collections.abc import Mapping

from tests.policies import breaks_rights as rights
from tests.policies.breaking import GONE, Break, How, InPreview
from tests.policies.samples import TAGS, script, task, trust

TRACED, NEVER = InPreview.TRACED, InPreview.NEVER


def _b(
    control: str,
    token: str,
    path: str,
    value: object,
    *,
    also: tuple[str, ...] = (),
    name: str = "",
    hand: bool = False,
    in_preview: InPreview = InPreview.REFUSED,
) -> Break:
    return Break(
        control=control, type=token, path=path, value=value, also=frozenset(also), name=name, hand=hand, in_preview=in_preview
    )


def _bare(token: str, also: tuple[str, ...] = ()) -> Break:
    return Break(control="stateful-protect", type=token, how=How.UNPROTECT, also=frozenset(also), in_preview=NEVER)


def _gone(control: str, token: str, name: str = "", also: tuple[str, ...] = (), hand: bool = False) -> Break:
    return Break(control=control, type=token, how=How.REMOVE, name=name, also=frozenset(also), in_preview=NEVER, hand=hand)


RDS, FLEXIBLE, SQL = (
    "aws:rds/instance:Instance",
    "azure-native:dbforpostgresql:Server",
    "gcp:sql/databaseInstance:DatabaseInstance",
)
INGRESS, TASK = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "aws:ecs/taskDefinition:TaskDefinition"
APP, RUN = "azure-native:app:ContainerApp", "gcp:cloudrunv2/service:Service"
CERTIFICATE, WORKERS = "azure-native:app:Certificate", "gcp:cloudrunv2/workerPool:WorkerPool"
COPIES = "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication"
POOL = "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider"
PARAMETER = "azure-native:dbforpostgresql:Configuration"
WALL, WALL_POLICY = "azure-native:network:AzureFirewall", "azure-native:network:FirewallPolicy"
PASSED = "azure-native:network:FirewallPolicyRuleCollectionGroup"
ANYTHING = {"ruleType": "NetworkRule", "ipProtocols": ["TCP"], "sourceAddresses": ["*"], "destinationPorts": ["5432"]}
"""Of Azure's firewall: from everywhere to databases."""
LOCKED = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
UNCHANGED = "immutableStorageWithVersioning.immutabilityPolicy"
COPY = "azure-native:containerregistry:Replication"
CMK = "encryption-at-rest-cmk"
OTHER_TAGS = {**TAGS, "residency": "us"}

AWS = (
    _b("region-pinned", "pulumi:providers:aws", "region", "us-east-1"),
    _b("region-pinned", RDS, "region", "eu-west-1"),
    _b("explicit-provider", "pulumi:providers:aws", "allowedAccountIds", json.dumps(["999999999999"])),
    Break(
        control="explicit-provider",
        type="aws:ec2/vpc:Vpc",
        how=How.UNPROVIDE,
        also=frozenset({"tags-required"}),
        in_preview=NEVER,
    ),
    _b("tags-required", "pulumi:providers:aws", "defaultTags", json.dumps({"tags": {"app": "trimaran"}})),
    _b("tags-required", RDS, "tags", OTHER_TAGS),
    _b("no-extra-jurisdiction-replica", "aws:kms/key:Key", "multiRegion", True),
    _b("no-extra-jurisdiction-replica", "aws:secretsmanager/secret:Secret", "replicas", [{"region": "us-east-1"}]),
    _b(
        "no-extra-jurisdiction-replica",
        "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication",
        "region",
        "us-east-1",
    ),
    _b(CMK, RDS, "storageEncrypted", False),
    _b(CMK, RDS, "kmsKeyId", GONE, in_preview=TRACED),
    _b(CMK, RDS, "kmsKeyId", "arn:aws:kms:eu-central-1:1:alias/aws/rds", in_preview=NEVER),
    _b(CMK, "aws:cloudwatch/logGroup:LogGroup", "kmsKeyId", "", in_preview=TRACED),
    _b(CMK, "aws:secretsmanager/secret:Secret", "kmsKeyId", GONE, in_preview=TRACED),
    _b(CMK, "aws:ecr/repository:Repository", "encryptionConfigurations[0].encryptionType", "AES256"),
    _b("kms-rotation", "aws:kms/key:Key", "enableKeyRotation", False),
    _b("kms-rotation", "aws:kms/key:Key", "deletionWindowInDays", 7),
    _b("kms-rotation", "aws:kms/key:Key", "rotationPeriodInDays", 366),
    _b("tls-in-transit", "aws:lb/listener:Listener", "sslPolicy", "ELBSecurityPolicy-2016-08", name="door", hand=True),
    _b("tls-in-transit", "aws:lb/listener:Listener", "defaultActions[0].type", "forward", name="plain", hand=True),
    _b("tls-in-transit", "aws:lb/listener:Listener", "port", 80, name="passed", hand=True),
    _b("tls-in-transit", "aws:lb/targetGroup:TargetGroup", "port", 443, name="passed", hand=True),
    _b("tls-in-transit", "aws:lb/targetGroup:TargetGroup", "protocol", "HTTP"),
    _b("pg-tls-required", "aws:rds/parameterGroup:ParameterGroup", "parameters[0].value", "0", hand=True),
    _b("pg-logical-replication", "aws:rds/parameterGroup:ParameterGroup", "parameters[1].value", "0", hand=True),
    _gone("pg-tls-required", "aws:rds/parameterGroup:ParameterGroup", also=("pg-logical-replication",)),
    _b("pg-ha", RDS, "multiAz", False),
    _b("pg-backup", RDS, "backupRetentionPeriod", 7),
    _b("pg-backup", RDS, "deleteAutomatedBackups", True),
    _b("pg-backup", RDS, "skipFinalSnapshot", True, also=("no-force-destroy",)),
    _b("pg-backup", RDS, "finalSnapshotIdentifier", GONE),
    _b("pg-private", RDS, "publiclyAccessible", True),
    _b("pg-version-floor", RDS, "engineVersion", "16.9"),
    _b("pg-delete-guard", RDS, "deletionProtection", False),
    _bare(RDS, ("pg-delete-guard",)),
    _bare("aws:kms/key:Key"),
    _bare("aws:secretsmanager/secret:Secret"),
    _bare("aws:globalaccelerator/accelerator:Accelerator"),
    _bare("aws:cloudwatch/logGroup:LogGroup"),
    _bare("aws:s3/bucket:Bucket"),
    *(_bare(one) for one in ("aws:ecs/service:Service", "aws:lb/listener:Listener")),
    _b("no-open-ingress", INGRESS, "cidrIpv4", "0.0.0.0/0", name="mesh", hand=True),
    _b("no-open-ingress", INGRESS, "cidrIpv4", "0.0.0.0/1", name="mesh", hand=True),
    _b("no-open-ingress", INGRESS, "toPort", 444, name="door", hand=True, in_preview=InPreview.REFUSED),
    _b("no-open-ingress", INGRESS, "cidrIpv6", "::/0", name="mesh", hand=True),
    _b(
        "no-open-ingress",
        "aws:ec2/securityGroup:SecurityGroup",
        "ingress",
        [{"cidrBlocks": ["0.0.0.0/0"], "fromPort": 22, "toPort": 22}],
    ),
    _b("no-open-ingress", "aws:ec2/subnet:Subnet", "mapPublicIpOnLaunch", True),
    _b("no-open-ingress", "aws:ecs/service:Service", "networkConfiguration.assignPublicIp", True),
    _b("no-open-ingress", "aws:globalaccelerator/listener:Listener", "portRanges[0].toPort", 8443),
    _b("no-open-ingress", "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "blockPublicPolicy", False),
    _gone("encryption-key-of-ours", "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"),
    _gone("default-sg-locked", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"),
    _b("default-sg-locked", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "ingress", [{"protocol": "-1"}]),
    _gone("flow-logs-on", "aws:ec2/flowLog:FlowLog"),
    _gone("waf-or-exempt", "aws:wafv2/webAclAssociation:WebAclAssociation"),
    _b("audit-retention", "aws:cloudwatch/logGroup:LogGroup", "retentionInDays", 90),
    _b("audit-retention", "aws:cloudwatch/logGroup:LogGroup", "deletionProtectionEnabled", False),
    _b("audit-retention", LOCKED, "rule.defaultRetention.days", 90),
    _b("audit-retention", "aws:cloudtrail/trail:Trail", "enableLogFileValidation", False),
    _b("secrets-not-plaintext", TASK, "containerDefinitions", task(DATABASE_PASSWORD="x"), in_preview=TRACED),
    _b("secrets-not-plaintext", RDS, "password", "hunter2"),
    _b("image-digest", TASK, "containerDefinitions", task(image="r/edge:latest"), in_preview=NEVER),
    _b("container-min-capacity", "aws:ecs/service:Service", "desiredCount", 1),
    _b("container-min-capacity", "aws:appautoscaling/target:Target", "minCapacity", 1),
    _b("no-force-destroy", "aws:s3/bucket:Bucket", "forceDestroy", True),
    _b("no-force-destroy", "aws:secretsmanager/secret:Secret", "recoveryWindowInDays", 0),
)
AZURE = (
    _b("region-pinned", FLEXIBLE, "location", "westus2"),
    _b("region-pinned", "pulumi:providers:azure-native", "location", "westeurope"),
    _b("explicit-provider", "pulumi:providers:azure-native", "subscriptionId", "00000000-0000-0000-0000-000000000009"),
    Break(control="explicit-provider", type=FLEXIBLE, how=How.UNPROVIDE, in_preview=NEVER),
    _b("no-extra-jurisdiction-replica", FLEXIBLE, "backup.geoRedundantBackup", GONE),
    _b("no-extra-jurisdiction-replica", "azure-native:storage:StorageAccount", "sku.name", "Standard_GRS"),
    _b("no-extra-jurisdiction-replica", COPY, "location", "centralus", also=("region-pinned",)),
    _b("no-extra-jurisdiction-replica", COPY, "location", "southcentralus", also=("region-pinned",)),
    _b(CMK, FLEXIBLE, "dataEncryption.type", "SystemManaged"),
    _b(CMK, FLEXIBLE, "dataEncryption.primaryKeyURI", GONE, in_preview=TRACED),
    _b(CMK, "azure-native:storage:StorageAccount", "encryption.keySource", "Microsoft.Storage"),
    _b(CMK, "azure-native:containerregistry:Registry", "encryption.status", "disabled"),
    _b("no-open-ingress", "azure-native:storage:StorageAccount", "allowBlobPublicAccess", True),
    _b("kms-rotation", "azure-native:keyvault:Vault", "properties.enablePurgeProtection", False),
    _b("kms-rotation", "azure-native:keyvault:Vault", "properties.softDeleteRetentionInDays", 7),
    _b(
        "kms-rotation", "azure-native:keyvault:Key", "properties.rotationPolicy.lifetimeActions[0].trigger.timeAfterCreate", "P2Y"
    ),
    _b("tls-in-transit", APP, "configuration.ingress.allowInsecure", True),
    _b("tls-in-transit", "azure-native:storage:StorageAccount", "minimumTlsVersion", "TLS1_0"),
    _gone("pg-tls-required", PARAMETER, "payments-require_secure_transport", hand=True),
    _gone("pg-logical-replication", PARAMETER, "payments-wal_level", hand=True),
    _b(
        "pg-tls-required",
        PARAMETER,
        "value",
        "TLSv1.1",
        name="payments-ssl_min_protocol_version",
        hand=True,
    ),
    _b("pg-ha", FLEXIBLE, "highAvailability.mode", "SameZone"),
    _b("pg-backup", FLEXIBLE, "backup.backupRetentionDays", 34),
    _b("pg-private", FLEXIBLE, "network.publicNetworkAccess", "Enabled"),
    _b("pg-private", FLEXIBLE, "network.delegatedSubnetResourceId", GONE, in_preview=TRACED),
    _b("pg-version-floor", FLEXIBLE, "version", "19"),
    _bare(FLEXIBLE, ("pg-delete-guard",)),
    _bare("azure-native:keyvault:Vault"),
    _bare("azure-native:keyvault:Key"),
    _bare("azure-native:storage:StorageAccount"),
    _bare("azure-native:app:ManagedEnvironment"),
    _bare(APP),
    _gone("pg-delete-lock", "azure-native:authorization:ManagementLockByScope", hand=True),
    _b("pg-delete-lock", "azure-native:authorization:ManagementLockByScope", "level", "ReadOnly", hand=True),
    _b(
        "no-open-ingress", "azure-native:network:NetworkSecurityGroup", "securityRules[1].sourceAddressPrefixes", ["*"], hand=True
    ),
    _b("no-open-ingress", "azure-native:network:NetworkSecurityGroup", "securityRules[0].destinationPortRange", "22", hand=True),
    _b("no-open-ingress", APP, "configuration.ingress.additionalPortMappings", [{"targetPort": 22, "external": True}]),
    _b("no-open-ingress", APP, "configuration.ingress.additionalPortMappings", [{"targetPort": 8444, "exposedPort": 22}]),
    _b("no-open-ingress", "azure-native:app:ManagedEnvironment", "vnetConfiguration.internal", False),
    _b("no-open-ingress", PASSED, "ruleCollections[0].rules[0].destinationPorts", ["5432"]),
    _b("no-open-ingress", PASSED, "ruleCollections[0].rules[0].destinationPorts", ["443", "22"]),
    _b("no-open-ingress", PASSED, "ruleCollections[0].rules[0].translatedPort", "5432"),
    _b("no-open-ingress", PASSED, "ruleCollections[0].rules[0].translatedPort", "8445"),
    _b("no-open-ingress", PASSED, "ruleCollections[0].rules[0].ipProtocols", ["Any"]),
    _b("no-open-ingress", PASSED, "ruleCollections[0].rules[0]", ANYTHING),
    _b("no-open-ingress", WALL, "natRuleCollections", [{"name": "beside"}]),
    _b("no-open-ingress", WALL_POLICY, "basePolicy", {"id": "above"}),
    _gone("flow-logs-on", "azure-native:network:FlowLog"),
    _b("audit-retention", "azure-native:operationalinsights:Workspace", "retentionInDays", 30),
    _b("audit-retention", "azure-native:storage:StorageAccount", "immutableStorageWithVersioning", GONE),
    _b("audit-retention", "azure-native:storage:StorageAccount", f"{UNCHANGED}.immutabilityPeriodSinceCreationInDays", 90),
    _b("audit-retention", "azure-native:storage:StorageAccount", f"{UNCHANGED}.state", "Disabled"),
    _b("no-long-lived-keys", "azure-native:storage:StorageAccount", "allowSharedKeyAccess", True),
    _b("no-long-lived-keys", "azure-native:containerregistry:Registry", "adminUserEnabled", True),
    _b("secrets-not-plaintext", APP, "template.containers[0].env", [{"name": "DATABASE_PASSWORD", "value": "x"}]),
    _b("secrets-not-plaintext", APP, "configuration.secrets", [{"name": "token", "value": "x"}]),
    _b("secrets-not-plaintext", CERTIFICATE, "properties.value", "MIIKcQIBAzCC"),
    _b("secrets-not-plaintext", CERTIFICATE, "properties.password", "hunter2"),
    _b("tags-required", CERTIFICATE, "tags", OTHER_TAGS),
    _b("image-digest", APP, "template.containers[0].image", "r/edge:latest"),
    _b("waf-or-exempt", APP, "configuration.ingress.external", True, in_preview=NEVER, hand=True),
    _b("container-min-capacity", APP, "template.scale.minReplicas", 1),
    _b("tags-required", FLEXIBLE, "tags", {key: value for key, value in TAGS.items() if key != "owner"}),
)
GCP = (
    _b("region-pinned", SQL, "region", "us-central1"),
    _b("region-pinned", "pulumi:providers:gcp", "region", "us-central1"),
    _b("region-pinned", "gcp:kms/keyRing:KeyRing", "location", "global"),
    _b("explicit-provider", "pulumi:providers:gcp", "project", "somebody-elses"),
    _b("tags-required", "pulumi:providers:gcp", "defaultLabels", GONE),
    _b("no-extra-jurisdiction-replica", SQL, "settings.backupConfiguration.location", "us"),
    _b("no-extra-jurisdiction-replica", SQL, "settings.backupConfiguration.location", GONE),
    _b(CMK, SQL, "encryptionKeyName", GONE, in_preview=TRACED),
    _b(CMK, "gcp:secretmanager/regionalSecret:RegionalSecret", "customerManagedEncryption", GONE, in_preview=TRACED),
    _b(CMK, "gcp:artifactregistry/repository:Repository", "kmsKeyName", GONE, in_preview=TRACED),
    _b("kms-rotation", "gcp:kms/cryptoKey:CryptoKey", "rotationPeriod", "40000000s"),
    _b("kms-rotation", "gcp:kms/cryptoKey:CryptoKey", "destroyScheduledDuration", "86400s"),
    _b("tls-in-transit", "gcp:compute/regionSslPolicy:RegionSslPolicy", "profile", "COMPATIBLE"),
    _b(
        "tls-in-transit",
        "gcp:compute/regionTargetHttpsProxy:RegionTargetHttpsProxy",
        "sslPolicy",
        GONE,
        in_preview=TRACED,
        hand=True,
    ),
    _b("tls-in-transit", "gcp:compute/regionBackendService:RegionBackendService", "protocol", "HTTP", hand=True),
    _b("pg-tls-required", SQL, "settings.ipConfiguration.sslMode", "ALLOW_UNENCRYPTED_AND_ENCRYPTED"),
    _b("pg-logical-replication", SQL, "settings.databaseFlags", []),
    _b("pg-ha", SQL, "settings.availabilityType", "ZONAL"),
    _b("pg-backup", SQL, "settings.backupConfiguration.pointInTimeRecoveryEnabled", False),
    _b("pg-backup", SQL, "settings.backupConfiguration.transactionLogRetentionDays", 3),
    _b("pg-backup", SQL, "settings.retainBackupsOnDelete", False),
    _b("pg-backup", SQL, "settings.backupConfiguration.backupRetentionSettings.retainedBackups", 7),
    _b("pg-private", SQL, "settings.ipConfiguration.ipv4Enabled", True),
    _b("pg-private", SQL, "settings.ipConfiguration.authorizedNetworks", [{"value": "0.0.0.0/0"}]),
    _b("pg-private", SQL, "settings.ipConfiguration.privateNetwork", GONE, in_preview=TRACED),
    _b("pg-version-floor", SQL, "databaseVersion", "POSTGRES_15"),
    _b("pg-delete-guard", SQL, "deletionProtection", False),
    _b("pg-delete-guard", SQL, "settings.deletionProtectionEnabled", GONE),
    _bare(SQL, ("pg-delete-guard",)),
    _bare("gcp:kms/cryptoKey:CryptoKey"),
    _bare("gcp:logging/projectBucketConfig:ProjectBucketConfig"),
    *(_bare(one) for one in (RUN, WORKERS)),
    _bare("gcp:compute/address:Address"),
    _bare("gcp:resourcemanager/lien:Lien"),
    _b("no-open-ingress", "gcp:compute/firewall:Firewall", "sourceRanges", ["0.0.0.0/0"], name="mesh", hand=True),
    _b("no-open-ingress", "gcp:compute/firewall:Firewall", "sourceRanges", GONE, name="mesh", hand=True),
    _b("no-open-ingress", "gcp:compute/firewall:Firewall", "sourceTags", GONE, name="tagged", hand=True),
    _b("no-open-ingress", RUN, "ingress", "INGRESS_TRAFFIC_ALL"),
    _b("no-open-ingress", RUN, "defaultUriDisabled", False),
    _b("no-open-ingress", "gcp:compute/forwardingRule:ForwardingRule", "portRange", "80", hand=True),
    _b("flow-logs-on", "gcp:compute/subnetwork:Subnetwork", "logConfig", GONE),
    _b(
        "waf-or-exempt",
        "gcp:compute/regionBackendService:RegionBackendService",
        "securityPolicy",
        GONE,
        in_preview=NEVER,
        hand=True,
    ),
    _b("audit-retention", "gcp:logging/projectBucketConfig:ProjectBucketConfig", "retentionDays", 30),
    _b("audit-retention", "gcp:logging/projectBucketConfig:ProjectBucketConfig", "deletionPolicy", "DELETE"),
    _b("secrets-not-plaintext", RUN, "template.containers[0].envs", [{"name": "DATABASE_PASSWORD", "value": "x"}]),
    _b("secrets-not-plaintext", SQL, "rootPassword", "hunter2"),
    _b("image-digest", RUN, "template.containers[0].image", "r/edge:latest"),
    _b("container-min-capacity", RUN, "template.scaling.minInstanceCount", 1, hand=True),
    _b(CMK, WORKERS, "template.encryptionKey", GONE, in_preview=TRACED),
    _b("secrets-not-plaintext", WORKERS, "template.containers[0].envs", [{"name": "DATABASE_PASSWORD", "value": "x"}]),
    _b("image-digest", WORKERS, "template.containers[0].image", "r/webhooks:latest"),
    _b("container-min-capacity", WORKERS, "scaling.manualInstanceCount", 1),
)
VPN = "aws:ec2/vpnConnection:VpnConnection"
WAY, TUNNEL = "azure-native:network:VirtualNetworkGatewayConnection", "gcp:compute/vPNTunnel:VPNTunnel"
INTERCONNECT = (
    _b("vpn-crypto", VPN, "tunnel1IkeVersions", ["ikev1", "ikev2"]),
    _b("vpn-crypto", VPN, "tunnel2Phase2EncryptionAlgorithms", GONE),
    _b("vpn-crypto", VPN, "tunnel2Phase1DhGroupNumbers", [14]),
    _b("vpn-crypto", WAY, "connectionProtocol", "IKEv1"),
    _b("vpn-crypto", WAY, "ipsecPolicies[0].ipsecEncryption", "AES128"),
    _b("vpn-crypto", WAY, "ipsecPolicies", []),
    _b("vpn-crypto", TUNNEL, "ikeVersion", 1),
    _b("vpn-crypto", TUNNEL, "cipherSuite", GONE),
    _b("vpn-crypto", TUNNEL, "cipherSuite.phase1.encryptions", ["AES-CBC-128"]),
    _b("vpn-crypto", TUNNEL, "cipherSuite.phase1.prves", ["PRF-HMAC-SHA1"]),
    _b("vpn-crypto", TUNNEL, "cipherSuite.phase1.dhs", ["Group-20", "Group-2"]),
    _b("vpn-crypto", TUNNEL, "cipherSuite.phase1.integrities", ["HMAC-SHA1-96"]),
    _b("vpn-crypto", TUNNEL, "cipherSuite.phase2.encryptions", ["AES-GCM-16-256", "AES-CBC-128"]),
    _b("vpn-crypto", TUNNEL, "cipherSuite.phase2.integrities", ["HMAC-SHA1-96"]),
    _b("vpn-crypto", TUNNEL, "cipherSuite.phase2.pfs", GONE),
    _b("vpn-crypto", TUNNEL, "router", GONE, in_preview=TRACED),
    _b("vpn-secret-from-output", VPN, "tunnel1PresharedKey", "typed-by-hand", in_preview=NEVER, hand=True),
    _gone("vpn-mesh-complete", VPN),
    _gone("vpn-mesh-complete", "gcp:compute/routerPeer:RouterPeer", "azure-0", hand=True),
    _b("vpn-mesh-complete", "azure-native:network:LocalNetworkGateway", "bgpSettings.asn", 1, name="gcp-0", hand=True),
    _bare("aws:ec2/vpnGateway:VpnGateway"),
    _bare("azure-native:network:VirtualNetworkGateway"),
    _bare("gcp:compute/haVpnGateway:HaVpnGateway"),
)
DNS = "dns-three-authorities"
RECORD, ENDPOINT = "aws:route53/record:Record", "azure-native:trafficmanager:Endpoint"
EDGE = (
    _gone(DNS, "azure-native:dns:Zone"),
    _gone(DNS, "gcp:dns/recordSet:RecordSet", "api", hand=True),
    _gone(DNS, "aws:route53/record:Record", "ns", hand=True),
    _b(DNS, "azure-native:resources:Deployment", "properties.template.resources", [], in_preview=TRACED),
    _b(DNS, RECORD, "ttl", 300, name="api-0", hand=True),
    _b(DNS, "azure-native:trafficmanager:Profile", "dnsConfig.ttl", 300),
    _b(DNS, "azure-native:trafficmanager:Profile", "dnsConfig.ttl", 45),
    _b(DNS, ENDPOINT, "target", "198.51.100.1", in_preview=TRACED, hand=True),
    Break(control=DNS, type=ENDPOINT, how=How.UNIGNORE, in_preview=NEVER),
    Break(control=DNS, type=RECORD, how=How.UNIGNORE, name="api-1", in_preview=NEVER, hand=True),
    _b("no-force-destroy", "aws:route53/zone:Zone", "forceDestroy", True),
    _b("tls-in-transit", "aws:route53/healthCheck:HealthCheck", "type", "HTTP"),
    _bare("aws:route53/zone:Zone"),
    _bare("azure-native:dns:Zone"),
    _bare("gcp:dns/managedZone:ManagedZone"),
)
ROLE, FEDERATED = "aws:iam/role:Role", "azure-native:managedidentity:FederatedIdentityCredential"
LEAKS = script('export A=1\npassword="correct-horse"')
VM, NODE, MACHINE = "azure-native:compute:VirtualMachine", "aws:ec2/instance:Instance", "gcp:compute/instance:Instance"
CONTROL = (
    _b("federation-conditions", ROLE, "assumeRolePolicy", trust("accounts.google.com", sub="1"), in_preview=TRACED, hand=True),
    _b(
        "federation-conditions",
        ROLE,
        "assumeRolePolicy",
        trust("accounts.google.com", aud="a", sub="*"),
        in_preview=TRACED,
        hand=True,
    ),
    _b("federation-conditions", FEDERATED, "subject", "repo:*", in_preview=TRACED),
    _b("federation-conditions", FEDERATED, "audiences", ["*"]),
    _b(
        "federation-conditions",
        POOL,
        "attributeCondition",
        GONE,
        in_preview=TRACED,
    ),
    _b("vm-hardening", NODE, "metadataOptions.httpTokens", "optional"),
    _b("vm-hardening", NODE, "associatePublicIpAddress", True),
    _b("vm-hardening", NODE, "keyName", "ops"),
    _b("vm-hardening", VM, "securityProfile.uefiSettings.secureBootEnabled", False),
    _b("vm-hardening", VM, "osProfile.adminPassword", "x"),
    _b("vm-hardening", "azure-native:network:NetworkInterface", "ipConfigurations[0].publicIPAddress", {"id": "p"}),
    _b("vm-hardening", MACHINE, "shieldedInstanceConfig.enableSecureBoot", False),
    _b("vm-hardening", MACHINE, "networkInterfaces[0].accessConfigs", [{}]),
    _b("secrets-not-plaintext", NODE, "userData", "export DB_PASSWORD=correct-horse", in_preview=TRACED),
    _b("secrets-not-plaintext", NODE, "userDataBase64", LEAKS["aws"], in_preview=TRACED),
    _b("secrets-not-plaintext", VM, "osProfile.customData", LEAKS["azure"], in_preview=TRACED),
    _b("secrets-not-plaintext", MACHINE, "metadata.user-data", LEAKS["gcp"], in_preview=TRACED),
    _b(CMK, MACHINE, "bootDisk.kmsKeySelfLink", GONE, in_preview=TRACED),
    _b("region-pinned", MACHINE, "zone", "us-central1-a"),
    _b(CMK, "aws:ebs/volume:Volume", "encrypted", False),
    _b(CMK, "azure-native:compute:Disk", "encryption.diskEncryptionSetId", GONE, in_preview=NEVER),
    _b(CMK, "gcp:compute/disk:Disk", "diskEncryptionKey.kmsKeySelfLink", GONE, in_preview=NEVER),
    _bare("aws:ebs/volume:Volume"),
    _bare("azure-native:compute:Disk"),
    _bare("gcp:compute/disk:Disk"),
)
BREAKS: Mapping[str, tuple[Break, ...]] = {
    "aws": (*AWS, *rights.AWS),
    "azure": (*AZURE, *rights.AZURE),
    "gcp": (*GCP, *rights.GCP),
    "interconnect": INTERCONNECT,
    "edge": EDGE,
    "control": (*CONTROL, *rights.CONTROL),
}
