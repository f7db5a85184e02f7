"""Empty places, which `trimaran bootstrap` fills. What is in them never passes through here, and is in no state."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from infra.components.aws.keys import DELETION_DAYS, Keys
from infra.names import APP
from infra.services import CONTROL, CONTROL_SECRETS, PROGRAMS, Service
from infra.settings import Settings


class Secrets(pulumi.ComponentResource):
    """A place for everything in `services.PROGRAMS` that is told to a process, closed with the key of that service, in this region only.
    And for what the control node is told, closed with the node's."""

    def __init__(self, name: str, settings: Settings, keys: Keys, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trimaran:aws:Secrets", name, None, opts)
        self.places: Mapping[Service, Mapping[str, aws.secretsmanager.Secret]] = {
            service: {one.name: self._place(name, settings, service, one.name, keys.secrets[service]) for one in program.secrets}
            for service, program in PROGRAMS.items()
        }
        self.control: Mapping[str, aws.secretsmanager.Secret] = {
            one: self._place(name, settings, CONTROL, one, keys.disk) for one in CONTROL_SECRETS
        }
        self.register_outputs({})

    def _place(self, name: str, settings: Settings, reader: str, secret: str, key: aws.kms.Key) -> aws.secretsmanager.Secret:
        return aws.secretsmanager.Secret(
            f"{name}-{reader}-{secret}",
            name=f"{APP}/{settings.environment}/{reader}/{secret}",
            description=f"Told to {reader} when it starts",
            kms_key_id=key.arn,
            recovery_window_in_days=DELETION_DAYS,
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )

    def ids(self) -> dict[str, pulumi.Output[str]]:
        """`service/name` to ARN."""
        readers = {**{service.value: places for service, places in self.places.items()}, CONTROL: self.control}
        return {f"{reader}/{name}": place.arn for reader, places in readers.items() for name, place in places.items()}
