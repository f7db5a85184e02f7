"""What vendors make anew when it is changed, and what they refuse to delete: properties of the types that these stacks have.

The engine knows neither: it asks a plugin, and believes it. The SDKs for Python do not say it. Sources: `ForceNew` in
hashicorp/terraform-provider-aws and -google, on which pulumi-aws and pulumi-gcp stand (read for RDS, Cloud SQL, KMS, ECS, Secrets Manager
and Secret Manager; the rest is what is known of them); in pulumi-azure-native whatever is part of a resource's path, and `forceNewMap`
(provider/pkg/gen/replacement.go). What a plugin decides by the values (a range that grows, a key within a list) is here as if it were
always made anew. Not every type is here: what holds data, names and addresses is, whatever these stacks protect, and what changes on the
day on which a site goes live.
"""

from collections.abc import Iterator, Mapping
from typing import Any

_TASK = (
    "containerDefinitions cpu ephemeralStorage executionRoleArn family memory networkMode requiresCompatibilities runtimePlatform"
    " taskRoleArn volumes"
)
"""A revision of a task definition is never changed: there is a next one."""

_AWS: Mapping[str, str] = {
    "cloudtrail/trail:Trail": "name",
    "cloudwatch/logGroup:LogGroup": "name",
    "ebs/volume:Volume": "availabilityZone encrypted kmsKeyId snapshotId",
    "ec2/customerGateway:CustomerGateway": "bgpAsn ipAddress type",
    "ec2/eip:Eip": "domain",
    "ec2/instance:Instance": "ami availabilityZone subnetId",
    "ec2/natGateway:NatGateway": "connectivityType subnetId",
    "ec2/route:Route": "destinationCidrBlock routeTableId",
    "ec2/routeTable:RouteTable": "vpcId",
    "ec2/securityGroup:SecurityGroup": "description name namePrefix vpcId",
    "ec2/subnet:Subnet": "availabilityZone cidrBlock vpcId",
    "ec2/volumeAttachment:VolumeAttachment": "deviceName instanceId volumeId",
    "ec2/vpc:Vpc": "cidrBlock",
    "ec2/vpcEndpoint:VpcEndpoint": "serviceName vpcEndpointType vpcId",
    "ec2/vpnConnection:VpnConnection": "type",
    "ec2/vpnGateway:VpnGateway": "amazonSideAsn availabilityZone",
    "ecr/repository:Repository": "encryptionConfigurations name",
    "ecs/cluster:Cluster": "name",
    "ecs/service:Service": "cluster launchType name",
    "ecs/taskDefinition:TaskDefinition": _TASK,
    "globalaccelerator/accelerator:Accelerator": "ipAddresses",
    "globalaccelerator/endpointGroup:EndpointGroup": "endpointGroupRegion listenerArn",
    "globalaccelerator/listener:Listener": "acceleratorArn",
    "iam/openIdConnectProvider:OpenIdConnectProvider": "url",
    "iam/role:Role": "name namePrefix path",
    "iam/rolePolicy:RolePolicy": "name namePrefix role",
    "kms/alias:Alias": "name",
    "kms/key:Key": "customKeyStoreId customerMasterKeySpec keyUsage multiRegion",
    "lb/listener:Listener": "loadBalancerArn",
    "lb/loadBalancer:LoadBalancer": "internal loadBalancerType name",
    "lb/targetGroup:TargetGroup": "name port protocol targetType vpcId",
    "rds/instance:Instance": "characterSetName dbName engine kmsKeyId storageEncrypted username",
    "rds/parameterGroup:ParameterGroup": "family name namePrefix",
    "rds/subnetGroup:SubnetGroup": "name namePrefix",
    "route53/healthCheck:HealthCheck": "requestInterval type",
    "route53/record:Record": "name zoneId",
    "route53/zone:Zone": "name",
    "s3/bucket:Bucket": "bucket bucketPrefix",
    "s3/bucketVersioning:BucketVersioning": "bucket",
    "s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": "bucket",
    "secretsmanager/secret:Secret": "name namePrefix",
    "servicediscovery/privateDnsNamespace:PrivateDnsNamespace": "name vpc",
}

