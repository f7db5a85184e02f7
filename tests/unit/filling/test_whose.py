"""Nothing is sent to a place that is not where settings and options say: outputs are compared, not believed."""

import pytest

from controller.errors import Refused
from controller.filling.places import understood
from controller.filling.whose import Whose
from controller.settings_clouds import AwsCloud, AzureCloud, CloudsTable, GcpCloud
from controller.stacks.contract import Stack
from tests.unit.filling.worlds import WHOSE, id_of, outputs

CLOUDS = CloudsTable(
    aws=AwsCloud(account="111111111111", region="eu-central-1"),
    azure=AzureCloud(subscription=WHOSE.subscription, resource_group="g"),
    gcp=GcpCloud(project="trimaran-prod"),
)


def test_it_is_what_a_person_said() -> None:
    """Settings and the name of the environment."""
    assert Whose.of(CLOUDS, "prod") == WHOSE
    assert understood(outputs(), Whose.of(CLOUDS, "prod")).domain == "example.com"


@pytest.mark.parametrize(
    ("site", "was", "becomes"),
    [
        (Stack.AWS, ":111111111111:", ":222222222222:"),
        (Stack.AWS, ":eu-central-1:", ":eu-west-1:"),
        (Stack.AWS, "trimaran/prod/", "trimaran/dev/"),
        (Stack.AWS, "-AbCdEf", ""),
        (Stack.AZURE, "trimaran-prod-", "trimaran-dev-"),
        (Stack.AZURE, "trimaran-prod-", "trimaran-prod2-"),
        (Stack.AZURE, ".vault.azure.net/", ".vault.azure.net.example.com/"),
        (Stack.GCP, "projects/trimaran-prod/", "projects/trimaran-dev/"),
        (Stack.GCP, "/secrets/trimaran-prod-", "/secrets/trimaran-dev-"),
    ],
)
def test_a_place_of_somebody_else_is_refused(site: Stack, was: str, becomes: str) -> None:
    """One changed line in a file would have been enough; everything in it is well formed."""
    told = outputs()
    forged = id_of(site, "payments/identity").replace(was, becomes)
    assert forged != id_of(site, "payments/identity")
    told[site]["secrets"] = {**told[site]["secrets"], "payments/identity": forged}
    with pytest.raises(Refused, match="refused by places") as found:
        understood(told, WHOSE)
    assert f"{site}.secrets.payments/identity: {forged}" in found.value.value
    assert found.value.value.count("secrets.") == 1 and "Nothing was sent" in found.value.way_out


def test_two_places_of_ours_that_changed_names_are_refused() -> None:
    """Screening would be told who payments is."""
    told = outputs()
    names = {"payments/identity": id_of("aws", "screening/identity"), "screening/identity": id_of("aws", "payments/identity")}
    told[Stack.AWS]["secrets"] = {**told[Stack.AWS]["secrets"], **names}
    with pytest.raises(Refused, match=r"aws\.secrets\.payments/identity"):
        understood(told, WHOSE)


@pytest.mark.parametrize(("site", "key"), [(Stack.AWS, "account"), (Stack.AZURE, "subscription"), (Stack.GCP, "project")])
def test_a_stack_that_was_applied_elsewhere_is_refused(site: Stack, key: str) -> None:
    """A vault's name does not say whose subscription it is in."""
    told = outputs()
    told[site]["account"] = {key: "another"}
    with pytest.raises(Refused, match=f"{site}.account.{key}: another"):
        understood(told, WHOSE)


def test_what_nobody_has_said_is_asked_for() -> None:
    """By key; an environment is a word."""
    with pytest.raises(Refused, match=r"clouds\.aws\.account: missing"):
        Whose.of(CLOUDS.model_copy(update={"aws": AwsCloud()}), "prod")
    with pytest.raises(Refused, match=r"clouds\.gcp: missing"):
        Whose.of(CLOUDS.model_copy(update={"gcp": None}), "prod")
    with pytest.raises(Refused, match=r"--environment: '\.\*' is no environment's name"):
        Whose.of(CLOUDS, ".*")


def test_an_emulated_cloud_has_its_places_below_it() -> None:
    """And nowhere else."""
    azure = AzureCloud(endpoint="https://127.0.0.1:7", subscription=WHOSE.subscription, resource_group="g")
    whose = Whose.of(CLOUDS.model_copy(update={"azure": azure}), "prod")
    with pytest.raises(Refused, match=r"azure\.secrets\.payments/identity"):
        understood(outputs(), whose)
