"""What runs at the site on Azure, what clients meet there, and what the site tells the others."""

from collections import Counter
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from infra.contracts import CONTRACT, SiteContract
from infra.services import CONTROL, CONTROL_SECRETS, DATABASES, PROGRAMS, Service
from infra.settings import Settings, read_settings
from tests.infra.recording import Recording, Resource, record, recorded, recorded_live
from tests.infra.stacks import built, settings_of

STACKS = pytest.mark.parametrize("stack", ["dev-azure", "prod-azure"])
APP = "azure-native:app:ContainerApp"
GOLDEN = Path(__file__).parent / "golden"

STATEFUL = (
    "app:ManagedEnvironment",
    "compute:DiskEncryptionSet",
    "containerregistry:Registry",
    "dbforpostgresql:Server",
    "dnsresolver:InboundEndpoint",
    "keyvault:Key",
    "keyvault:Vault",
    "managedidentity:UserAssignedIdentity",
    "network:AzureFirewall",
    "network:PublicIPAddress",
    "network:Subnet",
    "network:VirtualNetwork",
    "authorization:ManagementLockByScope",
    "operationalinsights:Workspace",
    "privatedns:PrivateZone",
    "resources:ResourceGroup",
    "storage:StorageAccount",
)


def settings(stack: str) -> Settings:
    """As the program reads them."""
    return read_settings(settings_of(stack))


def apps(stack: Recording) -> dict[str, Resource]:
    """By service."""
    return {one.inputs["containerAppName"].split("-")[-1]: one for one in stack.of_type(APP)}


def ingress(service: str, stack: str = "prod-azure") -> dict[str, Any]:
    """How a program is reached."""
    given: dict[str, Any] = apps(recorded_live(stack))[service].inputs["configuration"]["ingress"]
    return given


@STACKS
def test_the_resources_are_these(stack: str) -> None:
    """Whatever comes or goes is looked at by somebody. The list is `count token` lines, sorted."""
    found = Counter(one.type for one in recorded(stack).resources)
    lines = sorted(f"{count} {token}" for token, count in found.items())
    assert lines == (GOLDEN / f"{stack}.txt").read_text().splitlines()


@STACKS
def test_going_live_adds_the_apps_and_nothing_else(stack: str) -> None:
    """One for each program, with leave to pull its image."""
    before, after = (Counter(one.type for one in told.resources) for told in (recorded(stack), recorded_live(stack)))
    assert after - before == {
        "trimaran:azure:App": len(PROGRAMS),
        APP: len(PROGRAMS),
        "azure-native:authorization:RoleAssignment": len(PROGRAMS),
    }
    assert not before - after


@STACKS
def test_nothing_runs_before_the_site_is_live(stack: str) -> None:
    """Azure refuses an app whose secrets have no value. Going live makes it, with its floor."""
    assert not recorded(stack).of_type(APP)
    before = {one.urn for one in recorded(stack).resources}
    after = {one.urn for one in recorded_live(stack).resources}
    assert before < after and set(apps(recorded_live(stack))) == set(PROGRAMS)


@STACKS
def test_instances_keep_the_floor_grow_to_the_ceiling_and_the_controller_owns_both(stack: str) -> None:
    """A rollout in the middle of an outage does not take back what the controller has raised."""
    for service, app in apps(recorded_live(stack)).items():
        capacity = getattr(settings(stack).capacity, service)
        scale = app.inputs["template"]["scale"]
        assert (scale["minReplicas"], scale["maxReplicas"]) == (capacity.floor, capacity.ceiling)
        assert set(app.ignore_changes) == {"template.scale.minReplicas", "template.scale.maxReplicas"}
        (rule,) = scale["rules"]
        assert rule["custom"]["type"] == "cpu" and 0 < int(rule["custom"]["metadata"]["value"]) < 100


@STACKS
def test_each_program_is_somebody_of_its_own_and_reads_its_own_vault_alone(stack: str) -> None:
    """Its variables are those of `services.PROGRAMS`, each from its own place."""
    environment = stack.split("-")[0]
    for service, app in apps(recorded_live(stack)).items():
        (identity,) = app.inputs["identity"]["userAssignedIdentities"]
        assert identity.endswith(f"/trimaran-{environment}-{service}")
        program = PROGRAMS[Service(service)]
        told = {one["name"]: one for one in app.inputs["configuration"]["secrets"]}
        (container,) = app.inputs["template"]["containers"]
        variables = {one["name"]: one["secretRef"] for one in container["env"]}
        assert variables == {secret.variable: secret.name for secret in program.secrets}
        for secret in program.secrets:
            assert told[secret.name]["identity"] == identity
            assert told[secret.name]["keyVaultUrl"] == (
                f"https://trimaran-{environment}-{service}.vault.azure.net/secrets/{secret.name}"
            )


@STACKS
def test_an_app_is_made_after_its_identity_may_read_and_pull(stack: str) -> None:
    """Roles take a while; an app that starts before them fails, and Azure says that the image is missing."""
    for service, app in apps(recorded_live(stack)).items():
        for name in (f"images-{service}", f"{service}-secrets-reads"):
            (allowed,) = (one for one in recorded_live(stack).resources if one.name == name)
            assert allowed.urn in app.dependencies