_AZURE: Mapping[str, str] = {
    "app:ContainerApp": "containerAppName",
    "app:ManagedEnvironment": "environmentName",
    "authorization:ManagementLockByScope": "lockName scope",
    "authorization:RoleAssignment": "principalId roleAssignmentName scope",
    "compute:Disk": "diskName",
    "compute:DiskEncryptionSet": "diskEncryptionSetName",
    "compute:VirtualMachine": "vmName",
    "containerregistry:Registry": "registryName",
    "dbforpostgresql:Administrator": "objectId serverName",
    "dbforpostgresql:Configuration": "configurationName serverName",
    "dbforpostgresql:Server": "serverName",
    "dns:RecordSet": "recordType relativeRecordSetName zoneName",
    "dns:Zone": "zoneName",
    "dnsresolver:InboundEndpoint": "dnsResolverName inboundEndpointName location",
    "keyvault:Key": "keyName vaultName",
    "keyvault:Vault": "vaultName",
    "managedidentity:FederatedIdentityCredential": "federatedIdentityCredentialResourceName resourceName",
    "managedidentity:UserAssignedIdentity": "resourceName",
    "monitor:DiagnosticSetting": "name resourceUri",
    "network:AzureFirewall": "azureFirewallName",
    "network:LocalNetworkGateway": "localNetworkGatewayName",
    "network:NatGateway": "natGatewayName",
    "network:NetworkInterface": "networkInterfaceName",
    "network:PrivateEndpoint": "privateEndpointName subnet",
    "network:PublicIPAddress": "location publicIPAddressVersion publicIpAddressName sku",
    "network:Subnet": "subnetName virtualNetworkName",
    "network:VirtualNetwork": "location virtualNetworkName",
    "network:VirtualNetworkGateway": "virtualNetworkGatewayName",
    "network:VirtualNetworkGatewayConnection": "virtualNetworkGatewayConnectionName",
    "operationalinsights:Workspace": "workspaceName",
    "privatedns:PrivateZone": "privateZoneName",
    "resources:Deployment": "deploymentName",
    "resources:ResourceGroup": "location",
    "storage:StorageAccount": "accountName location",
    "trafficmanager:Endpoint": "endpointName endpointType profileName",
    "trafficmanager:Profile": "profileName",
}
"""And the group, which is part of every path that has one."""

_GOOGLE: Mapping[str, str] = {
    "artifactregistry/repository:Repository": "format kmsKeyName location repositoryId",
    "certificatemanager/certificate:Certificate": "location name",
    "certificatemanager/dnsAuthorization:DnsAuthorization": "domain location name type",
    "certificatemanager/trustConfig:TrustConfig": "location name",
    "cloudrunv2/service:Service": "location name",
    "cloudrunv2/workerPool:WorkerPool": "location name",
    "compute/address:Address": "address addressType name networkTier region subnetwork",
    "compute/disk:Disk": "diskEncryptionKey name zone",
    "compute/externalVpnGateway:ExternalVpnGateway": "interfaces name redundancyType",
    "compute/globalAddress:GlobalAddress": "address addressType name network prefixLength purpose",
    "compute/haVpnGateway:HaVpnGateway": "name network region",
    "compute/healthCheck:HealthCheck": "name",
    "compute/instance:Instance": "bootDisk name zone",
    "compute/network:Network": "autoCreateSubnetworks name",
    "compute/router:Router": "name network region",
    "compute/subnetwork:Subnetwork": "ipCidrRange name network purpose region",
    "compute/vPNTunnel:VPNTunnel": "name peerExternalGateway region router sharedSecret vpnGateway vpnGatewayInterface",
    "dns/managedZone:ManagedZone": "dnsName name visibility",
    "dns/recordSet:RecordSet": "managedZone name",
    "iam/workloadIdentityPool:WorkloadIdentityPool": "workloadIdentityPoolId",
    "iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": "workloadIdentityPoolId workloadIdentityPoolProviderId",
    "kms/cryptoKey:CryptoKey": "keyRing name purpose",
    "kms/cryptoKeyIAMMember:CryptoKeyIAMMember": "cryptoKeyId member role",
    "kms/keyRing:KeyRing": "location name",
    "logging/projectBucketConfig:ProjectBucketConfig": "bucketId location",
    "logging/projectSink:ProjectSink": "name",
    "projects/iAMAuditConfig:IAMAuditConfig": "service",
    "resourcemanager/lien:Lien": "origin parent reason restrictions",
    "secretmanager/secret:Secret": "replication secretId",
    "secretmanager/secretIamMember:SecretIamMember": "member role secretId",
    "serviceaccount/account:Account": "accountId",
    "servicenetworking/connection:Connection": "network service",
    "sql/database:Database": "instance name",
    "sql/databaseInstance:DatabaseInstance": "encryptionKeyName name region",
}
"""And the project, wherever there is one."""

REPLACED: Mapping[str, frozenset[str]] = {
    **{f"aws:{token}": frozenset(words.split()) for token, words in _AWS.items()},
    **{f"azure-native:{token}": frozenset((*words.split(), "resourceGroupName")) for token, words in _AZURE.items()},
    **{f"gcp:{token}": frozenset((*words.split(), "project")) for token, words in _GOOGLE.items()},
    "random:index/randomPassword:RandomPassword": frozenset(("length", "special")),
}
"""By token."""

GUARDS: Mapping[str, object] = {
    "deletionPolicy": "PREVENT",
    "deletionProtection": True,
    "deletionProtectionEnabled": True,
    "disableApiTermination": True,
    "enableDeletionProtection": True,
}
"""A resource that says this of itself is deleted by nobody, whatever the engine was told."""


def guards(told: Mapping[str, Any]) -> Iterator[str]:
    """What keeps it, by the vendor's own name; of Cloud SQL also what stands in its settings."""
    settings = told.get("settings")
    for where, values in (("", told), ("settings.", settings if isinstance(settings, Mapping) else {})):
        yield from (f"{where}{key}" for key, value in GUARDS.items() if values.get(key) == value)
