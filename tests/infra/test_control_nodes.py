"""The nodes: nobody comes in, nothing is lost when one goes, and there is none before there is an image."""

import base64
import gzip
import json
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from controller.manifest.node import PAPERS, TOLD, device_of
from infra.components.control.nodes import ATTACHED_AS, zone_of
from infra.services import CONTROL_IMAGES
from infra.topology import Cloud
from tests.infra.controls import STACKS, live, settings
from tests.infra.recording import Recording, Resource, previewed, record, recorded
from tests.infra.stacks import MADE, ROOT, gone_live, node_images

MACHINES = ("aws:ec2/instance:Instance", "azure-native:compute:VirtualMachine", "gcp:compute/instance:Instance")
DISKS = ("aws:ebs/volume:Volume", "azure-native:compute:Disk", "gcp:compute/disk:Disk")
AWS, AZURE, GCP = MACHINES
LOCK, CARD = "azure-native:authorization:ManagementLockByScope", "azure-native:network:NetworkInterface"


def site(stack: str, cloud: str) -> Recording:
    """Of the same environment."""
    return recorded(f"{stack.partition('-')[0]}-{cloud}")


def machine(stack: str, token: str) -> Resource:
    """The only one of that cloud."""
    (found,) = live(stack).of_type(token)
    return found


@pytest.mark.parametrize("stack", STACKS)
def test_before_it_is_live_there_are_disks_and_no_machines(stack: str) -> None:
    """Images are placeholders until then."""
    assert not [one for token in MACHINES for one in recorded(stack).of_type(token)]
    assert [len(recorded(stack).of_type(token)) for token in DISKS] == [1, 1, 1]


@pytest.mark.parametrize("stack", STACKS)
def test_going_live_adds_machines_and_changes_nothing(stack: str) -> None:
    """Whatever was there before is as it was."""
    before, after = ({one.urn: one.inputs for one in found.resources} for found in (recorded(stack), live(stack)))
    assert {urn: after.get(urn) for urn in before} == before
    added = sorted(one.type for one in live(stack).resources if one.urn not in before)
    assert added == sorted((*MACHINES, LOCK, "aws:ec2/volumeAttachment:VolumeAttachment"))


@pytest.mark.parametrize("stack", STACKS)
def test_every_node_has_its_planned_address_in_its_own_subnet(stack: str) -> None:
    """etcd's members name each other by it, and it is what the others have been told."""
    plan = settings(stack).network.plan().sites
    aws, google = machine(stack, AWS).inputs, machine(stack, GCP).inputs["networkInterfaces"][0]
    (card,) = live(stack).of_type(CARD)
    (azure,) = card.inputs["ipConfigurations"]
    assert azure["privateIPAllocationMethod"] == "Static"
    found = {
        "aws": (aws["privateIp"], aws["subnetId"]),
        "azure": (azure["privateIPAddress"], azure["subnet"]["id"]),
        "gcp": (google["networkIp"], google["subnetwork"]),
    }
    assert found == {
        cloud.value: (str(plan[cloud].control_node), site(stack, cloud).outputs["control_subnet"]) for cloud in Cloud
    }
    assert live(stack).outputs["nodes"] == {cloud: address for cloud, (address, _) in found.items()}


@pytest.mark.parametrize("stack", STACKS)
def test_no_node_has_a_public_address(stack: str) -> None:
    """In each cloud's own way of not having one."""
    assert machine(stack, AWS).inputs["associatePublicIpAddress"] is False
    assert "accessConfigs" not in machine(stack, GCP).inputs["networkInterfaces"][0]
    assert all("publicIPAddress" not in part for one in live(stack).of_type(CARD) for part in one.inputs["ipConfigurations"])


@pytest.mark.parametrize("stack", STACKS)
def test_what_lets_a_control_node_in_lets_in_these(stack: str) -> None:
    """The guard of the site; on Azure it is the subnet's, and stands there."""
    assert machine(stack, AWS).inputs["vpcSecurityGroupIds"] == [site(stack, "aws").outputs["control_guard"]]
    assert machine(stack, GCP).inputs["serviceAccount"]["email"] == site(stack, "gcp").outputs["control_guard"]
    assert not [one for one in live(stack).resources if "securityGroup" in one.type or "irewall" in one.type]


@pytest.mark.parametrize("stack", STACKS)
def test_nobody_has_a_password_or_a_key(stack: str) -> None:
    """The one that Azure asks for is the settings', of which nobody has the other half."""
    assert "keyName" not in machine(stack, AWS).inputs
    system = machine(stack, AZURE).inputs["osProfile"]
    assert "adminPassword" not in system and system["linuxConfiguration"]["disablePasswordAuthentication"] is True
    (key,) = system["linuxConfiguration"]["ssh"]["publicKeys"]
    assert key["keyData"] == MADE["azure_public_key"]
    told = machine(stack, GCP).inputs["metadata"]
    assert told["enable-oslogin"] == told["block-project-ssh-keys"] == "TRUE" and "ssh-keys" not in told


