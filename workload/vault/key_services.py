"""Opens the key services that the settings name: their clients, and who this process is to each cloud. Part of `wiring`.

A cloud's SDK is imported only when the settings name that cloud. Nothing is asked before the first call, and then inside its deadline.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, assert_never

from controller.errors import Refused
from controller.providers.proof import token_file
from workload.durable.settings import SettingsError
from workload.vault.key_settings import AwsKey, AzureKey, GcpKey, KeyServices
from workload.vault.wrapping import Wrapper

if TYPE_CHECKING:
    from controller.providers.gcp.session import Client as GoogleClient

LAB_TOKEN = "lab"  # noqa: S105  means nothing to anybody but an emulated cloud, and is sent to no other machine
SESSION = "trimaran-vault"
"""Under which AWS's own records name this process."""


def open_services(services: KeyServices) -> tuple[Wrapper, ...]:
    """One per cloud that is named. Raises SettingsError, as for a lab's identity beyond this machine."""
    found: list[Wrapper] = []
    try:
        if services.aws is not None:
            found.append(_aws(services.aws))
        if services.azure is not None:
            found.append(_azure(services.azure))
        if services.gcp is not None:
            found.append(_gcp(services.gcp))
    except Refused as refused:
        raise SettingsError((f"key_services: {refused}",)) from refused
    return tuple(found)


def _aws(named: AwsKey) -> Wrapper:
    from workload.vault.kms.aws import Kms

    return Kms(client=_aws_client(named), key=named.key, former=named.former)


def _aws_client(named: AwsKey) -> Callable[[], Any]:
    from controller.providers.aws.identity import federated, static
    from controller.providers.aws.session import client
    from workload.vault.kms.aws import kms_client

    match named.identity:
        case "ambient":
            # As `kms_client` keeps them: at DEBUG they write plain keys.
            vendor = logging.getLogger("botocore")
            vendor.setLevel(max(vendor.level, logging.INFO))
            return partial(client, "kms", region=named.region, endpoint_url=named.endpoint)
        case "federated":
            assert named.role and named.token_file, "checked in key_settings"
            session = federated(
                role_arn=named.role, token=token_file(named.token_file), session_name=SESSION, region=named.region
            )
        case "static":
            session = static(key=LAB_TOKEN, secret=LAB_TOKEN, endpoint_url=named.endpoint)
        case _:
            assert_never(named.identity)
    return partial(kms_client, region=named.region, endpoint_url=named.endpoint, session=session)


def _azure(named: AzureKey) -> Wrapper:
    from controller.providers.azure.identity import StaticCredential, federated
    from controller.providers.azure.session import Arm
    from workload.vault.kms.azure import KeyVault, keys_client

    # Key Vault is reached by its own address; of the subscription nothing is asked.
    arm, dialled = Arm(subscription_id="", authority_file=named.authority_file), named.endpoint or named.vault
    match named.identity:
        case "federated":
            assert named.tenant and named.client and named.token_file, "checked in key_settings"
            credential = federated(tenant_id=named.tenant, client_id=named.client, assertion=token_file(named.token_file))
            return KeyVault(client=partial(keys_client, arm, dialled, credential), vault_url=named.vault, key=named.key)
        case "static":
            lab = StaticCredential(LAB_TOKEN, endpoint_url=dialled)
            return KeyVault(client=partial(keys_client, arm, dialled, lab), vault_url=named.vault, key=named.key)
        case _:
            assert_never(named.identity)


def _gcp(named: GcpKey) -> Wrapper:
    from workload.vault.kms.gcp import CloudKms

    return CloudKms(client=partial(_google_client, named), key=named.key)


def _google_client(named: GcpKey) -> "GoogleClient":
    from controller.providers.gcp.identity import Federation, from_aws, from_oidc, static
    from controller.providers.gcp.session import Client

    open_client = partial(Client, "cloudkms", "v1", endpoint=named.endpoint)
    match named.identity:
        case "static":
            return open_client(credentials=static(token=LAB_TOKEN, endpoint_url=named.endpoint))
        case "federated":
            assert named.project_number and named.pool and named.provider and named.service_account, "checked in key_settings"
            federation = Federation(
                project_number=named.project_number,
                pool=named.pool,
                provider=named.provider,
                service_account=named.service_account,
            )
            if named.token_file is None:
                return open_client(credentials=from_aws(federation))
            return open_client(credentials=from_oidc(federation, token_file(named.token_file)))
        case _:
            assert_never(named.identity)
