"""Who somebody is to another cloud, without a key that lives: each cloud says it of its own, for minutes, and the other two believe it.

```
from \\ to   AWS                            Azure                            Google
AWS        (its own role)                 a token that AWS makes out       a signed question, which Google asks AWS
Azure      a token of Entra               (its own managed identity)       a token of Entra
Google     a token of accounts.google.com a token of accounts.google.com   (its own service account)
```

Nobody is believed for having an account: a trust names one role, one identity or one service account, and for whom the token was made out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import pulumi

from infra.names import name_of
from infra.settings import Settings
from infra.topology import Cloud

GOOGLE = "accounts.google.com"
"""Whom Google's tokens are from. AWS knows it without being told (IAM User Guide, "Available keys for AWS web identity federation")."""
EXCHANGE = "api://AzureADTokenExchange"
"""For whom a token is made out that Azure takes in."""


class Purpose(StrEnum):
    """What for. Whoever takes a controller's place wraps nothing, and whoever takes a vault's moves nothing."""

    CONTROLLER = "controller"
    VAULT = "vault"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One purpose's three, one at each cloud, as their clouds know them."""

    aws_role: str
    """Name of the role."""
    azure_principal: pulumi.Input[str]
    """Object id of the managed identity."""
    google_number: pulumi.Input[str]
    """The service account's own number: a new account with the old name has another one."""


AllKnown = Mapping[Purpose, Known]

ELSEWHERE: Mapping[Purpose, str] = {Purpose.CONTROLLER: "controller", Purpose.VAULT: "vault-elsewhere"}
"""What those from the other two clouds are, at this one."""


def elsewhere(settings: Settings, purpose: Purpose, longest: int = 63) -> str:
    """The same in the vendor's words."""
    return name_of(settings.environment, ELSEWHERE[purpose], longest=longest)


def node(settings: Settings) -> str:
    """What the node of this cloud is, and everything that is its own."""
    return name_of(settings.environment, "control")


def made_out_by_google(settings: Settings) -> str:
    """For whom Google's tokens are made out that AWS takes in. Another environment's are not taken."""
    return name_of(settings.environment, "clouds")


def made_out_by_entra(settings: Settings) -> str:
    """For whom Entra's tokens are made out that AWS and Google take in: an application that does nothing else.

    Entra makes out tokens for applications of its directory only, so there has to be one with this identifier, with tokens of version 1 and
    without a secret. It is made once, by hand: the directory has no provider in this project.
    """
    return f"api://{settings.accounts.azure.tenant}/{name_of(settings.environment, 'clouds')}"


def audiences(settings: Settings) -> Mapping[str, str]:
    """For whom tokens are made out, by whom they are from and who takes them in."""
    return {
        "aws-azure": EXCHANGE,
        "azure-aws": made_out_by_entra(settings),
        "azure-gcp": made_out_by_entra(settings),
        "gcp-aws": made_out_by_google(settings),
        "gcp-azure": EXCHANGE,
    }


def audiences_of(settings: Settings, cloud: Cloud) -> Mapping[str, str]:
    """Those that this cloud's tokens are made out for, by who takes them in."""
    pairs = {pair.partition("-"): audience for pair, audience in audiences(settings).items()}
    return {taker: audience for (giver, _, taker), audience in pairs.items() if giver == cloud}


def entra(settings: Settings) -> str:
    """From whom such tokens are, as an address without `https://`, with the stroke at the end that stands in the tokens too."""
    return f"sts.windows.net/{settings.accounts.azure.tenant}/"
