"""Google's runtime and doors: what runs, as whom, and by which doors it is reached."""

import pytest

from edge import certified
from infra.services import AGENT, EDGE_DOOR, PROGRAMS, Service, callers_of
from infra.settings import SettingsError, read_settings
from tests.infra.recording import Recording, Resource, record, recorded, recorded_live
from tests.infra.stacks import TRUSTED, built, gone_live, settings_of

STACKS = ("dev-gcp", "prod-gcp")
SERVICE = "gcp:cloudrunv2/service:Service"
POOL = "gcp:cloudrunv2/workerPool:WorkerPool"
RULE = "gcp:compute/forwardingRule:ForwardingRule"
PROXY = "gcp:compute/regionTargetHttpsProxy:RegionTargetHttpsProxy"
POLICY = "gcp:networksecurity/serverTlsPolicy:ServerTlsPolicy"
DOOR, WORD = "Edge-Door", "Edge-Word"
HEADERS = {
    "Client-Cert-Present": "{client_cert_present}",
    "Client-Cert-Verified": "{client_cert_chain_verified}",
    "Client-Cert-Sha256": "{client_cert_sha256_fingerprint}",
    "Client-Cert-Names": "{client_cert_uri_sans}",
    "Client-Cert": "{client_cert_leaf}",
}
"""Read by programs, so written out here: whoever renames one breaks them."""
SECRET = "4dabf18193072939515e22adb298388d"
"""How values are marked as secret on the wire."""

both = pytest.mark.parametrize("stack", STACKS)


def running(stack: str) -> dict[str, Resource]:
    """What runs, by service."""
    told = recorded_live(stack)
    return {one.name.rpartition("-")[2]: one for one in (*told.of_type(SERVICE), *told.of_type(POOL))}


def named(told: Recording, token: str, reference: str) -> Resource:
    """The one with that id."""
    (found,) = (one for one in told.of_type(token) if reference.endswith(f"/{one.name}"))
    return found


def marked(value: dict[str, str]) -> str:
    """A value that the wire marks as secret. Raises KeyError when it is not marked."""
    assert SECRET in value
    return value["value"]


@both
def test_nothing_runs_before_its_secrets_are_filled(stack: str) -> None:
    """Cloud Run would refuse, and the first `pulumi up` could not end."""
    assert not [one for one in recorded(stack).resources if "cloudrun" in one.type]


@both
def test_going_live_adds_what_runs_and_changes_nothing_else(stack: str) -> None:
    """Doors, addresses and ways were there before, and whom balancers believe is said before."""
    before = {one.urn: one.inputs for one in record(stack, trusted=TRUSTED).resources}
    after = {one.urn: one.inputs for one in recorded_live(stack).resources}
    assert {urn: after.get(urn) for urn in before} == before
    assert len(after) - len(before) == len(Service)


@both
def test_every_program_runs_with_its_own_floor_and_ceiling(stack: str) -> None:
    """The floor stands where the controller does not write, too: it is given to an instance that is made."""
    capacity = read_settings(settings_of(stack)).capacity
    assert set(running(stack)) == set(Service)
    for service, one in running(stack).items():
        wanted = getattr(capacity, service)
        if one.type == POOL:
            assert one.inputs["scaling"] == {"scalingMode": "MANUAL", "manualInstanceCount": wanted.floor}
        else:
            scaling = one.inputs["template"]["scaling"]
            assert scaling == {"minInstanceCount": wanted.floor, "maxInstanceCount": wanted.ceiling}
            assert one.inputs["scaling"]["minInstanceCount"] == wanted.floor


@both
def test_a_floor_that_the_controller_raised_is_left_as_it_is(stack: str) -> None:
    """Applied in the middle of an outage, this program would take away what carries the load."""
    for one in running(stack).values():
        owned = "scaling.manualInstanceCount" if one.type == POOL else "scaling.minInstanceCount"
        assert owned in one.ignore_changes and "template" not in one.ignore_changes and "scaling" not in one.ignore_changes


