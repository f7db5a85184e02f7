"""Empty places, which `trimaran bootstrap` fills. What is in them never passes through here, and is in no state."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from infra.components.aws.keys import DELETION_DAYS, Keys
from infra.names import APP
from infra.services import PROGRAMS, Service
from infra.settings import Settings


class Secrets(pulumi.ComponentResource):
    """A place for everything in `services.PROGRAMS` that is told to a process, closed with the key of that service, in this region only."""

    def __init__(self, name: str, settings: Settings, keys: Keys, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trimaran:aws:Secrets", name, None, opts)
        self.places: Mapping[Service, Mapping[str, aws.secretsmanager.Secret]] = {
            service: {one.name: self._place(name, settings, service, one.name, keys.secrets[service]) for one in program.secrets}
            for service, program in PROGRAMS.items()
        }
        self.register_outputs({})

    def _place(self, name: str, settings: Settings, service: Service, secret: str, key: aws.kms.Key) -> aws.secretsmanager.Secret:
        return aws.secretsmanager.Secret(
            f"{name}-{service}-{secret}",
            name=f"{APP}/{settings.environment}/{service}/{secret}",
            description=f"Told to {service} when it starts",
            kms_key_id=key.arn,
            recovery_window_in_days=DELETION_DAYS,
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )

    def ids(self) -> dict[str, pulumi.Output[str]]:
        """`service/name` to ARN."""
        return {f"{service}/{name}": place.arn for service, places in self.places.items() for name, place in places.items()}
