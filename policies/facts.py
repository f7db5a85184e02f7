"""What a stack was told, read for the rules: a part that cannot be read is a reason, not an exception, so that a rule can say it."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from infra.settings import NAMESPACE, AccountsTable, NetworkTable, TopologyTable
from infra.topology import Cloud
from policies.rules.seen import Facts

T = TypeVar("T", bound=BaseModel)


def facts_of(stack: str, config: Mapping[str, Any]) -> Facts:
    """From configuration with its namespace; tables are JSON or already read."""
    topology, problem = _table(TopologyTable, config, "topology")
    accounts, _ = _table(AccountsTable, config, "accounts")
    network, _ = _table(NetworkTable, config, "network")
    return Facts(
        stack=stack,
        role=str(config.get(f"{NAMESPACE}:role", "")),
        topology=topology.topology() if topology else None,
        problem=problem,
        accounts={
            Cloud.AWS: accounts.aws.account,
            Cloud.AZURE: accounts.azure.subscription,
            Cloud.GCP: accounts.gcp.project,
        }
        if accounts
        else {},
        asns={cloud: site.asn for cloud, site in network.plan().sites.items()} if network else {},
        live=str(config.get(f"{NAMESPACE}:live", "true")).lower() != "false",
    )


def _table(shape: type[T], config: Mapping[str, Any], key: str) -> tuple[T | None, str]:
    """The table, or why there is none."""
    name = f"{NAMESPACE}:{key}"
    if (given := config.get(name)) is None:
        return None, f"{name} is missing"
    try:
        return shape.model_validate(json.loads(given) if isinstance(given, str) else given), ""
    except json.JSONDecodeError as error:
        return None, f"{name} is no JSON ({error.msg} at character {error.pos})"
    except ValidationError as error:
        return (
            None,
            f"{name} cannot be read: {'; '.join('.'.join(map(str, one['loc'])) + ': ' + one['msg'] for one in error.errors())}",
        )