@both
def test_only_balancers_reach_a_program(stack: str) -> None:
    """A door beside the balancer would be one where nobody asks for a certificate, and headers are believed."""
    for service, one in running(stack).items():
        if PROGRAMS[Service(service)].is_public or callers_of(Service(service)):
            assert one.type == SERVICE
            assert one.inputs["ingress"] == "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER" and one.inputs["defaultUriDisabled"] is True
        else:
            assert one.type == POOL


@both
def test_whoever_runs_is_somebody_of_its_own_in_a_subnet_of_its_own(stack: str) -> None:
    """And sends everything through our network, where it is filtered."""
    for service, one in running(stack).items():
        template = one.inputs["template"]
        assert template["serviceAccount"].startswith(f"trimaran-{stack.partition('-')[0]}-{service}@")
        assert template["encryptionKey"].endswith(f"-keys-{service}")
        assert template["vpcAccess"]["egress"] == "ALL_TRAFFIC"
        (interface,) = template["vpcAccess"]["networkInterfaces"]
        assert interface["subnetwork"].endswith(f"-network-{service}")


@both
def test_a_program_is_told_its_own_secrets_by_reference(stack: str) -> None:
    """Never by value, never another's; and it waits until it may read them."""
    for service, one in running(stack).items():
        (container,) = one.inputs["template"]["containers"]
        told = {each["name"]: each["valueSource"]["secretKeyRef"] for each in container["envs"] if "valueSource" in each}
        prefix = f"trimaran-{stack.partition('-')[0]}-{service}-"
        assert told == {
            secret.variable: {"secret": f"{prefix}{secret.name}", "version": "latest"}
            for secret in PROGRAMS[Service(service)].secrets
        }
        assert {each["name"] for each in container["envs"]} - set(told) == set(PROGRAMS[Service(service)].environment)
        leaves = [urn for urn in one.dependencies if "secretIamMember:SecretIamMember::" in urn]
        assert len(leaves) == len(told) and all(f"-secrets-{service}-" in urn for urn in leaves)


@both
def test_processors_are_always_on_and_images_pinned(stack: str) -> None:
    """What waits for replication between requests must not be put to sleep."""
    for service, one in running(stack).items():
        (container,) = one.inputs["template"]["containers"]
        assert container["image"] == built(stack)[service] and f"/{service}@sha256:" in container["image"]
        assert container["resources"]["limits"]["cpu"] == ("2" if service == "edge" else "1")
        if one.type == SERVICE:
            assert container["resources"]["cpuIdle"] is False


@both
def test_a_drained_edge_is_not_killed_for_its_dark_beacon(stack: str) -> None:
    """It has to hand over whoever still comes."""
    (edge,) = running(stack)["edge"].inputs["template"]["containers"]
    assert "livenessProbe" not in edge and "httpGet" not in edge["startupProbe"]
    for service, one in running(stack).items():
        if service != "edge":
            (container,) = one.inputs["template"]["containers"]
            assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": 8443}


@both
def test_what_runs_is_not_deleted_by_a_word_in_a_file(stack: str) -> None:
    """`live` set back to false would end a site."""
    assert all(one.inputs["deletionProtection"] is True for one in running(stack).values())


@both
def test_the_public_door_asks_for_certificates_and_takes_those_without_too(stack: str) -> None:
    """Some clients have none; RFC 8705 needs those of the others."""
    told = recorded(stack)
    (door,) = (one for one in told.of_type(RULE) if one.inputs["loadBalancingScheme"] == "EXTERNAL_MANAGED")
    proxy = named(told, PROXY, door.inputs["target"])
    policy = named(told, POLICY, proxy.inputs["serverTlsPolicy"]).inputs
    assert policy["mtlsPolicy"]["clientValidationMode"] == "ALLOW_INVALID_OR_MISSING_CLIENT_CERT"
    assert policy["mtlsPolicy"]["clientValidationTrustConfig"].endswith("-trust-clients") and policy["allowOpen"] is False
    address = named(told, "gcp:compute/address:Address", door.inputs["ipAddress"])
    assert address.inputs["networkTier"] == door.inputs["networkTier"] == "STANDARD" and address.protect
    domain = read_settings(settings_of(stack)).domain
    certificate = named(told, "gcp:certificatemanager/certificate:Certificate", proxy.inputs["certificateManagerCertificates"][0])
    assert certificate.inputs["managed"]["domains"] == [f"api.{domain}", f"vault.{domain}"]


