"""The control node on Google Cloud."""

from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from infra.components.control.federation import node
from infra.components.control.nodes import DATA_GIB, DEVICE, SYSTEM_GIB, zone_of
from infra.components.control.told import told
from infra.contracts import SiteContract
from infra.settings import ControlTable, Settings
from infra.topology import Cloud

SIZE = "n2-standard-2"
"""Two processors of its own, as on AWS."""
KIND = "pd-ssd"


@dataclass(frozen=True, slots=True, kw_only=True)
class GcpNodeArgs:
    """What it is made from."""

    settings: Settings
    site: SiteContract


class GcpNode(pulumi.ComponentResource):
    """Promise: one machine with the planned address and no other, that nobody reaches by a key or a password, with a disk of etcd's that
    stays when the machine goes.

    There is no machine before `settings.live`; how its image and its user data are changed is told in `aws_node`. It is the service
    account that the site's rules let in as the control node. Nobody logs in: no port is open for it, and keys of the project's do not
    count. Whatever is asked of a controller is asked at one of the other two, and a node that does not do its work is made anew.
    """

    def __init__(self, name: str, args: GcpNodeArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("trimaran:control:GcpNode", name, None, opts)
        self._name, self._settings, self._site = name, args.settings, args.site
        self._zone = zone_of(Cloud.GCP, args.settings.topology.gcp)
        self.disk = gcp.compute.Disk(
            f"{name}-data",
            name=f"{node(args.settings)}-data",
            zone=self._zone,
            type=KIND,
            size=DATA_GIB[Cloud.GCP],
            disk_encryption_key=gcp.compute.DiskDiskEncryptionKeyArgs(kms_key_self_link=args.site.disk_key),
            create_snapshot_before_destroy=True,
            deletion_policy="PREVENT",
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        if args.settings.live and args.settings.control is not None:
            self._machine(args.settings.control)
        self.register_outputs({})

    def _machine(self, started_from: ControlTable) -> None:
        gcp.compute.Instance(
            f"{self._name}-machine",
            name=node(self._settings),
            zone=self._zone,
            machine_type=SIZE,
            boot_disk=gcp.compute.InstanceBootDiskArgs(
                auto_delete=True,
                kms_key_self_link=self._site.disk_key,
                initialize_params=gcp.compute.InstanceBootDiskInitializeParamsArgs(
                    image=started_from.gcp, size=SYSTEM_GIB, type=KIND
                ),
            ),
            attached_disks=[
                gcp.compute.InstanceAttachedDiskArgs(
                    source=self.disk.id, device_name=DEVICE, mode="READ_WRITE", kms_key_self_link=self._site.disk_key
                )
            ],
            network_interfaces=[
                gcp.compute.InstanceNetworkInterfaceArgs(
                    subnetwork=self._site.control_subnet,
                    network_ip=str(self._settings.network.plan().sites[Cloud.GCP].control_node),
                    stack_type="IPV4_ONLY",
                )
            ],
            can_ip_forward=False,
            service_account=gcp.compute.InstanceServiceAccountArgs(
                email=self._site.control_guard, scopes=["https://www.googleapis.com/auth/cloud-platform"]
            ),
            shielded_instance_config=gcp.compute.InstanceShieldedInstanceConfigArgs(
                enable_secure_boot=True, enable_vtpm=True, enable_integrity_monitoring=True
            ),
            scheduling=gcp.compute.InstanceSchedulingArgs(automatic_restart=True, on_host_maintenance="MIGRATE"),
            metadata={
                "enable-oslogin": "TRUE",
                "enable-oslogin-2fa": "TRUE",
                "block-project-ssh-keys": "TRUE",
                "serial-port-enable": "FALSE",
                "user-data": told(self._settings, Cloud.GCP, self._site, disk=DEVICE),
            },
            allow_stopping_for_update=False,
            deletion_protection=True,
            # The address and the disk are free only when the old machine is gone.
            opts=pulumi.ResourceOptions(
                parent=self, protect=True, delete_before_replace=True, ignore_changes=['metadata["user-data"]']
            ),
        )
