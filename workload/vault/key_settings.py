"""`[key_services]`: the three clouds' keys that wrap data keys, and who this process is to each cloud.

No secret stands in a file: an identity names where a token is found. `static` is for an emulated cloud on this machine.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from workload.durable.settings import Table

Text = Annotated[str, Field(min_length=1)]
Https = Annotated[str, Field(pattern=r"^https://[^\s@]+$")]
Url = Annotated[str, Field(pattern=r"^https?://[^\s@]+$")]


class AwsKey(Table):
    """`[key_services.aws]`"""

    key: Text
    """Its ARN or id, or `alias/NAME`."""
    region: Text
    endpoint: Url | None = None
    """None: AWS's own."""
    identity: Literal["ambient", "federated", "static"] = "ambient"
    """AWS's own chain (task, instance or pod role), or a role taken with this platform's token."""
    role: Text | None = None
    token_file: Path | None = None

    @model_validator(mode="after")
    def _federation_is_whole(self) -> Self:
        if self.identity == "federated" and not (self.role and self.token_file):
            raise ValueError("identity = federated needs role and token_file")
        return self


class AzureKey(Table):
    """`[key_services.azure]`"""

    vault: Https
    """Address of the Key Vault, or of the managed HSM."""
    key: Text
    """Its name there."""
    authority_file: Text | None = None
    """Certificates of who may vouch for the vault; None: those the machine trusts."""
    identity: Literal["federated", "static"] = "federated"
    tenant: Text | None = None
    client: Text | None = None
    token_file: Path | None = None

    @model_validator(mode="after")
    def _federation_is_whole(self) -> Self:
        if self.identity == "federated" and not (self.tenant and self.client and self.token_file):
            raise ValueError("identity = federated needs tenant, client and token_file")
        return self


class GcpKey(Table):
    """`[key_services.gcp]`"""

    key: Annotated[str, Field(pattern=r"^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$")]
    endpoint: Url | None = None
    """None: Google's own."""
    identity: Literal["federated", "static"] = "federated"
    project_number: Text | None = None
    pool: Text | None = None
    provider: Text | None = None
    service_account: Text | None = None
    token_file: Path | None = None
    """None: an AWS machine, which proves itself by its role."""

    @model_validator(mode="after")
    def _federation_is_whole(self) -> Self:
        wanted = (self.project_number, self.pool, self.provider, self.service_account)
        if self.identity == "federated" and not all(wanted):
            raise ValueError("identity = federated needs project_number, pool, provider and service_account")
        return self


class KeyServices(Table):
    """`[key_services]`"""

    aws: AwsKey | None = None
    azure: AzureKey | None = None
    gcp: GcpKey | None = None

    @property
    def named(self) -> tuple[str, ...]:
        """The clouds that wrap."""
        return tuple(cloud for cloud in ("aws", "azure", "gcp") if getattr(self, cloud) is not None)
