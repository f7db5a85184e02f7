"""Who this process is to Azure: what Azure's own machine is, a token of another cloud exchanged for a short-lived one, or the lab's token,
which says what it is.

There is no other way: no client secret, no certificate, no key file. Source: Microsoft Entra, "Workload identity federation", "Managed
identities for Azure resources".
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from azure.core.credentials import AccessToken, TokenCredential
from azure.identity import ClientAssertionCredential, ManagedIdentityCredential

from controller.providers.proof import refuse_to_show_elsewhere

VALID = timedelta(hours=1)


class StaticCredential:
    """One fixed token, for an emulated Azure on this machine only."""

    def __init__(self, token: str, *, endpoint_url: str | None) -> None:
        """Raises Refused unless `endpoint_url` is on loopback: the token would otherwise be offered to whoever answers there."""
        way_out = "Configure federated identity: an application that believes this controller's own cloud."
        refuse_to_show_elsewhere("a static Azure token", endpoint_url, way_out)
        self._token = token

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        """The token, whatever it is wanted for."""
        return AccessToken(self._token, int(time.time() + VALID.total_seconds()))


def federated(
    *,
    tenant_id: str,
    client_id: str,
    assertion: Callable[[], str],
    connect: timedelta = timedelta(seconds=1),
    read: timedelta = timedelta(seconds=2),
    **options: Any,
) -> TokenCredential:
    """Short-lived tokens of Microsoft Entra for an application that trusts the token which `assertion` answers.

    `assertion` is called whenever a new token is due, in the thread of the call that needs it: it fetches this site's own identity
    token, of whichever cloud the site is in. `options` go to the SDK (`authority` of a sovereign cloud). Tokens are kept in memory.
    """
    return ClientAssertionCredential(
        tenant_id,
        client_id,
        assertion,
        retry_total=0,
        connection_timeout=connect.total_seconds(),
        read_timeout=read.total_seconds(),
        **options,
    )


def ambient(*, client_id: str | None = None, read: timedelta = timedelta(seconds=2), **options: Any) -> TokenCredential:
    """Short-lived tokens of the managed identity of the machine this runs on, from its metadata service; `client_id` says which, where it
    has several. `options` go to the SDK."""
    wait = read.total_seconds()
    return ManagedIdentityCredential(client_id=client_id, retry_total=0, connection_timeout=wait, read_timeout=wait, **options)