@both
def test_private_doors_take_nobody_without_a_certificate_of_ours(stack: str) -> None:
    """And stand where programs are asked: services by their callers, the edge by other edges and controllers."""
    told = recorded(stack)
    doors = [one for one in told.of_type(RULE) if one.inputs["loadBalancingScheme"] == "INTERNAL_MANAGED"]
    wanted = {(str(one), f"{PROGRAMS[one].port}") for one in Service if callers_of(one)}
    assert {(one.name.split("-")[2], one.inputs["portRange"]) for one in doors} == {
        *wanted,
        ("edge", f"{EDGE_DOOR}"),
        ("edge", f"{AGENT}"),
    }
    for door in doors:
        policy = named(told, POLICY, named(told, PROXY, door.inputs["target"]).inputs["serverTlsPolicy"]).inputs
        assert policy["mtlsPolicy"]["clientValidationMode"] == "REJECT_INVALID"
        assert policy["mtlsPolicy"]["clientValidationTrustConfig"].endswith("-trust-fleet")
        assert door.inputs["allowGlobalAccess"] is False and door.inputs["subnetwork"].endswith("-network-balancers")


@both
def test_doors_speak_tls_12_or_newer_with_forward_secrecy(stack: str) -> None:
    """All of them."""
    told = recorded(stack)
    (ciphers,) = told.of_type("gcp:compute/regionSslPolicy:RegionSslPolicy")
    assert ciphers.inputs["profile"] == "RESTRICTED" and ciphers.inputs["minTlsVersion"] == "TLS_1_2"
    assert all(one.inputs["sslPolicy"].endswith(f"/{ciphers.name}") for one in told.of_type(PROXY))


@both
def test_a_balancer_says_who_shows_a_certificate_and_by_which_door_he_came(stack: str) -> None:
    """In place of what a client says there: whoever could add to it would be anybody."""
    maps = recorded(stack).of_type("gcp:compute/regionUrlMap:RegionUrlMap")
    doors = set()
    for one in maps:
        added = {each["headerName"]: each for each in one.inputs["headerAction"]["requestHeadersToAdds"]}
        assert all(each["replace"] is True for each in added.values())
        assert {key: each["headerValue"] for key, each in added.items() if key not in (DOOR, WORD)} == HEADERS
        doors.add((one.name.split("-")[2], added[DOOR]["headerValue"]))
    assert doors == {
        ("ingress", "clients"),
        ("payments", "services"),
        ("vault", "services"),
        ("screening", "services"),
        ("edge", "peers"),
        ("edge", "agent"),
    }


@both
def test_the_edge_knows_its_balancers_by_a_word_that_no_other_program_hears(stack: str) -> None:
    """One word, made by chance and marked secret, said at each of the edge's doors in place of a client's."""
    told = recorded(stack)
    (made,) = told.of_type("random:index/randomPassword:RandomPassword")
    assert made.inputs["length"] >= 40 and made.inputs["special"] is False and made.protect
    heard = {}
    for one in told.of_type("gcp:compute/regionUrlMap:RegionUrlMap"):
        added = {each["headerName"]: each for each in one.inputs["headerAction"]["requestHeadersToAdds"]}
        if WORD in added:
            heard[one.name.split("-", 2)[2]] = marked(added[WORD]["headerValue"])
    assert heard == dict.fromkeys(("ingress-clients", "edge-balancer-peers", "edge-balancer-agent"), made.outputs["result"])


