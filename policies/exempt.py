"""Types that stacks have and no rule asks about by name, each with the reason. A type that is in neither place breaks a test: whoever
adds it decides whether something could be wrong with it.

Rules about providers, regions, tags and secrets in plain text ask about all types; nothing is exempt from those.
"""

from collections.abc import Mapping

_WAYS = "routes and addresses inside networks; who may pass is decided by guards and firewalls, which rules ask about"
_NAMES = "names inside a network"
_RECORDS = "writes records or switches a watch on; where they are kept is asked about"
_BUCKET = "makes a bucket stricter than it must be"
_DOORS = "hands on what a listener let in; listeners, certificates' use and protocols are asked about"
_GROUPS = "groups other things, and keeps nothing"
_IDENTITY = "an identity without rights: grants are asked about"

EXEMPT: Mapping[str, str] = {
    "aws:appautoscaling/policy:Policy": "when there are more; how many there are at least and at most is asked about",
    "aws:ec2/defaultRouteTable:DefaultRouteTable": _WAYS,
    "aws:ec2/internetGateway:InternetGateway": _WAYS,
    "aws:ec2/natGateway:NatGateway": _WAYS,
    "aws:ec2/route:Route": _WAYS,
    "aws:ec2/routeTable:RouteTable": _WAYS,
    "aws:ec2/routeTableAssociation:RouteTableAssociation": _WAYS,
    "aws:ec2/subnetCidrReservation:SubnetCidrReservation": _WAYS,
    "aws:ec2/volumeAttachment:VolumeAttachment": "a disk and a machine, both of which are asked about",
    "aws:ec2/vpcEndpoint:VpcEndpoint": _WAYS,
    "aws:ec2/vpnGatewayRoutePropagation:VpnGatewayRoutePropagation": _WAYS,
    "aws:ecs/cluster:Cluster": _GROUPS,
    "aws:globalaccelerator/endpointGroup:EndpointGroup": _DOORS,
    "aws:guardduty/detector:Detector": _RECORDS,
    "aws:guardduty/detectorFeature:DetectorFeature": _RECORDS,
    "aws:iam/instanceProfile:InstanceProfile": _IDENTITY,
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": "who is believed is decided by the trust of roles",
    "aws:iam/outboundWebIdentityFederation:OutboundWebIdentityFederation": "a switch of the account; who believes it is asked about",
    "aws:kms/alias:Alias": "a name of a key",
    "aws:rds/subnetGroup:SubnetGroup": _GROUPS,
    "aws:route53/resolverEndpoint:ResolverEndpoint": _NAMES,
    "aws:route53/resolverRule:ResolverRule": _NAMES,
    "aws:route53/resolverRuleAssociation:ResolverRuleAssociation": _NAMES,
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": _BUCKET,
    "aws:s3/bucketVersioning:BucketVersioning": _BUCKET,
    "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace": _NAMES,
    "aws:servicediscovery/service:Service": _NAMES,
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": "ways out; ways in are asked about",
    "azure-native:dbforpostgresql:Administrator": "who administers is an identity; keys that live long are asked about",
    "azure-native:dnsresolver:DnsResolver": _NAMES,
    "azure-native:dnsresolver:InboundEndpoint": _NAMES,
    "azure-native:monitor:DiagnosticSetting": _RECORDS,
    "azure-native:network:PrivateEndpoint": _WAYS,
    "azure-native:network:RouteTable": _WAYS,
    "azure-native:network:Subnet": _WAYS,
    "azure-native:security:Pricing": _RECORDS,
    "gcp:certificatemanager/certificate:Certificate": "public; its key stays with the vendor",
    "gcp:certificatemanager/dnsAuthorization:DnsAuthorization": "a record that proves a name",
    "gcp:certificatemanager/trustConfig:TrustConfig": "public certificates",
    "gcp:compute/externalVpnGateway:ExternalVpnGateway": "the others' addresses; tunnels and peers are asked about",
    "gcp:compute/globalAddress:GlobalAddress": _WAYS,
    "gcp:compute/healthCheck:HealthCheck": "asks edges for their beacon",
    "gcp:compute/network:Network": "its subnetworks and firewalls are asked about",
    "gcp:compute/networkPeeringRoutesConfig:NetworkPeeringRoutesConfig": _WAYS,
    "gcp:compute/regionNetworkEndpointGroup:RegionNetworkEndpointGroup": _DOORS,
    "gcp:compute/regionUrlMap:RegionUrlMap": _DOORS,
    "gcp:compute/router:Router": _WAYS,
    "gcp:compute/routerInterface:RouterInterface": _WAYS,
    "gcp:compute/routerNat:RouterNat": _WAYS,
    "gcp:dns/policy:Policy": _NAMES,
    "gcp:logging/projectSink:ProjectSink": _RECORDS,
    "gcp:networksecurity/serverTlsPolicy:ServerTlsPolicy": "asks clients for certificates, beside the listener's own policy",
    "gcp:projects/iAMAuditConfig:IAMAuditConfig": _RECORDS,
    "gcp:projects/service:Service": "switches an interface of the vendor's on",
    "gcp:projects/serviceIdentity:ServiceIdentity": _IDENTITY,
    "gcp:serviceaccount/account:Account": _IDENTITY,
    "gcp:servicenetworking/connection:Connection": _WAYS,
    "gcp:servicenetworking/peeredDnsDomain:PeeredDnsDomain": _NAMES,
    "gcp:sql/database:Database": "inside a server that is asked about",
    "pulumi:pulumi:StackReference": "reads what another stack published",
    "random:index/randomPassword:RandomPassword": "secret in state; where it goes is asked about",
}
OURS = "trimaran:"
"""Components make nothing themselves."""
PROVIDERS = "pulumi:providers:"
"""Rules about accounts, regions and tags ask about them."""


def is_exempt(token: str) -> bool:
    """May a stack have it although no rule names it?"""
    return token in EXEMPT or token.startswith((OURS, PROVIDERS))