@pytest.mark.parametrize("stack", STACKS)
def test_a_machine_is_one_identity_and_the_one_that_is_believed_elsewhere(stack: str) -> None:
    """With two, Azure's machine would be whichever it is not told to be."""
    (identity,) = machine(stack, AZURE).inputs["identity"]["userAssignedIdentities"]
    assert identity.endswith(f"/trimaran-{stack.partition('-')[0]}-control")
    assert machine(stack, AZURE).inputs["identity"]["type"] == "UserAssigned"
    (profile,) = live(stack).of_type("aws:iam/instanceProfile:InstanceProfile")
    assert profile.inputs["role"] == machine(stack, AWS).inputs["iamInstanceProfile"] == live(stack).outputs["identities"]["aws"]


@pytest.mark.parametrize("stack", STACKS)
def test_machines_start_what_was_signed_and_tell_their_credentials_to_themselves(stack: str) -> None:
    """Beside the policies, which look at the same."""
    options = machine(stack, AWS).inputs["metadataOptions"]
    assert options["httpTokens"] == "required" and options["httpPutResponseHopLimit"] == 1
    profile = machine(stack, AZURE).inputs["securityProfile"]
    assert profile == {
        "encryptionAtHost": True,
        "securityType": "TrustedLaunch",
        "uefiSettings": {"secureBootEnabled": True, "vTpmEnabled": True},
    }
    assert set(machine(stack, GCP).inputs["shieldedInstanceConfig"].values()) == {True}


@pytest.mark.parametrize("stack", STACKS)
def test_every_disk_is_closed_by_the_key_of_its_site(stack: str) -> None:
    """The system's and etcd's."""
    keys = {cloud.value: site(stack, cloud).outputs["disk_key"] for cloud in Cloud}
    (aws,), (azure,), (google,) = (live(stack).of_type(token) for token in DISKS)
    assert aws.inputs["encrypted"] is True and aws.inputs["kmsKeyId"] == keys["aws"]
    assert azure.inputs["encryption"]["diskEncryptionSetId"] == keys["azure"]
    assert google.inputs["diskEncryptionKey"]["kmsKeySelfLink"] == keys["gcp"]
    root = machine(stack, AWS).inputs["rootBlockDevice"]
    assert root["encrypted"] is True and root["kmsKeyId"] == keys["aws"]
    system = machine(stack, AZURE).inputs["storageProfile"]["osDisk"]["managedDisk"]
    assert system["diskEncryptionSet"]["id"] == keys["azure"]
    assert machine(stack, GCP).inputs["bootDisk"]["kmsKeySelfLink"] == keys["gcp"]


@pytest.mark.parametrize("stack", STACKS)
def test_the_disk_of_etcd_stays_when_the_machine_goes(stack: str) -> None:
    """It is none of the machine's own, is attached and not made with it, and nobody deletes it by the way."""
    recording = live(stack)
    for token in (*DISKS, *MACHINES):
        (one,) = recording.of_type(token)
        assert one.protect, token
    (aws,), (azure,), (google,) = (recording.of_type(token) for token in DISKS)
    (attached,) = recording.of_type("aws:ec2/volumeAttachment:VolumeAttachment")
    assert attached.inputs["stopInstanceBeforeDetaching"] is True and aws.urn in attached.property_dependencies["volumeId"]
    assert "ebsBlockDevices" not in machine(stack, AWS).inputs and aws.inputs["finalSnapshot"] is True
    (data,) = machine(stack, AZURE).inputs["storageProfile"]["dataDisks"]
    assert (data["createOption"], data["deleteOption"], data["caching"]) == ("Attach", "Detach", "None")
    assert azure.inputs["networkAccessPolicy"] == "DenyAll" and azure.inputs["publicNetworkAccess"] == "Disabled"
    assert azure.urn in machine(stack, AZURE).property_dependencies["storageProfile"]
    assert (
        google.inputs["deletionPolicy"] == "PREVENT" and google.urn in machine(stack, GCP).property_dependencies["attachedDisks"]
    )


@pytest.mark.parametrize("stack", STACKS)
def test_every_cloud_guards_its_machine_against_deletion_as_well(stack: str) -> None:
    """Pulumi's protection can be switched off on a command's line."""
    assert machine(stack, AWS).inputs["disableApiTermination"] is True
    assert machine(stack, GCP).inputs["deletionProtection"] is True
    locks = live(stack).of_type(LOCK)
    assert {one.inputs["level"] for one in locks} == {"CanNotDelete"} and all(one.protect for one in locks)
    (disk,), (vm,) = live(stack).of_type(DISKS[1]), live(stack).of_type(AZURE)
    assert {urn for one in locks for urn in one.property_dependencies["scope"]} == {disk.urn, vm.urn}


