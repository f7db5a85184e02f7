"""A stack's settings: what is in the repository is accepted, and what cannot keep the promises is refused by key and rule."""

from typing import Any

import pytest

from infra.services import CONTROL_IMAGES
from infra.settings import Role, Settings, SettingsError, read_settings
from infra.topology import Cloud
from tests.infra.stacks import FILLING, STACKS, gone_live, settings_of

SHARED = ("owner", "domain", "topology", "network", "accounts", "capacity", "databases", "organization")
"""What all stacks of an environment have to agree on: each of them acts by it."""


def told(stack: str = "prod-aws", **changed: object) -> tuple[str, ...]:
    """Why those settings are refused."""
    with pytest.raises(SettingsError) as caught:
        read_settings(settings_of(stack, **changed))
    return caught.value.problems


def table(stack: str, key: str) -> dict[str, Any]:
    """One of its tables, to be changed."""
    found: dict[str, Any] = getattr(read_settings(settings_of(stack)), key).model_dump(mode="json")
    return found


@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_in_the_repository_can_be_previewed(stack: str) -> None:
    """And is what its name says."""
    settings = read_settings(settings_of(stack))
    assert f"{settings.environment}-{settings.role}" == stack


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_stacks_of_one_environment_agree(environment: str) -> None:
    """Six files repeat what is shared: one that is forgotten would plan a mesh with a network that is not there."""
    all_six = [read_settings(settings_of(f"{environment}-{role}")).model_dump_json(include=set(SHARED)) for role in Role]
    assert len(set(all_six)) == 1, all_six


def test_two_environments_have_nothing_in_common() -> None:
    """A trial that touches what earns the money is none."""
    dev, prod = (read_settings(settings_of(f"{environment}-aws")) for environment in ("dev", "prod"))
    assert dev.domain != prod.domain and dev.accounts.aws != prod.accounts.aws
    assert dev.accounts.azure.subscription != prod.accounts.azure.subscription and dev.accounts.gcp != prod.accounts.gcp


def test_what_is_missing_is_told_by_its_key() -> None:
    """All of it at once."""
    assert told(topology=None, domain=None) == ("trimaran:domain: missing", "trimaran:topology: missing")


def test_regions_in_one_town_are_refused() -> None:
    """Before anything is built there."""
    regions = {"aws": "eu-central-1", "azure": "germanywestcentral", "gcp": "europe-west3", "jurisdiction": "EU"}
    found = told("prod-edge", topology=regions)
    assert len(found) == 3 and found[0].startswith("trimaran:topology.aws, topology.azure: ")


@pytest.mark.parametrize("stack", STACKS)
def test_sites_are_a_thousand_kilometres_apart_unless_somebody_says_otherwise(stack: str) -> None:
    """In every stack of the repository, and where a stack names regions of its own and no distance."""
    regions = {key: value for key, value in table(stack, "topology").items() if key != "least_km"}
    assert table(stack, "topology")["least_km"] == 1000
    assert read_settings(settings_of(stack, topology=regions)).topology.least_km == 1000


def test_distance_cannot_be_configured_away() -> None:
    """Less than 300 km is one storm."""
    (found,) = told(topology={**table("prod-aws", "topology"), "least_km": 10})
    assert found.startswith("trimaran:topology.least_km: ")


def test_networks_with_addresses_in_common_are_refused() -> None:
    """In every stack, also in those that have none."""
    network = table("prod-aws", "network")
    network["gcp"]["block"] = network["aws"]["block"]
    for stack in ("prod-aws", "prod-control"):
        (found,) = told(stack, network=network)
        assert found.startswith("trimaran:network.aws.block, network.gcp.block: ")


