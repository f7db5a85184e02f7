"""What Azure makes up when something is made there."""

from collections.abc import Callable, Mapping
from typing import Any

Answer = Callable[[str, Mapping[str, Any]], tuple[str, Mapping[str, Any]]]

SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000001"
GROUP = f"{SUBSCRIPTION}/resourceGroups/trimaran"
ADDRESSES = {"ingress-address": "192.0.2.20", "network-outside": "192.0.2.21"}


def _id(kind: str, name: str) -> str:
    return f"{GROUP}/providers/{kind}/{name}"


def _known(kind: str, called: str, **made_up: Callable[[str], Any]) -> Answer:
    """A resource that keeps the name it was given as `called`, and whose other outputs follow from that name."""

    def answer(name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        known = str(inputs.get(called, name))
        return _id(kind, known), {"name": known, **{key: make(known) for key, make in made_up.items()}}

    return answer


def _within(kind: str, parent: str, part: str, called: str) -> Answer:
    """A part of another resource: `parent` is the input that names it."""

    def answer(name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        known = str(inputs.get(called, name))
        return f"{_id(kind, str(inputs[parent]))}/{part}/{known}", {"name": known}

    return answer


def _group(name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    known = str(inputs["resourceGroupName"])
    return f"{SUBSCRIPTION}/resourceGroups/{known}", {"name": known}


def _address(name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    known = str(inputs["publicIpAddressName"])
    return _id("Microsoft.Network/publicIPAddresses", known), {"name": known, "ipAddress": ADDRESSES[name]}


def _key(name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    vault, known = str(inputs["vaultName"]), str(inputs["keyName"])
    uri = f"https://{vault}.vault.azure.net/keys/{known}"
    id = f"{_id('Microsoft.KeyVault/vaults', vault)}/keys/{known}"
    return id, {"name": known, "keyUri": uri, "keyUriWithVersion": f"{uri}/0123456789abcdef"}


def _app(name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Identities are asked for as a list, and told as a mapping."""
    known = str(inputs["containerAppName"])
    return _id("Microsoft.App/containerApps", known), {"name": known, "identity": _told(inputs["identity"])}


def _environment(name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    known = str(inputs["environmentName"])
    return _id("Microsoft.App/managedEnvironments", known), {
        "name": known,
        "staticIp": "10.20.31.250",
        "defaultDomain": "calm-sea.swedencentral.azurecontainerapps.io",
    }


def _identified(kind: str, called: str) -> Answer:
    def answer(name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        known = str(inputs[called])
        return _id(kind, known), {"name": known, "identity": _told(inputs["identity"])}

    return answer


def _told(identity: Mapping[str, Any]) -> Mapping[str, Any]:
    named = identity["userAssignedIdentities"]
    return {**identity, "userAssignedIdentities": {id: {"clientId": "c", "principalId": "p"} for id in named}}


ANSWERS: Mapping[str, Answer] = {
    "azure-native:resources:ResourceGroup": _group,
    "azure-native:network:VirtualNetwork": _known("Microsoft.Network/virtualNetworks", "virtualNetworkName"),
    "azure-native:network:Subnet": _within("Microsoft.Network/virtualNetworks", "virtualNetworkName", "subnets", "subnetName"),
    "azure-native:network:NetworkSecurityGroup": _known("Microsoft.Network/networkSecurityGroups", "networkSecurityGroupName"),
    "azure-native:network:PublicIPAddress": _address,
    "azure-native:network:NatGateway": _known("Microsoft.Network/natGateways", "natGatewayName"),
    "azure-native:network:PrivateEndpoint": _known("Microsoft.Network/privateEndpoints", "privateEndpointName"),
    "azure-native:network:FirewallPolicy": _known("Microsoft.Network/firewallPolicies", "firewallPolicyName"),
    "azure-native:network:AzureFirewall": _known("Microsoft.Network/azureFirewalls", "azureFirewallName"),
    "azure-native:network:FlowLog": _identified("Microsoft.Network/networkWatchers", "flowLogName"),
    "azure-native:privatedns:PrivateZone": _known("Microsoft.Network/privateDnsZones", "privateZoneName"),
    "azure-native:dnsresolver:DnsResolver": _known("Microsoft.Network/dnsResolvers", "dnsResolverName"),
    "azure-native:managedidentity:UserAssignedIdentity": _known(
        "Microsoft.ManagedIdentity/userAssignedIdentities",
        "resourceName",
        principalId=lambda name: f"principal-of-{name}",
        clientId=lambda name: f"client-of-{name}",
    ),
    "azure-native:keyvault:Vault": _known("Microsoft.KeyVault/vaults", "vaultName"),
    "azure-native:keyvault:Key": _key,
    "azure-native:compute:DiskEncryptionSet": _identified("Microsoft.Compute/diskEncryptionSets", "diskEncryptionSetName"),
    "azure-native:storage:StorageAccount": _identified("Microsoft.Storage/storageAccounts", "accountName"),
    "azure-native:operationalinsights:Workspace": _known(
        "Microsoft.OperationalInsights/workspaces", "workspaceName", customerId=lambda _: "11111111-2222-3333-4444-555555555555"
    ),
    "azure-native:containerregistry:Registry": _known(
        "Microsoft.ContainerRegistry/registries", "registryName", loginServer=lambda name: f"{name}.azurecr.io"
    ),
    "azure-native:dbforpostgresql:Server": _known(
        "Microsoft.DBforPostgreSQL/flexibleServers",
        "serverName",
        fullyQualifiedDomainName=lambda name: f"{name}.postgres.database.azure.com",
    ),
    "azure-native:app:ManagedEnvironment": _environment,
    "azure-native:app:ContainerApp": _app,
    "azure-native:authorization:RoleDefinition": _known("Microsoft.Authorization/roleDefinitions", "roleDefinitionId"),
}
CALLS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {}
