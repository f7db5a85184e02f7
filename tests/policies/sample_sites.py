"""Samples of the three sites."""

from typing import Any

from tests.policies.samples import AZURE_REGION, DIGEST, GCP_REGION, KEYS, TAGS, Stack, Told, clouds, may, task

BUCKET_KEY = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"


def aws() -> list[Told]:
    """A site on AWS."""
    s = Stack("prod-aws")
    clouds(s, "aws")
    key = s.has("aws:kms/key:Key", "data", protect=True, enableKeyRotation=True, deletionWindowInDays=30, multiRegion=False)
    vpc = s.has("aws:ec2/vpc:Vpc", "network", cidrBlock="10.10.0.0/16")
    s.has("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "nobody", sources={"vpcId": vpc}, vpcId="network-id")
    s.has("aws:ec2/subnet:Subnet", "services-0", vpcId="network-id", cidrBlock="10.10.16.0/22", mapPublicIpOnLaunch=False)
    kept: dict[str, Any] = {"retentionInDays": 400, "deletionProtectionEnabled": True, "kmsKeyId": KEYS["aws"]}
    s.has("aws:cloudwatch/logGroup:LogGroup", "flows", protect=True, **kept)
    s.has("aws:ec2/flowLog:FlowLog", "flows", sources={"vpcId": vpc}, vpcId="network-id", trafficType="ALL")
    s.has("aws:ec2/securityGroup:SecurityGroup", "door", vpcId="network-id")
    rule: dict[str, Any] = {"ipProtocol": "tcp", "securityGroupId": "door-id"}
    s.has(
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        "door",
        cidrIpv4="0.0.0.0/0",
        fromPort=443.0,
        toPort=443.0,
        **rule,
    )
    s.has(
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        "mesh",
        cidrIpv4="10.20.0.0/16",
        fromPort=5432,
        toPort=5432,
        **rule,
    )
    parameters = [{"name": "rds.force_ssl", "value": "1"}, {"name": "rds.logical_replication", "value": "1"}]
    group = s.has("aws:rds/parameterGroup:ParameterGroup", "payments", family="postgres17", parameters=parameters)
    s.has(
        "aws:rds/instance:Instance",
        "payments",
        protect=True,
        sources={"parameterGroupName": group, "kmsKeyId": key},
        engineVersion="17",
        multiAz=True,
        storageEncrypted=True,
        kmsKeyId=KEYS["aws"],
        publiclyAccessible=False,
        backupRetentionPeriod=35,
        deletionProtection=True,
        deleteAutomatedBackups=False,
        skipFinalSnapshot=False,
        finalSnapshotIdentifier="last",
        parameterGroupName="payments",
        manageMasterUserPassword=True,
    )
    s.has(
        "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication",
        "elsewhere",
        region="eu-west-1",
        kmsKeyId=KEYS["aws"],
    )
    s.has("aws:secretsmanager/secret:Secret", "settings", protect=True, kmsKeyId=KEYS["aws"], recoveryWindowInDays=30)
    s.has("aws:ecr/repository:Repository", "edge", encryptionConfigurations=[{"encryptionType": "KMS", "kmsKey": KEYS["aws"]}])
    s.has("aws:ecs/taskDefinition:TaskDefinition", "edge", sources={"containerDefinitions": key}, containerDefinitions=task())
    s.has("aws:ecs/service:Service", "edge", protect=True, desiredCount=3, networkConfiguration={"assignPublicIp": False})
    s.has("aws:appautoscaling/target:Target", "edge", minCapacity=3, maxCapacity=8)
    s.has("aws:globalaccelerator/accelerator:Accelerator", "door", protect=True)
    s.has("aws:globalaccelerator/listener:Listener", "door", portRanges=[{"fromPort": 443, "toPort": 443}])
    balancer = s.has("aws:lb/loadBalancer:LoadBalancer", "door", loadBalancerType="application", internal=True)
    s.has("aws:wafv2/webAclAssociation:WebAclAssociation", "door", sources={"resourceArn": balancer}, resourceArn="arn")
    s.has("aws:lb/targetGroup:TargetGroup", "door", protocol="HTTPS", port=8443)
    s.has(
        "aws:lb/listener:Listener",
        "door",
        protect=True,
        port=443,
        protocol="HTTPS",
        sslPolicy="ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
        defaultActions=[{"type": "forward"}],
    )
    s.has("aws:lb/listener:Listener", "passed", protect=True, port=443, protocol="TCP", defaultActions=[{"type": "forward"}])
    s.has("aws:lb/targetGroup:TargetGroup", "passed", protocol="TCP", port=8443)
    s.has("aws:lb/listener:Listener", "plain", protect=True, port=80, protocol="HTTP", defaultActions=[{"type": "redirect"}])
    s.has("aws:cloudtrail/trail:Trail", "audit", kmsKeyId=KEYS["aws"], enableLogFileValidation=True)
    bucket = s.has("aws:s3/bucket:Bucket", "audit", protect=True)
    ours = [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": KEYS["aws"]}}]
    s.has(
        BUCKET_KEY,
        "audit",
        sources={"bucket": bucket},
        rules=ours,
    )
    shut: dict[str, Any] = {
        "blockPublicAcls": True,
        "blockPublicPolicy": True,
        "ignorePublicAcls": True,
        "restrictPublicBuckets": True,
    }
    s.has("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "audit", sources={"bucket": bucket}, **shut)
    lasts = {"defaultRetention": {"mode": "COMPLIANCE", "days": 400}}
    s.has("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration", "audit", protect=True, rule=lasts)
    s.has("aws:iam/rolePolicy:RolePolicy", "edge", sources={"policy": key}, policy=may("kms:Decrypt", KEYS["aws"]))
    return s.told


def azure() -> list[Told]:
    """A site on Azure."""
    s = Stack("prod-azure")
    clouds(s, "azure")
    here: dict[str, Any] = {"location": AZURE_REGION, "tags": TAGS}
    s.has("azure-native:resources:ResourceGroup", "site", **here)
    fills = ["Microsoft.KeyVault/vaults/secrets/setSecret/action"]
    s.has("azure-native:authorization:RoleDefinition", "fills", permissions=[{"actions": [], "dataActions": fills}])
    network = s.has("azure-native:network:VirtualNetwork", "network", **here)
    s.has(
        "azure-native:network:FlowLog",
        "flows",
        sources={"targetResourceId": network},
        targetResourceId="network-id",
        enabled=True,
    )
    rule: dict[str, Any] = {"direction": "Inbound", "access": "Allow", "protocol": "Tcp"}
    rules = [
        {"name": "door", "sourceAddressPrefix": "Internet", "destinationPortRange": "443", **rule},
        {"name": "mesh", "sourceAddressPrefixes": ["10.10.0.0/16"], "destinationPortRange": "5432", **rule},
        {"name": "nobody", "sourceAddressPrefix": "*", "destinationPortRange": "*", **rule, "access": "Deny"},
    ]
    s.has("azure-native:network:NetworkSecurityGroup", "services", securityRules=rules, **here)
    _firewall(s, here)
    keeps = {"tenantId": "t", "enablePurgeProtection": True, "softDeleteRetentionInDays": 90}
    s.has("azure-native:keyvault:Vault", "keys", protect=True, properties=keeps, **here)
    turns: dict[str, Any] = {"lifetimeActions": [{"trigger": {"timeAfterCreate": "P1Y"}, "action": {"type": "rotate"}}]}
    key = s.has("azure-native:keyvault:Key", "payments", protect=True, properties={"kty": "RSA-HSM", "rotationPolicy": turns})
    identity = s.has("azure-native:managedidentity:UserAssignedIdentity", "payments", **here)
    encryption = {"type": "AzureKeyVault", "primaryKeyURI": KEYS["azure"], "primaryUserAssignedIdentityId": "identity"}
    server = s.has(
        "azure-native:dbforpostgresql:Server",
        "payments",
        protect=True,
        sources={"dataEncryption": key, "network": network, "identity": identity},
        version="17",
        highAvailability={"mode": "ZoneRedundant"},
        backup={"backupRetentionDays": 35, "geoRedundantBackup": "Disabled"},
        network={"publicNetworkAccess": "Disabled", "delegatedSubnetResourceId": "subnet"},
        dataEncryption=encryption,
        **here,
    )
    for name, value in (("wal_level", "logical"), ("require_secure_transport", "on"), ("ssl_min_protocol_version", "TLSv1.2")):
        s.has(
            "azure-native:dbforpostgresql:Configuration",
            f"payments-{name}",
            sources={"serverName": server},
            serverName="payments",
            configurationName=name,
            value=value,
        )
    s.has(
        "azure-native:authorization:ManagementLockByScope",
        "payments",
        sources={"scope": server},
        scope="payments-id",
        level="CanNotDelete",
    )
    s.has("azure-native:operationalinsights:Workspace", "audit", protect=True, retentionInDays=365, **here)
    closed: dict[str, Any] = {
        "allowSharedKeyAccess": False,
        "allowBlobPublicAccess": False,
        "minimumTlsVersion": "TLS1_2",
        "enableHttpsTrafficOnly": True,
    }
    ours = {"keySource": "Microsoft.Keyvault", "keyVaultProperties": {"keyName": "audit"}}
    unchanged = {"immutabilityPeriodSinceCreationInDays": 400, "state": "Unlocked"}
    kept: dict[str, Any] = {
        "sku": {"name": "Standard_ZRS"},
        "immutableStorageWithVersioning": {"enabled": True, "immutabilityPolicy": unchanged},
    }
    s.has("azure-native:storage:StorageAccount", "audit", protect=True, encryption=ours, **kept, **closed, **here)
    s.has("azure-native:app:ManagedEnvironment", "environment", protect=True, vnetConfiguration={"internal": True}, **here)
    mapped = [{"external": True, "targetPort": 8444, "exposedPort": 8444}]
    ingress = {"external": False, "targetPort": 8443, "allowInsecure": False, "additionalPortMappings": mapped}
    places = [{"name": "token", "keyVaultUrl": "https://v.vault.azure.net/secrets/token", "identity": "identity"}]
    container = {"name": "edge", "image": f"r/edge{DIGEST}", "env": [{"name": "TOKEN", "secretRef": "token"}]}
    s.has(
        "azure-native:app:ContainerApp",
        "edge",
        protect=True,
        configuration={"ingress": ingress, "secrets": places},
        template={"containers": [container], "scale": {"minReplicas": 3}},
        **here,
    )
    door = {"certificateKeyVaultProperties": {"keyVaultUrl": "https://v.vault.azure.net/secrets/door", "identity": "identity"}}
    s.has("azure-native:app:Certificate", "door", properties=door, **here)
    s.has(
        "azure-native:containerregistry:Registry",
        "images",
        adminUserEnabled=False,
        encryption={"status": "enabled", "keyVaultProperties": {"keyIdentifier": KEYS["azure"]}},
        **here,
    )
    s.has("azure-native:containerregistry:Replication", "images", **here)
    s.has("azure-native:privatedns:PrivateZone", "databases", location="global", tags=TAGS)
    return s.told


def _firewall(s: Stack, here: dict[str, Any]) -> None:
    """By which clients come in."""
    s.has("azure-native:network:AzureFirewall", "door", zones=["1", "2", "3"], **here)
    s.has("azure-native:network:FirewallPolicy", "door", threatIntelMode="Alert", **here)
    clients = {"ruleType": "NatRule", "ipProtocols": ["TCP"], "sourceAddresses": ["*"], "destinationPorts": ["443"]}
    translated = {"action": {"type": "DNAT"}, "rules": [{**clients, "translatedAddress": "10.20.0.4", "translatedPort": "8443"}]}
    s.has("azure-native:network:FirewallPolicyRuleCollectionGroup", "door", ruleCollections=[translated])


def gcp() -> list[Told]:
    """A site on Google Cloud."""
    s = Stack("prod-gcp")
    clouds(s, "gcp")
    network = s.has("gcp:compute/network:Network", "network", autoCreateSubnetworks=False)
    s.has("gcp:compute/subnetwork:Subnetwork", "services", region=GCP_REGION, logConfig={"flowSampling": 1.0})
    s.has("gcp:compute/subnetwork:Subnetwork", "proxies", region=GCP_REGION, purpose="REGIONAL_MANAGED_PROXY")
    allows = [{"protocol": "tcp", "ports": ["5432"]}]
    s.has("gcp:compute/firewall:Firewall", "mesh", direction="INGRESS", sourceRanges=["10.10.0.0/16"], allows=allows)
    s.has("gcp:compute/firewall:Firewall", "tagged", direction="INGRESS", sourceTags=["edge"], allows=allows)
    s.has(
        "gcp:compute/firewall:Firewall", "nobody", direction="INGRESS", sourceRanges=["0.0.0.0/0"], denies=[{"protocol": "all"}]
    )
    s.has("gcp:kms/keyRing:KeyRing", "keys", protect=True, location=GCP_REGION)
    turns: dict[str, Any] = {"rotationPeriod": "7776000s", "destroyScheduledDuration": "2592000s"}
    key = s.has("gcp:kms/cryptoKey:CryptoKey", "payments", protect=True, purpose="ENCRYPT_DECRYPT", **turns)
    closes = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
    s.has(
        "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember", "payments", cryptoKeyId="k", role=closes, member="serviceAccount:sql@p"
    )
    backups = {
        "enabled": True,
        "pointInTimeRecoveryEnabled": True,
        "transactionLogRetentionDays": 7,
        "location": GCP_REGION,
        "backupRetentionSettings": {"retainedBackups": 35},
    }
    settings = {
        "availabilityType": "REGIONAL",
        "deletionProtectionEnabled": True,
        "backupConfiguration": backups,
        "retainBackupsOnDelete": True,
        "ipConfiguration": {"ipv4Enabled": False, "privateNetwork": "network-id", "sslMode": "ENCRYPTED_ONLY"},
        "databaseFlags": [{"name": "cloudsql.logical_decoding", "value": "on"}],
    }
    s.has(
        "gcp:sql/databaseInstance:DatabaseInstance",
        "payments",
        protect=True,
        sources={"encryptionKeyName": key, "settings": network},
        databaseVersion="POSTGRES_17",
        region=GCP_REGION,
        encryptionKeyName=KEYS["gcp"],
        deletionProtection=True,
        settings=settings,
    )
    s.has(
        "gcp:secretmanager/regionalSecret:RegionalSecret",
        "settings",
        protect=True,
        location=GCP_REGION,
        customerManagedEncryption={"kmsKeyName": KEYS["gcp"]},
    )
    container = {"image": f"r/edge{DIGEST}", "envs": [{"name": "TOKEN", "valueSource": {"secretKeyRef": {"secret": "token"}}}]}
    s.has(
        "gcp:cloudrunv2/service:Service",
        "edge",
        protect=True,
        location=GCP_REGION,
        ingress="INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER",
        defaultUriDisabled=True,
        template={"containers": [container], "encryptionKey": KEYS["gcp"], "scaling": {"minInstanceCount": 3}},
    )
    s.has(
        "gcp:cloudrunv2/workerPool:WorkerPool",
        "webhooks",
        protect=True,
        location=GCP_REGION,
        scaling={"scalingMode": "MANUAL", "manualInstanceCount": 3},
        template={"containers": [container], "encryptionKey": KEYS["gcp"]},
    )
    s.has("gcp:cloudrunv2/serviceIamMember:ServiceIamMember", "edge", role="roles/run.invoker", member="allUsers")
    s.has("gcp:compute/address:Address", "door", protect=True, region=GCP_REGION, addressType="EXTERNAL")
    s.has("gcp:compute/regionSslPolicy:RegionSslPolicy", "door", region=GCP_REGION, profile="RESTRICTED", minTlsVersion="TLS_1_2")
    s.has("gcp:compute/regionTargetHttpsProxy:RegionTargetHttpsProxy", "door", region=GCP_REGION, sslPolicy="door-id")
    s.has(
        "gcp:compute/regionBackendService:RegionBackendService",
        "edge",
        region=GCP_REGION,
        protocol="HTTPS",
        loadBalancingScheme="EXTERNAL_MANAGED",
        securityPolicy="limits",
    )
    s.has("gcp:compute/forwardingRule:ForwardingRule", "door", region=GCP_REGION, portRange="443")
    s.has("gcp:artifactregistry/repository:Repository", "images", location=GCP_REGION, kmsKeyName=KEYS["gcp"])
    s.has(
        "gcp:logging/projectBucketConfig:ProjectBucketConfig",
        "audit",
        protect=True,
        location=GCP_REGION,
        retentionDays=400,
        deletionPolicy="PREVENT",
        cmekSettings={"kmsKeyName": KEYS["gcp"]},
    )
    s.has("gcp:projects/iAMMember:IAMMember", "edge", role="roles/logging.logWriter", member="serviceAccount:edge")
    s.has("gcp:resourcemanager/lien:Lien", "lien", protect=True, restrictions=["resourcemanager.projects.delete"])
    return s.told