@pytest.mark.parametrize(("peak", "floor", "is_refused"), [(6, 3, False), (7, 3, True), (6, 2, True), (7, 4, False)])
def test_sites_that_could_not_carry_the_load_of_a_lost_one_are_refused(peak: int, floor: int, is_refused: bool) -> None:
    """With N-1: the two that are left, and what runs there already."""
    capacity = table("prod-aws", "capacity")
    capacity["payments"] = {"peak": peak, "floor": floor, "ceiling": 20}
    if is_refused:
        (found,) = told(capacity=capacity)
        assert found.startswith("trimaran:capacity.payments.floor: ") and "N-1" in found
    else:
        read_settings(settings_of("prod-aws", capacity=capacity))


def test_a_site_that_may_not_grow_to_the_peak_is_refused() -> None:
    """Two may be lost."""
    capacity = table("prod-aws", "capacity")
    capacity["vault"]["ceiling"] = 3
    (found,) = told(capacity=capacity)
    assert found.startswith("trimaran:capacity.vault.ceiling: ")


@pytest.mark.parametrize("stack", STACKS)
def test_no_stack_is_previewed_on_what_cannot_keep_the_promises(stack: str) -> None:
    """Whichever of the twelve it is, and everything at once: the key, and the rule that it breaks."""
    network, capacity = table(stack, "network"), table(stack, "capacity")
    network["azure"]["block"] = network["aws"]["block"]
    capacity["edge"] = {"peak": 9, "floor": 2, "ceiling": 9}
    regions = {**table(stack, "topology"), "azure": "germanywestcentral"}
    found = told(stack, topology=regions, network=network, capacity=capacity)
    for key, rule in (
        ("topology.aws, topology.azure: ", "apart"),
        ("network.aws.block, network.azure.block: ", "no address belongs to two sites"),
        ("capacity.edge.floor: ", "N-1"),
    ):
        assert [one for one in found if one.startswith(f"trimaran:{key}") and rule in one], found
    for key in ("environment", "role", "owner", "domain", "topology", "network", "accounts", "capacity", "databases"):
        assert told(stack, **{key: None}) == (f"trimaran:{key}: missing",)


@pytest.mark.parametrize(
    ("stack", "image"),
    [
        ("prod-aws", "trimaranprod.azurecr.io/payments@sha256:" + 64 * "1"),
        ("prod-aws", "111111111111.dkr.ecr.eu-west-1.amazonaws.com/trimaran/payments@sha256:" + 64 * "1"),
        ("prod-azure", "europe-southwest1-docker.pkg.dev/trimaran-prod/trimaran/payments@sha256:" + 64 * "1"),
        ("prod-gcp", "europe-west3-docker.pkg.dev/trimaran-prod/trimaran/payments@sha256:" + 64 * "1"),
    ],
)
def test_an_image_from_another_cloud_or_region_is_refused(stack: str, image: str) -> None:
    """An instance that has to start while that one is down would have nothing to start with."""
    (found,) = told(stack, images={**table(stack, "images"), "payments": image})
    assert found.startswith("trimaran:images.payments: ")


def test_an_image_by_tag_is_refused() -> None:
    """Who can move the tag could change what runs."""
    images = {**table("prod-aws", "images"), "edge": "111111111111.dkr.ecr.eu-central-1.amazonaws.com/trimaran/edge:latest"}
    (found,) = told(images=images)
    assert found.startswith("trimaran:images.edge: ") and "digest" in found


def test_services_that_were_never_built_cannot_be_live() -> None:
    """The digests in the repository are placeholders."""
    assert len(told(live="true")) == 5


def test_a_site_without_images_is_refused_and_other_stacks_need_none() -> None:
    """The mesh runs nothing."""
    (found,) = told(images=None)
    assert found.startswith("trimaran:images: missing")
    assert read_settings(settings_of("prod-interconnect")).images is None


def test_control_nodes_are_told_what_they_start_from() -> None:
    """The control stack, and no other."""
    (found,) = told("prod-control", control=None)
    assert found.startswith("trimaran:control: missing")
    assert read_settings(settings_of("prod-aws")).control is None


