"""Whose the places are: what outputs tell is compared with what a person said, before anything is sent anywhere. Pure.

1. A file of outputs is dev's, or was changed by somebody on the way. 2. Everything in it is well formed. 3. Production's keys and passwords
are sent to somebody else's project, where they are readable for ever.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from controller.errors import Refused
from controller.filling.plan import AWS, AZURE, GCP, SITES, Place
from controller.settings_clouds import CloudsTable
from controller.stacks.contract import Stack

ENVIRONMENT = re.compile(r"[a-z][a-z0-9]{1,15}")
APP = "trimaran"


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """One environment's accounts, as settings and options say."""

    environment: str
    account: str
    """AWS."""
    region: str
    """AWS."""
    subscription: str
    """Azure."""
    vaults: str | None
    """Where an emulated Azure is. None: vaults have names of their own."""
    project: str
    """Google."""

    @classmethod
    def of(cls, clouds: CloudsTable, environment: str) -> "Whose":
        """Raises Refused for what nobody has said."""
        problems = [] if ENVIRONMENT.fullmatch(environment) else [f"--environment: {environment!r} is no environment's name"]
        if clouds.aws is not None and clouds.aws.account is None:
            problems.append("clouds.aws.account: missing")
        problems += [f"clouds.{name}: missing" for name in SITES if getattr(clouds, name) is None]
        if problems or clouds.aws is None or clouds.azure is None or clouds.gcp is None or clouds.aws.account is None:
            raise Refused(
                guard="places",
                value="; ".join(problems),
                limit="whose clouds these are: an account, a subscription and a project, as the stacks' own settings have them",
                way_out="Write them into the settings by hand: what is taken from outputs proves nothing about outputs.",
            )
        return cls(
            environment=environment,
            account=clouds.aws.account,
            region=clouds.aws.region,
            subscription=clouds.azure.subscription,
            vaults=clouds.azure.endpoint,
            project=clouds.gcp.project,
        )

    def shape(self, place: Place) -> str:
        """What this place is called, as the infrastructure program names it: a regular expression."""
        reader, _, name = place.name.partition("/")
        flat = f"{APP}-{self.environment}-{reader}"
        match place.site:
            case "aws":
                named = f"{APP}/{self.environment}/{place.name}"
                where = rf"{re.escape(self.region)}:{re.escape(self.account)}"
                return rf"arn:aws[a-z-]*:secretsmanager:{where}:secret:{re.escape(named)}-[A-Za-z0-9]{{6}}"
            case "azure" if self.vaults is not None:
                return rf"{re.escape(self.vaults.rstrip('/'))}/secrets/{re.escape(f'{flat}-{name}')}"
            case "azure":
                return rf"https://{re.escape(flat)}\.vault\.azure\.net/secrets/{re.escape(name)}"
            case _:
                return rf"projects/{re.escape(self.project)}/secrets/{re.escape(f'{flat}-{name}')}"

    def told(self, site: str) -> tuple[str, str]:
        """By which name a stack tells whose cloud it was applied to, and what it has to say."""
        return {AWS: ("account", self.account), AZURE: ("subscription", self.subscription), GCP: ("project", self.project)}[site]


def strangers(whose: Whose, ids: Mapping[str, str], places: tuple[Place, ...]) -> Iterator[str]:
    """Places that are not where they have to be."""
    for place in places:
        if re.fullmatch(whose.shape(place), ids[str(place)]) is None:
            yield f"{place.site}.secrets.{place.name}: {ids[str(place)]}"


def accounts(whose: Whose, outputs: Mapping[Stack, Mapping[str, Any]]) -> Iterator[str]:
    """Stacks that were applied to another account."""
    for site in SITES:
        name, wanted = whose.told(site)
        told = outputs[Stack(site)].get("account")
        if (found := told.get(name) if isinstance(told, dict) else None) != wanted:
            yield f"{site}.account.{name}: {found}"


def refused(whose: Whose, problems: list[str]) -> Refused:
    """With every one of them."""
    where = f"account {whose.account} in {whose.region}, subscription {whose.subscription}, project {whose.project}"
    return Refused(
        guard="places",
        value="; ".join(problems),
        limit=f"places of {whose.environment} in {where}, named as its stacks name them",
        way_out="Nothing was sent. See whose outputs these are, and whether [clouds] and --environment say what is meant.",
    )
