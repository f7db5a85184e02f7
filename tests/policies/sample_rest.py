"""Samples of the stacks that join the sites."""

from typing import Any

from tests.policies.samples import AZURE_REGION, GCP_REGION, KEYS, PROJECT, TAGS, Stack, Told, clouds, may, script, trust

ASNS = {"aws": 64512, "azure": 65010, "gcp": 64514}
HELLO = script("#!/bin/sh\necho hello")
POOL = "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/clouds"
IPS = ("192.0.2.10", "192.0.2.20", "192.0.2.30")


def interconnect() -> list[Told]:
    """A mesh of four tunnels for each pair that AWS has part in, and two for the other."""
    s = Stack("prod-interconnect")
    clouds(s, "aws", "azure", "gcp")
    here: dict[str, Any] = {"location": AZURE_REGION, "tags": TAGS}
    s.has("aws:ec2/vpnGateway:VpnGateway", "mesh", protect=True)
    s.has("azure-native:network:VirtualNetworkGateway", "mesh", protect=True, **here)
    s.has("gcp:compute/haVpnGateway:HaVpnGateway", "mesh", protect=True, region=GCP_REGION)
    tunnels: dict[str, Any] = {}
    for number in (1, 2):
        tunnels[f"tunnel{number}IkeVersions"] = ["ikev2"]
        for phase in (1, 2):
            tunnels[f"tunnel{number}Phase{phase}EncryptionAlgorithms"] = ["AES256-GCM-16"]
            tunnels[f"tunnel{number}Phase{phase}IntegrityAlgorithms"] = ["SHA2-256"]
            tunnels[f"tunnel{number}Phase{phase}DhGroupNumbers"] = [20.0]
    for far in ("azure", "gcp"):
        for number in range(2):
            gateway = s.has("aws:ec2/customerGateway:CustomerGateway", f"{far}-{number}", bgpAsn=str(ASNS[far]))
            s.has("aws:ec2/vpnConnection:VpnConnection", f"{far}-{number}", sources={"customerGatewayId": gateway}, **tunnels)
    proposal: dict[str, Any] = {"ipsecEncryption": "GCMAES256", "ipsecIntegrity": "GCMAES256", "ikeEncryption": "GCMAES256"}
    proposal |= {"ikeIntegrity": "SHA384", "dhGroup": "ECP384", "pfsGroup": "ECP384"}
    secret = s.has("random:index/randomPassword:RandomPassword", "azure-gcp", length=48)
    for far, count in (("aws", 4), ("gcp", 2)):
        for number in range(count):
            local = s.has("azure-native:network:LocalNetworkGateway", f"{far}-{number}", bgpSettings={"asn": ASNS[far]}, **here)
            s.has(
                "azure-native:network:VirtualNetworkGatewayConnection",
                f"{far}-{number}",
                sources={"localNetworkGateway2": local, "sharedKey": secret},
                connectionProtocol="IKEv2",
                enableBgp=True,
                ipsecPolicies=[proposal],
                sharedKey="made up",
                **here,
            )
    first: dict[str, Any] = {
        "encryptions": ["AES-GCM-16-256"],
        "prves": ["PRF-HMAC-SHA2-384"],
        "dhs": ["Group-20"],
        "integrities": [],
    }
    suite = {"phase1": first, "phase2": {"encryptions": ["AES-GCM-16-256"], "pfs": ["Group-20"]}}
    for far, count in (("aws", 4), ("azure", 2)):
        for number in range(count):
            s.has(
                "gcp:compute/vPNTunnel:VPNTunnel",
                f"{far}-{number}",
                sources={"sharedSecretWo": secret},
                region=GCP_REGION,
                ikeVersion=2,
                cipherSuite=suite,
                router="mesh",
                sharedSecretWo="made up",
            )
            s.has("gcp:compute/routerPeer:RouterPeer", f"{far}-{number}", region=GCP_REGION, peerAsn=ASNS[far])
    return s.told


def edge() -> list[Told]:
    """The zone at three authorities."""
    s = Stack("prod-edge")
    clouds(s, "aws", "azure", "gcp")
    sites = s.has("pulumi:pulumi:StackReference", "organization/trimaran/prod-aws")
    s.has("aws:route53/zone:Zone", "zone", protect=True, name="pay.example.com", forceDestroy=False)
    s.has("azure-native:dns:Zone", "zone", protect=True, location="global", tags=TAGS)
    s.has("gcp:dns/managedZone:ManagedZone", "zone", protect=True, dnsName="pay.example.com.", forceDestroy=False)
    s.has("aws:route53/record:Record", "ns", name="pay.example.com", type="NS", ttl=3600, records=["a.", "b.", "c."])
    template = {"resources": [{"type": "Microsoft.Network/dnsZones/NS", "name": "pay.example.com/@"}]}
    s.has("azure-native:resources:Deployment", "ns", properties={"mode": "Incremental", "template": template})
    s.has("gcp:dns/recordSet:RecordSet", "ns", name="pay.example.com.", type="NS", ttl=3600, rrdatas=["a.", "b.", "c."])
    s.has("azure-native:dns:RecordSet", "api", relativeRecordSetName="api", recordType="A")
    s.has(
        "azure-native:trafficmanager:Profile",
        "api",
        location="global",
        tags=TAGS,
        dnsConfig={"ttl": 30},
        monitorConfig={"protocol": "HTTPS"},
    )
    for number, ip in enumerate(IPS):
        s.has("aws:route53/healthCheck:HealthCheck", f"api-{number}", type="HTTPS", ipAddress=ip)
        s.has(
            "aws:route53/record:Record",
            f"api-{number}",
            sources={"records": sites},
            ignore=("weightedRoutingPolicies",),
            name="api.pay.example.com",
            type="A",
            ttl=30,
            records=[ip],
            weightedRoutingPolicies=[{"weight": 1}],
        )
        s.has(
            "azure-native:trafficmanager:Endpoint",
            f"api-{number}",
            sources={"target": sites},
            ignore=("weight", "endpointStatus"),
            target=ip,
            weight=1,
        )
    s.has(
        "gcp:dns/recordSet:RecordSet",
        "api",
        sources={"routingPolicy": sites},
        ignore=("routingPolicy",),
        name="api.pay.example.com.",
        type="A",
        ttl=30,
        routingPolicy={"wrrs": [{"weight": 1, "rrdatas": [ip]} for ip in IPS]},
    )
    return s.told


