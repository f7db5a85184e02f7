"""`[keys]`: bounds and deadlines of data keys. `[key_services]`: the three clouds' keys that wrap them, and who this process is to each
cloud. Durations in the file are seconds.

No secret stands in a file: an identity names where a token is found. `static` is for an emulated cloud on this machine.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from workload.durable.settings import Seconds, Table

Text = Annotated[str, Field(min_length=1)]
Https = Annotated[str, Field(pattern=r"^https://[^\s@]+$")]
Url = Annotated[str, Field(pattern=r"^https?://[^\s@]+$")]
Arn = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$")]

CLOUDS = 3
"""How many clouds' key services there are."""


class KeyTuning(Table):
    """`[keys]`"""

    minimum_wraps: Annotated[int, Field(ge=1, le=CLOUDS)] = 2
    """Clouds that must have wrapped a new key before it seals anything; a key that only one cloud can open dies with that cloud.
    The others are added by repairs. With fewer in reach new subjects are refused, and known ones served."""
    wrap_deadline: Seconds = timedelta(seconds=2)
    """Of one cloud's wrapping and of its opening what it wrapped, together. Longer than any request waits: see `key_deadline`."""
    wrap_grace: Seconds = timedelta(seconds=0.1)
    """How long the others may take once `minimum_wraps` are there: a black hole costs every new subject no more than this."""
    unwrap_deadline: Seconds = timedelta(seconds=2)
    hedge: Seconds = timedelta(seconds=0.1)
    """How long the nearest cloud is waited for alone before the next one is asked too."""
    key_patience: Seconds = timedelta(seconds=0.6)
    """How long a request may wait for its subject's data key, wraps and trips to the writer together; what it does with the key comes after
    that and has the request deadline for itself."""
    key_deadline: Seconds = timedelta(seconds=3)
    """How long a key is founded or opened for, whoever still waits: what comes too late for one request serves the next."""
    cached_keys: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    cache_age: Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(hours=1))] = timedelta(minutes=5)
    """From its opening, however often it is used: the longest that a key outlives its erasure in another process's memory."""
    sweep_interval: Seconds = timedelta(seconds=5)

    survey_interval: Seconds = timedelta(seconds=1)
    """Between two windows of a repair's round."""
    survey_window: Annotated[int, Field(ge=1, le=10_000)] = 1000
    """Data keys looked at in one window."""
    repair_interval: Seconds = timedelta(seconds=0.02)
    """Between two data keys that are repaired: what a key service and the database are asked beside the clients' requests."""
    current_age: Seconds = timedelta(seconds=10)
    """How long a cloud's word about its key-encryption key holds; after it, a cloud that was gone is asked again."""

    @model_validator(mode="after")
    def _deadlines_nest(self) -> Self:
        if self.wrap_grace > self.wrap_deadline:
            raise ValueError("wrap_grace must not exceed wrap_deadline")
        if self.hedge >= self.unwrap_deadline:
            raise ValueError("hedge must be below unwrap_deadline")
        if self.key_deadline < max(self.wrap_deadline, self.unwrap_deadline, self.key_patience):
            raise ValueError("key_deadline must be at least wrap_deadline, unwrap_deadline and key_patience")
        if self.cache_age <= self.key_deadline:
            raise ValueError("cache_age must exceed key_deadline")
        return self


class AwsKey(Table):
    """`[key_services.aws]`"""

    key: Text
    """Its ARN or id, or `alias/NAME`."""
    former: tuple[Arn, ...] = ()
    """ARNs of keys that wrapped before. Before an alias is pointed elsewhere its key belongs here: a process that starts after it opens
    no wrap of a key that is neither here nor what `key` stands for, until repairs have wrapped anew what other clouds open."""
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
    """Address of the Key Vault, or of the managed HSM: part of the name of every wrap, and so the same at every site."""
    endpoint: Https | None = None
    """Where it is dialled from here, when that is another address: a private one, or a lab's link. None: `vault`."""
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
