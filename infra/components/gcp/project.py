"""The project that the site is in."""

import pulumi
import pulumi_gcp as gcp

from infra.settings import Settings


class Project(pulumi.ComponentResource):
    """Nobody deletes it by a word. 1. Somebody tidies up, in the wrong project. 2. Google asks no guard of what is inside. 3. The site's
    databases, keys and backups go together.

    Whoever applies the stack may place liens: `roles/owner` says so, and `roles/resourcemanager.lienModifier` (Google, "Protecting projects
    with liens"). The project is not ours, and is not made here.
    """

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trimaran:gcp:Project", name, None, opts)
        gcp.resourcemanager.Lien(
            f"{name}-lien",
            parent=f"projects/{settings.accounts.gcp.number}",
            restrictions=["resourcemanager.projects.delete"],
            origin="trimaran",
            reason="One of three sites: its databases and keys are in this project, and guards of theirs do not hold against its deletion",
            deletion_policy="PREVENT",
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        self.register_outputs({})