def test_an_edge_hears_what_balancers_say() -> None:
    """The edge and the infrastructure do not import each other."""
    said = {certified.PRESENT, certified.VERIFIED, certified.DIGEST, *certified.BESIDE}
    assert said == set(HEADERS) and (certified.DOOR, certified.WORD, certified.CLIENTS) == (DOOR, WORD, "clients")
    assert HEADERS[certified.DIGEST] == "{client_cert_sha256_fingerprint}"
    assert HEADERS[certified.PRESENT] == "{client_cert_present}" and HEADERS[certified.VERIFIED] == "{client_cert_chain_verified}"


@both
def test_every_balancer_says_its_scheme_and_leads_to_the_program_it_is_named_for(stack: str) -> None:
    """The provider's default has changed once already."""
    told = recorded(stack)
    for backend in told.of_type("gcp:compute/regionBackendService:RegionBackendService"):
        assert backend.inputs["loadBalancingScheme"] in {"EXTERNAL_MANAGED", "INTERNAL_MANAGED"}
        (group,) = backend.inputs["backends"]
        to = named(told, "gcp:compute/regionNetworkEndpointGroup:RegionNetworkEndpointGroup", group["group"]).inputs["cloudRun"][
            "service"
        ]
        service = backend.name.split("-")[2].replace("ingress", "edge")
        assert to == f"trimaran-{stack.partition('-')[0]}-{service}" == told.outputs["instances"][service]


@both
def test_balancers_believe_whom_settings_name(stack: str) -> None:
    """Nobody at first: an empty list believes nobody. Each list its own authorities, and a site that believes nobody does not go live."""
    token = "gcp:certificatemanager/trustConfig:TrustConfig"
    empty = recorded(stack).of_type(token)
    assert len(empty) == 2 and all("trustStores" not in one.inputs and one.protect for one in empty)
    for one in recorded_live(stack).of_type(token):
        (store,) = one.inputs["trustStores"]
        wanted = TRUSTED[one.name.rpartition("-")[2]]
        assert [anchor["pemCertificate"] for anchor in store["trustAnchors"]] == wanted and one.protect
        assert "trustStores" not in one.ignore_changes
    refused = record(stack, **{**gone_live(stack), "trusted": None}).refused
    assert refused is not None and "trimaran:trusted: missing" in refused


def test_a_key_among_those_who_are_believed_is_refused() -> None:
    """It would lie in the state, for whoever may read that; and is not repeated."""
    for spoilt in ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "", "hidden"):
        for whole in (spoilt, TRUSTED["fleet"][0] + spoilt):
            if whole not in TRUSTED["fleet"]:
                with pytest.raises(SettingsError, match=r"trimaran:trusted\.fleet\.0: one certificate") as found:
                    read_settings(settings_of("prod-gcp", trusted={**TRUSTED, "fleet": [whole]}))
                assert "AAAA" not in str(found.value) and "hidden" not in str(found.value)


@both
def test_private_names_are_those_of_the_certificates(stack: str) -> None:
    """A caller that dials one verifies it."""
    told = recorded(stack)
    names = {one.inputs["name"].rstrip(".") for one in told.of_type("gcp:dns/recordSet:RecordSet")}
    internal = f"gcp.internal.{read_settings(settings_of(stack)).domain}"
    assert names == {f"{one}.{internal}" for one in ("payments", "vault", "screening", "edge")}
    covered = {
        name
        for one in told.of_type("gcp:certificatemanager/certificate:Certificate")
        for name in one.inputs["managed"]["domains"]
    }
    assert names <= covered
    (zone,) = (one for one in told.of_type("gcp:dns/managedZone:ManagedZone") if "forwardingConfig" not in one.inputs)
    assert zone.inputs["visibility"] == "private" and zone.inputs["dnsName"] == f"{internal}."
