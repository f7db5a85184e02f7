"""Whose project, and where."""

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp

from infra.settings import Settings
from infra.tags import tags

APIS = (
    "artifactregistry",
    "certificatemanager",
    "cloudkms",
    "cloudresourcemanager",
    "compute",
    "containerscanning",
    "dns",
    "iam",
    "logging",
    "networksecurity",
    "run",
    "secretmanager",
    "servicenetworking",
    "sqladmin",
)
"""Switched on in an empty project before anything else is asked for."""


def make_provider(settings: Settings) -> gcp.Provider:
    """The provider of everything here but the switches themselves: it waits for them, and so does whatever is made with it.

    It puts the labels on whatever takes labels, and asks for nothing outside of its project and region.
    """
    first = _provider("gcp-apis", settings, ())
    switches = [
        gcp.projects.Service(
            f"api-{one}",
            project=settings.accounts.gcp.project,
            service=f"{one}.googleapis.com",
            disable_on_destroy=False,
            opts=pulumi.ResourceOptions(provider=first),
        )
        for one in APIS
    ]
    return _provider("gcp", settings, switches)


def _provider(name: str, settings: Settings, after: Sequence[pulumi.Resource]) -> gcp.Provider:
    return gcp.Provider(
        name,
        project=settings.accounts.gcp.project,
        region=settings.region,
        default_labels=tags(settings),
        opts=pulumi.ResourceOptions(depends_on=list(after)),
    )