def test_control_nodes_that_were_never_made_cannot_be_live() -> None:
    """Machine images, a key and what runs are placeholders in the repository; each is told by its key, and what is real is not."""
    found = told("prod-control", live="true")
    run = [f"images.{cloud}.{name}" for cloud in Cloud for name in CONTROL_IMAGES]
    assert [line.split(":")[1] for line in found] == [
        f"control.{one}" for one in ("aws", "azure", "gcp", "azure_public_key", *run)
    ]
    real = {**table("prod-control", "control"), "aws": "ami-" + 17 * "1"}
    real["images"]["gcp"]["etcd"] = real["images"]["gcp"]["etcd"].replace(64 * "0", 64 * "1")
    left = [line.split(":")[1] for line in told("prod-control", live="true", control=real)]
    assert len(left) == len(found) - 2 and not {"control.aws", "control.images.gcp.etcd"} & set(left)


@pytest.mark.parametrize("cloud", list(Cloud))
@pytest.mark.parametrize("program", CONTROL_IMAGES)
@pytest.mark.parametrize(
    ("image", "rule"), [("elsewhere.example.com/etcd@sha256:" + 64 * "1", "a registry of this cloud"), ("", "digest")]
)
def test_what_runs_on_a_control_node_comes_from_its_own_cloud_by_digest(
    cloud: Cloud, program: str, image: str, rule: str
) -> None:
    """Also before it is live, like a site's images, each by its key."""
    control = table("prod-control", "control")
    control["images"][cloud][program] = image or control["images"][cloud][program].partition("@")[0] + ":3.6"
    (found,) = told("prod-control", control=control)
    assert found.startswith(f"trimaran:control.images.{cloud}.{program}: ") and rule in found


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("aws", "ami-latest"),
        ("aws", "resolve:ssm:/aws/service/debian/latest"),
        ("azure", "Debian:debian-12:12-gen2:latest"),
        ("gcp", "projects/debian-cloud/global/images/family/debian-12"),
        ("azure_public_key", "-----BEGIN OPENSSH PRIVATE KEY-----"),
    ],
)
def test_a_machine_image_that_can_be_moved_is_refused(key: str, value: str) -> None:
    """Three nodes that are made anew one after the other would not be the same."""
    (found,) = told("prod-control", control={**table("prod-control", "control"), key: value})
    assert found.startswith(f"trimaran:control.{key}: ")


SUBJECT = (
    "iam.googleapis.com/projects/1000000000001/locations/global/workloadIdentityPools/trimaran-prod-clouds/subject/1234-abcd"
)


@pytest.mark.parametrize(
    ("cloud", "who"),
    [
        *FILLING.items(),
        ("aws", "arn:aws:iam::222222222222:role/filling"),
        ("gcp", "user:somebody@example.com"),
        ("gcp", "serviceAccount:filling@trimaran-prod.iam.gserviceaccount.com"),
        ("gcp", f"principal://{SUBJECT}"),
        ("gcp", "principal://iam.googleapis.com/locations/global/workforcePools/people/subject/somebody@example.com"),
    ],
)
def test_whoever_may_fill_places_is_named_in_full(cloud: str, who: str) -> None:
    """One principal; the other cloud's may stay unnamed."""
    filling = read_settings(settings_of("prod-aws", filling={cloud: who})).filling
    assert filling is not None and filling.model_dump() == {"aws": "", "gcp": "", cloud: who}


def test_nobody_may_fill_places_unless_somebody_is_named() -> None:
    """In every stack of the repository."""
    assert [stack for stack in STACKS if read_settings(settings_of(stack)).filling is not None] == []


