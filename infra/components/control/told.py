"""What each node's cloud-init is handed, when it is known where everything lies that the node fetches."""

from collections.abc import Mapping
from typing import Any

import pulumi

from infra.components.control.federation import audiences_of
from infra.contracts import SiteContract
from infra.nodes import PLACES, NodeParts, words
from infra.services import CONTROL, CONTROL_IMAGES
from infra.settings import ControlTable, Settings
from infra.topology import Cloud

STAND_IN = "vol-00000000000000000"
"""As long as what it stands for."""


def told(
    settings: Settings, cloud: Cloud, site: SiteContract, *, disk: pulumi.Input[str], client: pulumi.Input[str] = ""
) -> pulumi.Output[str]:
    """`infra.nodes.words` of that cloud's node. `disk`, `client`: see `NodeParts`.

    Raises RunError for images that the site has no repository for, for a site that has no place for a paper, and for a document that is
    longer than the cloud takes; in a first preview too, in which AWS's disk has no name yet.
    """
    if settings.control is None:
        raise pulumi.RunError("a control node is told what it runs")
    control = settings.control

    def written(found: Mapping[str, Any]) -> str:
        try:
            return words(settings, cloud, _parts(settings, control, cloud, **found))
        except ValueError as error:
            raise pulumi.RunError(f"the control node of {cloud}: {error}") from error

    def tried(found: Mapping[str, Any]) -> Mapping[str, Any]:
        written({**found, "disk": STAND_IN, "client": STAND_IN})
        return found

    known = pulumi.Output.all(secrets=site.secrets, repositories=site.repositories).apply(tried)
    return pulumi.Output.all(known, disk, client).apply(lambda one: written({**one[0], "disk": one[1], "client": one[2]}))


def _parts(
    settings: Settings,
    control: ControlTable,
    cloud: Cloud,
    *,
    secrets: Mapping[str, str],
    repositories: Mapping[str, str],
    disk: str,
    client: str,
) -> NodeParts:
    images = {one: getattr(control.images.of(cloud), one) for one in CONTROL_IMAGES}
    for one, image in images.items():
        # 1. The image is where the node may not read. 2. The machine is made, and waits for its registry for ever. 3. etcd has two members,
        # and the next failure takes the majority.
        if image.partition("@")[0] != repositories[one]:
            raise pulumi.RunError(
                f"trimaran:control.images.{cloud}.{one}: from {image.partition('@')[0]}; from the repository that the site has for it and "
                f"that the node may read, {repositories[one]}; push it there"
            )
    if missing := [one for one in PLACES if f"{CONTROL}/{one}" not in secrets]:
        raise pulumi.RunError(f"the site of {cloud} has no place for {', '.join(missing)}: apply it with this version first")
    return NodeParts(
        disk=disk,
        etcd=images["etcd"],
        controller=images["controller"],
        papers={one: secrets[f"{CONTROL}/{one}"] for one in PLACES},
        audiences=audiences_of(settings, cloud),
        client=client,
    )
