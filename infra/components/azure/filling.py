"""Who may fill the vaults on Azure."""

from uuid import NAMESPACE_URL, uuid5

import pulumi
from pulumi import ResourceOptions
from pulumi_azure_native import authorization, managedidentity

from infra.components.azure.provider import Ground
from infra.components.azure.vault import Vault
from infra.components.control.azure_permissions import FILLING


class Filling(pulumi.ComponentResource):
    """Promise: an identity that sees which secrets there are in the vaults that it is let into, and writes new versions; it is shown none,
    deletes none, and may do nothing else anywhere.

    A machine of the site's network bears it while somebody fills, and nobody else does: vaults have no public door. Azure's own role for
    it reads, deletes and purges besides: whoever gets into that machine meanwhile would have everything that every service is told.
    """

    def __init__(self, name: str, ground: Ground, opts: ResourceOptions) -> None:
        super().__init__("trimaran:azure:Filling", name, None, opts)
        self.identity = managedidentity.UserAssignedIdentity(
            f"{name}-identity",
            resource_group_name=ground.group,
            resource_name_=ground.called("filling"),
            tags=ground.tags("none"),
            opts=ResourceOptions(parent=self, protect=True),
        )
        called, scope = ground.called("filling"), f"{ground.subscription}/resourceGroups/{ground.called()}"
        self._role = authorization.RoleDefinition(
            f"{name}-role",
            role_definition_id=str(uuid5(NAMESPACE_URL, f"{scope}/{called}")),
            role_name=called,
            role_type="CustomRole",
            description="Fills places for secrets: sees what versions there are, and writes new ones.",
            scope=scope,
            assignable_scopes=[scope],
            permissions=[authorization.PermissionArgs(data_actions=sorted(FILLING.values()))],
            opts=ResourceOptions(parent=self),
        )
        self.register_outputs({})

    def fills(self, name: str, vault: Vault) -> authorization.RoleAssignment:
        """Let it fill that one."""
        return authorization.RoleAssignment(
            f"{name}-fills",
            principal_id=self.identity.principal_id,
            principal_type=authorization.PrincipalType.SERVICE_PRINCIPAL,
            role_definition_id=self._role.id,
            scope=vault.vault.id,
            opts=ResourceOptions(parent=vault),
        )