@pytest.mark.parametrize("stack", STACKS)
def test_a_disk_is_where_its_machine_is(stack: str) -> None:
    """A disk of another zone cannot be attached; on AWS the subnet says where that is."""
    recording = live(stack)
    (aws,), (azure,), (google,) = (recording.of_type(token) for token in DISKS)
    (subnet,) = (
        one
        for one in site(stack, "aws").of_type("aws:ec2/subnet:Subnet")
        if one.inputs["cidrBlock"] == str(settings(stack).network.plan().sites[Cloud.AWS].control)
    )
    assert aws.inputs["availabilityZone"] == subnet.inputs["availabilityZone"]
    assert azure.inputs["zones"] == machine(stack, AZURE).inputs["zones"]
    assert google.inputs["zone"] == machine(stack, GCP).inputs["zone"] == zone_of(Cloud.GCP, settings(stack).topology.gcp)


@pytest.mark.parametrize("stack", STACKS)
def test_images_are_those_of_the_settings(stack: str) -> None:
    """By names that are never given twice."""
    assert machine(stack, AWS).inputs["ami"] == MADE["aws"]
    assert machine(stack, AZURE).inputs["storageProfile"]["imageReference"] == {"id": MADE["azure"]}
    assert machine(stack, GCP).inputs["bootDisk"]["initializeParams"]["image"] == MADE["gcp"]


def heard(stack: str) -> Mapping[Cloud, str]:
    """What each machine's cloud-init is handed, unpacked as that cloud's is."""
    aws = gzip.decompress(base64.b64decode(machine(stack, AWS).inputs["userDataBase64"]))
    azure = base64.b64decode(machine(stack, AZURE).inputs["osProfile"]["customData"])
    return {
        Cloud.AWS: aws.decode(),
        Cloud.AZURE: azure.decode(),
        Cloud.GCP: machine(stack, GCP).inputs["metadata"]["user-data"],
    }


def told(stack: str) -> Mapping[Cloud, Mapping[str, Any]]:
    """What programs of each node are told of it."""
    found: dict[Cloud, Mapping[str, Any]] = {}
    for cloud, document in heard(stack).items():
        assert document.startswith("#cloud-config\n")
        (file,) = (one["content"] for one in yaml.safe_load(document)["write_files"] if one["path"] == str(TOLD))
        found[cloud] = json.loads(file)
    return found


@pytest.mark.parametrize("stack", STACKS)
def test_all_three_are_told_who_they_are_and_whom_else_there_is(stack: str) -> None:
    """Each by its cloud's own way, and no cloud in two ways."""
    given = settings(stack)
    plan = given.network.plan().sites
    assert "userData" not in machine(stack, AWS).inputs
    for cloud, found in told(stack).items():
        assert found["images"] and found["papers"]
        others = [f"https://{plan[one].control_node}:2379" for one in Cloud if one is not cloud]
        assert (found["environment"], found["site"], found["cloud"]) == (given.environment, cloud.value, cloud.value)
        assert found["others"] == others
    client = site(stack, "azure").outputs["principals"]["control"]["client"]
    assert {cloud: found["client"] for cloud, found in told(stack).items()} == {Cloud.AWS: "", Cloud.AZURE: client, Cloud.GCP: ""}
    assert client == live(stack).outputs["identities"]["azure"]


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("cloud", list(Cloud))
def test_a_node_fetches_its_papers_where_its_own_site_keeps_them(stack: str, cloud: Cloud) -> None:
    """All of them; places of services are told to nobody here."""
    places = site(stack, cloud).outputs["secrets"]
    found = {one["place"]: one["file"] for one in told(stack)[cloud]["papers"]}
    assert found == {places[f"control/{paper.name}"]: str(paper.path) for paper in PAPERS}