def control() -> list[Told]:
    """Control nodes, and who believes them."""
    s = Stack("prod-control")
    clouds(s, "aws", "azure", "gcp")
    here: dict[str, Any] = {"location": AZURE_REGION, "tags": TAGS}
    node = s.has("gcp:serviceaccount/account:Account", "node", accountId="node")
    believed = trust("accounts.google.com", aud="trimaran", sub="1234")
    s.has("aws:iam/role:Role", "from-gcp", sources={"assumeRolePolicy": node}, assumeRolePolicy=believed)
    s.has("aws:iam/policy:Policy", "steer", policy=may("route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/Z"))
    s.has("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "steer", policyArn="arn:aws:iam::111111111111:policy/steer")
    s.has("azure-native:managedidentity:UserAssignedIdentity", "node", **here)
    s.has(
        "azure-native:managedidentity:FederatedIdentityCredential",
        "from-gcp",
        sources={"subject": node},
        issuer="https://accounts.google.com",
        subject="1234",
        audiences=["api://AzureADTokenExchange"],
    )
    s.has(
        "azure-native:authorization:RoleAssignment",
        "steer",
        roleDefinitionId="/providers/Microsoft.Authorization/roleDefinitions/dns",
    )
    s.has("gcp:iam/workloadIdentityPool:WorkloadIdentityPool", "controllers", workloadIdentityPoolId="controllers")
    s.has(
        "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider",
        "aws",
        aws={"accountId": "111111111111"},
        attributeCondition="attribute.aws_role=='controller'",
    )
    s.has(
        "gcp:serviceaccount/iAMMember:IAMMember",
        "aws",
        role="roles/iam.workloadIdentityUser",
        member=f"{POOL}/attribute.aws_role/controller",
    )
    s.has("gcp:projects/iAMCustomRole:IAMCustomRole", "steer", permissions=["dns.changes.create", "dns.changes.get"])
    s.has(
        "gcp:projects/iAMMember:IAMMember",
        "steer",
        sources={"member": node},
        role=f"projects/{PROJECT}/roles/steer",
        member="serviceAccount:node",
    )
    s.has(
        "aws:ec2/instance:Instance",
        "node",
        sources={"rootBlockDevice": node},
        associatePublicIpAddress=False,
        metadataOptions={"httpTokens": "required"},
        rootBlockDevice={"encrypted": True, "kmsKeyId": KEYS["aws"]},
        userDataBase64=HELLO["aws"],
    )
    s.has("azure-native:network:NetworkInterface", "node", ipConfigurations=[{"name": "one", "subnet": {"id": "s"}}], **here)
    s.has(
        "azure-native:compute:VirtualMachine",
        "node",
        securityProfile={
            "securityType": "TrustedLaunch",
            "encryptionAtHost": True,
            "uefiSettings": {"secureBootEnabled": True, "vTpmEnabled": True},
        },
        osProfile={"linuxConfiguration": {"disablePasswordAuthentication": True}, "customData": HELLO["azure"]},
        storageProfile={"osDisk": {"managedDisk": {"diskEncryptionSet": {"id": "set"}}}},
        **here,
    )
    s.has(
        "gcp:compute/instance:Instance",
        "node",
        zone=f"{GCP_REGION}-a",
        shieldedInstanceConfig={"enableSecureBoot": True, "enableVtpm": True, "enableIntegrityMonitoring": True},
        metadata={"enable-oslogin": "TRUE", "block-project-ssh-keys": "TRUE", "user-data": HELLO["gcp"]},
        networkInterfaces=[{"subnetwork": "s"}],
        bootDisk={"kmsKeySelfLink": KEYS["gcp"]},
    )
    _disks(s, here)
    return s.told


def _disks(s: Stack, here: dict[str, Any]) -> None:
    """Of etcd, one at each cloud."""
    s.has("aws:ebs/volume:Volume", "data", protect=True, encrypted=True, kmsKeyId=KEYS["aws"])
    s.has("azure-native:compute:Disk", "data", protect=True, encryption={"diskEncryptionSetId": "set"}, **here)
    s.has(
        "gcp:compute/disk:Disk",
        "data",
        protect=True,
        zone=f"{GCP_REGION}-a",
        diskEncryptionKey={"kmsKeySelfLink": KEYS["gcp"]},
    )