@STACKS
def test_what_runs_is_named_by_digest_and_comes_from_the_sites_own_registry(stack: str) -> None:
    """A tag can be moved, and another cloud's registry can be down."""
    environment = stack.split("-")[0]
    for service, app in apps(recorded_live(stack)).items():
        (container,) = app.inputs["template"]["containers"]
        assert container["image"] == built(stack)[service]
        assert container["image"].startswith(f"trimaran{environment}.azurecr.io/{service}@sha256:")
        (registry,) = app.inputs["configuration"]["registries"]
        assert registry["server"] == container["image"].partition("/")[0]
        assert registry["identity"] == app.inputs["identity"]["userAssignedIdentities"][0]


@STACKS
def test_every_instance_gets_what_its_program_asks_for(stack: str) -> None:
    """Azure sells processors and memory in one proportion."""
    for service, app in apps(recorded_live(stack)).items():
        program = PROGRAMS[Service(service)]
        (container,) = app.inputs["template"]["containers"]
        cpu, gibibytes = container["resources"]["cpu"], float(container["resources"]["memory"].removesuffix("Gi"))
        assert cpu * 1000 >= program.millicores and gibibytes * 1024 >= program.mebibytes
        assert gibibytes == 2 * cpu and cpu <= 4


@STACKS
def test_instances_are_asked_whether_they_listen_and_never_for_the_beacon(stack: str) -> None:
    """A drained edge's beacon is dark, and it still hands requests over: restarted for that, it would lose them."""
    for service, app in apps(recorded_live(stack)).items():
        (container,) = app.inputs["template"]["containers"]
        assert {probe["type"] for probe in container["probes"]} == {"Startup", "Readiness", "Liveness"}
        for probe in container["probes"]:
            assert probe["tcpSocket"] == {"port": PROGRAMS[Service(service)].port} and "httpGet" not in probe


@STACKS
def test_programs_speak_tls_of_their_own_and_are_unseen_from_outside(stack: str) -> None:
    """TCP, byte for byte: the callee asks for the caller's certificate, and nobody in between has ended it."""
    for service in set(PROGRAMS) - {Service.EDGE}:
        given = ingress(service, stack)
        assert given["external"] is False and given["transport"] == "tcp"
        assert given["targetPort"] == given["exposedPort"] == PROGRAMS[service].port
        assert "clientCertificateMode" not in given and "customDomains" not in given


@STACKS
def test_clients_bytes_reach_the_edges_door_as_they_are(stack: str) -> None:
    """TLS ends at the edge, which hashes the certificate that the client itself has shown. Azure lets TCP have any port but 443 and 80."""
    given, port = ingress("edge", stack), PROGRAMS[Service.EDGE].port
    assert (given["transport"], given["targetPort"], given["exposedPort"]) == ("tcp", port, port) and port not in (80, 443)
    assert not {"clientCertificateMode", "customDomains", "targetPortHttpScheme"} & set(given)
    (rules,) = recorded(stack).of_type("azure-native:network:FirewallPolicyRuleCollectionGroup")
    (passed,) = (rule for group in rules.inputs["ruleCollections"] for rule in group["rules"])
    (environment,) = recorded(stack).of_type("azure-native:app:ManagedEnvironment")
    assert passed["destinationPorts"] == ["443"] and passed["translatedPort"] == str(port)
    assert passed["translatedAddress"] == environment.outputs["staticIp"]


@STACKS
def test_other_sites_are_told_the_environments_address(stack: str) -> None:
    """With the edge's private doors there."""
    (environment,) = recorded(stack).of_type("azure-native:app:ManagedEnvironment")
    host = environment.outputs["staticIp"]
    assert recorded(stack).outputs["doors"] == {"peers": f"{host}:8444", "agent": f"{host}:8445"}


def test_the_edge_is_the_only_one_that_is_seen_outside_the_environment() -> None:
    """With the doors for other edges and for controllers, which no other app may have: Azure gives each port once."""
    seen = [service for service in PROGRAMS if ingress(service)["external"]]
    assert seen == [Service.EDGE]
    doors = ingress("edge")["additionalPortMappings"]
    assert [(one["targetPort"], one["exposedPort"], one["external"]) for one in doors] == [(8444, 8444, True), (8445, 8445, True)]


@STACKS
def test_the_environment_spans_zones_and_keeps_no_key_of_the_log(stack: str) -> None:
    """In the part of the plan that is its own."""
    (environment,) = recorded(stack).of_type("azure-native:app:ManagedEnvironment")
    given = environment.inputs
    assert given["zoneRedundant"] is True and given["appLogsConfiguration"] == {"destination": "azure-monitor"}
    assert given["vnetConfiguration"]["infrastructureSubnetId"].endswith("/subnets/environment")
    assert given["peerTrafficConfiguration"]["encryption"]["enabled"] is True


