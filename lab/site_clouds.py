"""How the lab's controllers reach the emulated clouds: the tables of their settings, as values and as text. Pure."""

import json
from collections.abc import Mapping

from controller.settings_clouds import AuthoritiesTable, CloudsTable
from lab.vendors import AZUREDNS, CLOUDDNS, ROUTE53
from lab.zones import PROJECT, RESOURCE_GROUP, SUBSCRIPTION

LOCAL = "127.0.0.1"

Tables = Mapping[str, Mapping[str, object]]
"""Keys and values of each table, by its dotted name's last part."""


def clouds(ports: Mapping[str, int], authority_file: str) -> Tables:
    """`[clouds]`: where each API is knocked at, by authority; who vouches for the one that is spoken to over https."""
    return {
        "aws": {"endpoint": f"http://{LOCAL}:{ports[ROUTE53]}", "identity": {"kind": "static"}},
        "azure": {
            "endpoint": f"https://{LOCAL}:{ports[AZUREDNS]}",
            "authority_file": authority_file,
            "subscription": SUBSCRIPTION,
            "resource_group": RESOURCE_GROUP,
            "identity": {"kind": "static"},
        },
        "gcp": {"endpoint": f"http://{LOCAL}:{ports[CLOUDDNS]}", "project": PROJECT, "identity": {"kind": "static"}},
    }


def authorities(zone: str, zone_ids: Mapping[str, str]) -> Tables:
    """`[authorities]`: the zone as each of them names it."""
    return {"route53": {"zone": zone_ids[ROUTE53]}, "azure": {"zone": zone}, "clouddns": {"zone": zone_ids[CLOUDDNS]}}


def clouds_table(tables: Tables) -> CloudsTable:
    """The same as a value."""
    return CloudsTable.model_validate(tables)


def authorities_table(tables: Tables) -> AuthoritiesTable:
    """The same as a value."""
    return AuthoritiesTable.model_validate(tables)


def lines(name: str, tables: Tables) -> list[str]:
    """Tables as TOML."""
    found: list[str] = []
    for key, table in tables.items():
        found += [f"[{name}.{key}]", *(f"{field} = {_spelled(value)}" for field, value in table.items())]
    return found


def _spelled(value: object) -> str:
    """TOML spells texts, numbers, truths and lists as JSON does."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_spelled(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)
