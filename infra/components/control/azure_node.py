"""The control node on Azure."""

from dataclasses import dataclass

import pulumi
from pulumi import Output, ResourceOptions
from pulumi_azure_native import authorization, compute, network

from infra.components.control.federation import node
from infra.components.control.nodes import DATA_GIB, LUN, SYSTEM_GIB, zone_of
from infra.components.control.told import told
from infra.contracts import SiteContract
from infra.settings import ControlTable, Settings
from infra.tags import tags
from infra.topology import Cloud

SIZE = "Standard_D2s_v5"
"""Two processors of its own, as on AWS."""
OWNER = "trimaran"


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureNodeArgs:
    """What it is made from."""

    settings: Settings
    site: SiteContract
    identity: Output[dict[str, str]]
    """Who it is, as the site's contract has it."""


class AzureNode(pulumi.ComponentResource):
    """Promise: one machine with the planned address and no other, that nobody reaches by a key or a password, with a disk of etcd's that
    stays when the machine goes.

    There is no machine before `settings.live`; how its image and its user data are changed is told in `aws_node`. Azure's own locks stand
    on the disk and on the machine. Nobody logs in: whoever has a role for it has Azure run a command there, which Azure writes down.
    """

    def __init__(self, name: str, args: AzureNodeArgs, opts: ResourceOptions) -> None:
        super().__init__("trimaran:control:AzureNode", name, None, opts)
        self._name, self._args = name, args
        self._settings, self._site = args.settings, args.site
        self._tags, self._region = tags(args.settings, "internal"), args.settings.topology.azure
        self._zones = [zone_of(Cloud.AZURE, self._region)]
        self.disk = self._disk()
        self._lock("data", self.disk)
        self.card = self._card()
        if self._settings.live and self._settings.control is not None:
            self._machine(self._settings.control)
        self.register_outputs({})

    def _disk(self) -> compute.Disk:
        return compute.Disk(
            f"{self._name}-data",
            resource_group_name=self._site.group,
            disk_name=f"{node(self._settings)}-data",
            location=self._region,
            zones=self._zones,
            sku=compute.DiskSkuArgs(name="Premium_LRS"),
            disk_size_gb=DATA_GIB[Cloud.AZURE],
            creation_data=compute.CreationDataArgs(create_option="Empty"),
            encryption=compute.EncryptionArgs(type="EncryptionAtRestWithCustomerKey", disk_encryption_set_id=self._site.disk_key),
            network_access_policy="DenyAll",
            public_network_access="Disabled",
            tags=self._tags,
            opts=ResourceOptions(parent=self, protect=True),
        )

    def _card(self) -> network.NetworkInterface:
        """Its address is kept for it, whether there is a machine or not. The subnet's group says who may come."""
        return network.NetworkInterface(
            f"{self._name}-card",
            resource_group_name=self._site.group,
            network_interface_name=node(self._settings),
            location=self._region,
            enable_ip_forwarding=False,
            ip_configurations=[
                network.NetworkInterfaceIPConfigurationArgs(
                    name="only",
                    primary=True,
                    subnet=network.SubnetArgs(id=self._site.control_subnet),
                    private_ip_address=str(self._settings.network.plan().sites[Cloud.AZURE].control_node),
                    private_ip_address_version="IPv4",
                    private_ip_allocation_method="Static",
                )
            ],
            tags=self._tags,
            opts=ResourceOptions(parent=self, protect=True),
        )

    def _machine(self, started_from: ControlTable) -> None:
        machine = compute.VirtualMachine(
            f"{self._name}-machine",
            resource_group_name=self._site.group,
            vm_name=node(self._settings),
            location=self._region,
            zones=self._zones,
            hardware_profile=compute.HardwareProfileArgs(vm_size=SIZE),
            identity=compute.VirtualMachineIdentityArgs(
                type=compute.ResourceIdentityType.USER_ASSIGNED, user_assigned_identities=[self._args.identity["id"]]
            ),
            network_profile=compute.NetworkProfileArgs(
                network_interfaces=[compute.NetworkInterfaceReferenceArgs(id=self.card.id, primary=True, delete_option="Detach")]
            ),
            security_profile=compute.SecurityProfileArgs(
                security_type="TrustedLaunch",
                encryption_at_host=True,
                uefi_settings=compute.UefiSettingsArgs(secure_boot_enabled=True, v_tpm_enabled=True),
            ),
            os_profile=self._system(started_from),
            storage_profile=self._disks(started_from),
            tags=self._tags,
            # The card is free only when the old machine is gone.
            opts=ResourceOptions(parent=self, protect=True, delete_before_replace=True, ignore_changes=["osProfile.customData"]),
        )
        self._lock("machine", machine)

    def _system(self, started_from: ControlTable) -> compute.OSProfileArgs:
        key = compute.SshPublicKeyArgs(key_data=started_from.azure_public_key, path=f"/home/{OWNER}/.ssh/authorized_keys")
        client = self._args.identity["client"]
        return compute.OSProfileArgs(
            computer_name=node(self._settings),
            admin_username=OWNER,
            # A command that Azure is asked to run comes as an extension.
            allow_extension_operations=True,
            custom_data=told(self._settings, Cloud.AZURE, self._site, disk=str(LUN), client=client),
            linux_configuration=compute.LinuxConfigurationArgs(
                disable_password_authentication=True,
                provision_vm_agent=True,
                ssh=compute.SshConfigurationArgs(public_keys=[key]),
            ),
        )

    def _disks(self, started_from: ControlTable) -> compute.StorageProfileArgs:
        sealed = compute.DiskEncryptionSetParametersArgs(id=self._site.disk_key)
        return compute.StorageProfileArgs(
            image_reference=compute.ImageReferenceArgs(id=started_from.azure),
            os_disk=compute.OSDiskArgs(
                name=f"{node(self._settings)}-system",
                create_option="FromImage",
                delete_option="Delete",
                caching=compute.CachingTypes.READ_ONLY,
                disk_size_gb=SYSTEM_GIB,
                managed_disk=compute.ManagedDiskParametersArgs(storage_account_type="Premium_LRS", disk_encryption_set=sealed),
            ),
            data_disks=[
                compute.DataDiskArgs(
                    lun=LUN,
                    create_option="Attach",
                    delete_option="Detach",
                    # What the host keeps for a moment, etcd has promised already.
                    caching=compute.CachingTypes.NONE,
                    managed_disk=compute.ManagedDiskParametersArgs(id=self.disk.id),
                )
            ],
        )

    def _lock(self, what: str, of: compute.Disk | compute.VirtualMachine) -> None:
        authorization.ManagementLockByScope(
            f"{self._name}-{what}-lock",
            lock_name=f"{what}-stays",
            scope=of.id,
            level="CanNotDelete",
            notes="One of three members of etcd. With two gone nobody decides anything.",
            opts=ResourceOptions(parent=self, protect=True),
        )