@pytest.mark.parametrize("stack", STACKS)
def test_a_node_has_tokens_made_out_for_whom_the_other_side_takes_them(stack: str) -> None:
    """For each cloud that takes one; Google is shown a signed question by AWS."""
    audiences = {
        f"{cloud}-{one['file'].rpartition('/')[2]}": one["audience"]
        for cloud, found in told(stack).items()
        for one in found["tokens"]
    }
    assert audiences == live(stack).outputs["audiences"]


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("cloud", list(Cloud))
def test_a_node_runs_what_the_settings_name_from_its_own_sites_repositories(stack: str, cloud: Cloud) -> None:
    """By digest."""
    named = node_images(stack)[cloud]
    assert [one["image"] for one in told(stack)[cloud]["images"]] == [named[one] for one in CONTROL_IMAGES]
    repositories = site(stack, cloud).outputs["repositories"]
    assert {one: image.partition("@")[0] for one, image in named.items()} == repositories


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("cloud", list(Cloud))
def test_an_image_beside_the_sites_repositories_is_refused(stack: str, cloud: Cloud) -> None:
    """At preview, by its key: the registry would refuse it to the node for ever."""
    beside = {one: {**named} for one, named in node_images(stack).items()}
    beside[cloud]["etcd"] = beside[cloud]["etcd"].replace("/etcd@", "/payments@")
    with pytest.raises(
        AssertionError, match=f"trimaran:control.images.{cloud}.etcd: from .*; from the repository that the site has for it"
    ):
        record(stack, preview=True, live="true", control={**MADE, "images": beside})


@pytest.mark.parametrize("stack", STACKS)
def test_a_site_that_has_no_place_for_a_paper_is_named(stack: str) -> None:
    """It was applied with an older program; a node that waits for a paper that nobody can fill never starts."""
    environment = stack.partition("-")[0]
    stacks = {
        f"organization/trimaran/{environment}-{role}": dict(recorded(f"{environment}-{role}").outputs)
        for role in (*Cloud, "edge")
    }
    site = stacks[f"organization/trimaran/{environment}-gcp"]
    site["secrets"] = {name: place for name, place in site["secrets"].items() if name != "control/etcd-identity"}
    with pytest.raises(AssertionError, match="the site of gcp has no place for etcd-identity: apply it with this version first"):
        record(stack, stacks=stacks, **gone_live(stack))


@pytest.mark.parametrize("stack", STACKS)
def test_in_a_first_preview_only_aws_machine_is_told_what_nobody_knows(stack: str) -> None:
    """Its disk is named by an id that AWS makes up, and the words are traced to it."""
    recording = previewed(stack, live=True)
    (aws,), (volume,) = recording.of_type(AWS), recording.of_type(DISKS[0])
    assert volume.urn in aws.property_dependencies["userDataBase64"]
    (azure,), (google,) = recording.of_type(AZURE), recording.of_type(GCP)
    assert azure.inputs["osProfile"]["customData"] == machine(stack, AZURE).inputs["osProfile"]["customData"]
    assert google.inputs["metadata"] == machine(stack, GCP).inputs["metadata"]


@pytest.mark.parametrize("stack", STACKS)
def test_a_template_that_changes_touches_no_node_that_runs(stack: str) -> None:
    """AWS would stop the machine to tell it, and Azure would refuse the update of all three."""
    owned = {AWS: ("userData", "userDataBase64"), AZURE: ("osProfile.customData",), GCP: ('metadata["user-data"]',)}
    assert {token: machine(stack, token).ignore_changes for token in MACHINES} == owned


@pytest.mark.parametrize("stack", STACKS)
def test_a_node_finds_its_disk_by_the_name_it_was_attached_with(stack: str) -> None:
    """A node that finds none never starts its member. On AWS the name is the volume's own, whatever it is attached as."""
    (volume,), (attached,) = live(stack).of_type(DISKS[0]), live(stack).of_type("aws:ec2/volumeAttachment:VolumeAttachment")
    (data,) = machine(stack, AZURE).inputs["storageProfile"]["dataDisks"]
    (disk,) = machine(stack, GCP).inputs["attachedDisks"]
    assert attached.inputs["deviceName"] == ATTACHED_AS
    named = {Cloud.AWS: attached.inputs["volumeId"], Cloud.AZURE: f"{data['lun']:.0f}", Cloud.GCP: disk["deviceName"]}
    assert volume.urn in attached.property_dependencies["volumeId"]
    for cloud, document in heard(stack).items():
        (mount,) = (
            one["content"]
            for one in yaml.safe_load(document)["write_files"]
            if one["path"] == "/etc/systemd/system/var-lib-trimaran-etcd.mount"
        )
        assert f"What={device_of(cloud.value, named[cloud])}\n" in mount


@pytest.mark.parametrize("stack", STACKS)
def test_what_a_subscription_has_to_switch_on_first_is_told_before_anything(stack: str) -> None:
    """Azure refuses such a machine in a subscription that is new, in the last step but two."""
    assert machine(stack, AZURE).inputs["securityProfile"]["encryptionAtHost"] is True
    page = (ROOT / "docs" / "deploy.md").read_text()
    told = page.partition("### Before anything")[2].partition("###")[0]
    assert "az feature register --namespace Microsoft.Compute --name EncryptionAtHost" in told