@pytest.mark.parametrize(
    ("cloud", "who"),
    [
        ("aws", ""),
        ("aws", "*"),
        ("aws", "111111111111"),
        ("aws", "arn:aws:iam::111111111111:root"),
        ("aws", "arn:aws:iam::111111111111:user/somebody"),
        ("aws", "arn:aws:iam::111111111111:role/*"),
        ("aws", "arn:aws:iam::111111111111:role/filling\n"),
        ("aws", "arn:aws:iam::111111111111:role/"),
        ("aws", "arn:aws:iam::*:role/filling"),
        ("aws", "arn:aws:sts::111111111111:assumed-role/filling/somebody"),
        ("gcp", ""),
        ("gcp", "allUsers"),
        ("gcp", "allAuthenticatedUsers"),
        ("gcp", "domain:example.com"),
        ("gcp", "projectOwner:trimaran-prod"),
        ("gcp", "user:"),
        ("gcp", "user:*@example.com"),
        ("gcp", "filling@example.com"),
        ("gcp", f"principal://{SUBJECT.rpartition('/')[0]}/*"),
        ("gcp", f"principalSet://{SUBJECT.partition('/subject/')[0]}/*"),
        ("gcp", f"principal://{SUBJECT} user:somebody@example.com"),
    ],
)
def test_more_than_one_principal_or_none_is_refused_to_fill_places(cloud: str, who: str) -> None:
    """An empty name, a wildcard, an account as a whole, people by their domain."""
    for stack in ("prod-aws", "prod-gcp"):
        (found,) = told(stack, filling={cloud: who})
        assert found.startswith(f"trimaran:filling.{cloud}: one ")


def test_a_table_that_names_nobody_lets_nobody_fill_places() -> None:
    """What says nothing is left out; what names somebody in no way that is one, and what is no table, is refused."""
    assert read_settings(settings_of("prod-aws", filling={})).filling is None
    assert [line.partition(" ")[0] for line in told(filling={"aws": None, "azure": "x"})] == [
        "trimaran:filling.aws:",
        "trimaran:filling.azure:",
    ]
    assert told(filling="")[0].startswith("trimaran:filling: ")


@pytest.mark.parametrize("stack", [one for one in STACKS if not one.endswith("-azure")])
def test_only_azures_site_is_told_that_passwords_are_on(stack: str) -> None:
    """Set in another stack's file it would be set nowhere."""
    (found,) = told(stack, founded="true")
    assert found.startswith("trimaran:founded: ")
    assert read_settings(settings_of("prod-azure", founded="true")).founded


def test_nothing_that_was_given_is_repeated() -> None:
    """It may be a password that was pasted into the wrong line, and previews are printed into everybody's logs."""
    secret = "hunter2-is-no-table"
    for changed in (
        {"topology": secret},
        {"environment": secret},
        {"accounts": {"aws": {"account": secret}}},
        {"domain": f"{secret} x"},
    ):
        assert not any(secret in line for line in told(**changed))


def test_a_key_that_nobody_knows_is_refused() -> None:
    """A misspelled key would be a setting that silently is not made."""
    with pytest.raises(SettingsError) as caught:
        read_settings({**settings_of("prod-aws"), "lives": "true"})
    assert caught.value.problems == ("trimaran:lives: Extra inputs are not permitted",)


def test_settings_hold_no_place_for_secrets() -> None:
    """Whatever is secret is filled in by `trimaran bootstrap`, and never passes through here."""
    assert not any(word in field for field in Settings.model_fields for word in ("password", "secret", "token"))


@pytest.mark.parametrize(
    ("joins", "live", "rule"),
    [
        (["aws", "azure", "gcp"], "true", "needs the other two, which are there already"),
        (["aws"], "true", "needs the other two, which are there already"),
        ("all", "true", "one of aws, azure, gcp"),
        (True, "true", "one of aws, azure, gcp"),
        ("aws", "false", "aws, and no node runs"),
    ],
)
def test_a_member_that_nobody_is_there_for_does_not_join(joins: object, live: str, rule: str) -> None:
    """All three would wait for each other for ever; so would one whose fellows do not run."""
    (found,) = told("prod-control", live=live, control={**gone_live("prod-control")["control"], "joins": joins})
    assert found.startswith("trimaran:control.joins: ") and rule in found


@pytest.mark.parametrize("joins", [None, *Cloud])
def test_one_member_may_join(joins: Cloud | None) -> None:
    """Or none, as ever."""
    control = {**gone_live("prod-control")["control"], "joins": joins}
    found = read_settings(settings_of("prod-control", live="true", control=control)).control
    assert found is not None and found.joins is joins