@STACKS
def test_no_certificate_of_the_names_is_in_the_vendors_hands(stack: str) -> None:
    """It is a secret of the edge, read by the edge alone, and the zone is asked for no proof."""
    assert not recorded_live(stack).of_type("azure-native:app:Certificate")
    assert recorded(stack).outputs["certificate_records"] == []
    (environment,) = recorded(stack).of_type("azure-native:app:ManagedEnvironment")
    assert "identity" not in environment.inputs
    readers = {
        service for service, app in apps(recorded_live(stack)).items() if "door" in str(app.inputs["configuration"]["secrets"])
    }
    assert readers == {Service.EDGE}


@STACKS
def test_the_contract_is_published_as_a_whole(stack: str) -> None:
    """Every field has a value, before the site is live as well as after: the zone's stack needs it before."""
    for told in (recorded(stack).outputs, recorded_live(stack).outputs):
        assert set(told) == {"contract", *(field.name for field in fields(SiteContract))}
        assert told["contract"] == CONTRACT
        assert {name for name in told if not told[name]} == {"certificate_records", "routes"}
    assert recorded(stack).outputs == recorded_live(stack).outputs


@STACKS
def test_the_contract_tells_every_service(stack: str) -> None:
    """Servers and their names by database, instances by program, places by secret."""
    told = recorded(stack).outputs
    assert set(told["database_hosts"]) == set(told["database_servers"]) == set(DATABASES)
    assert set(told["instances"]) == set(PROGRAMS)
    assert told["instances"] == {service: app.inputs["containerAppName"] for service, app in apps(recorded_live(stack)).items()}
    places = {f"{service}/{secret.name}" for service, program in PROGRAMS.items() for secret in program.secrets}
    assert set(told["secrets"]) == {*places, *(f"{CONTROL}/{name}" for name in CONTROL_SECRETS)}
    assert all(url.startswith("https://") and "/secrets/" in url for url in told["secrets"].values())
    (address,) = (one for one in recorded(stack).resources if one.name == "ingress-address")
    assert told["address"] == address.outputs["ipAddress"]


@STACKS
def test_what_cannot_be_made_again_is_protected(stack: str) -> None:
    """Databases, keys, secrets, addresses, zones, gateways, records, and the locks on them."""
    for kind in STATEFUL:
        found = recorded_live(stack).of_type(f"azure-native:{kind}")
        assert found and all(one.protect for one in found), kind


@STACKS
def test_everything_names_its_provider_and_this_subscription(stack: str) -> None:
    """A default provider would take whatever account somebody is logged in to."""
    (provider,) = recorded_live(stack).of_type("pulumi:providers:azure-native")
    account = settings(stack).accounts.azure
    assert provider.inputs["subscriptionId"] == account.subscription and provider.inputs["tenantId"] == account.tenant
    for one in recorded_live(stack).resources:
        if one.custom and one is not provider:
            assert one.provider.startswith(f"{provider.urn}::"), one.name


@STACKS
def test_everything_stands_in_the_region_of_the_topology(stack: str) -> None:
    """But what Azure has everywhere at once: the names of private zones."""
    region = settings(stack).region
    for one in recorded_live(stack).resources:
        if one.custom and (found := one.inputs.get("location")) is not None:
            anywhere = one.type.startswith("azure-native:privatedns:")
            assert found == ("global" if anywhere else region), one.name


@STACKS
def test_whatever_takes_tags_has_them_all(stack: str) -> None:
    """Azure has none of a provider's own."""
    tagged = [one for one in recorded_live(stack).resources if "tags" in one.inputs]
    assert {one.type for one in tagged} >= {f"azure-native:{kind}" for kind in STATEFUL if kind not in _UNTAGGED}
    for one in tagged:
        assert set(one.inputs["tags"]) == {"app", "environment", "owner", "data-class", "residency", "stack"}, one.name
        assert one.inputs["tags"]["stack"] == stack


_UNTAGGED = ("network:Subnet", "authorization:ManagementLockByScope")


def test_two_environments_have_no_name_in_common() -> None:
    """Vaults, servers, registries and accounts have names that hold all over Azure."""
    everywhere = (
        ("keyvault:Vault", "vaultName", 24),
        ("dbforpostgresql:Server", "serverName", 63),
        ("containerregistry:Registry", "registryName", 50),
        ("storage:StorageAccount", "accountName", 24),
        ("resources:ResourceGroup", "resourceGroupName", 63),
        ("app:ContainerApp", "containerAppName", 32),
    )
    for kind, name, longest in everywhere:
        dev, prod = (
            {one.inputs[name] for one in recorded_live(stack).of_type(f"azure-native:{kind}")}
            for stack in ("dev-azure", "prod-azure")
        )
        assert dev and prod and not dev & prod
        assert all(len(one) <= longest for one in dev | prod)


def test_a_site_whose_images_are_not_built_does_not_go_live() -> None:
    """Refused at preview, with the key."""
    refused = record("prod-azure", live=True).refused
    assert refused is not None and "trimaran:images.payments" in refused
