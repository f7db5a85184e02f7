"""The settings of one site's vault, as text. Pure: ports in, TOML out."""

import json
from collections.abc import Mapping
from pathlib import Path

from lab import keys
from lab.addresses import LOCAL
from lab.cabling import SITES, Cabling, Door
from lab.fleet import VAULT
from lab.site_settings import PATIENCE
from lab.vendors import AZUREDNS, CLOUDDNS, ROUTE53

NAME = "https://trimaran.vault.test"
"""The Key Vault's own; every site dials it through a link of its own."""

NOBODY = ("[access]", 'issuer = "nobody"', 'audience = "vault"', 'keys_url = "https://127.0.0.1:9/keys"')
"""A door that opens to nobody."""


def vault_settings(cabling: Cabling, site: str, authority_file: Path, *door: str) -> str:
    """Settings of the vault at this site. `authority_file`: who vouches for the key vault; `door`: lines that say who may come in."""
    lines = [f'site = "{site}"', f'service = "{VAULT}"', *_address("listen", cabling.direct(site, Door.VAULT)), *PATIENCE]
    for other in SITES:
        lines += _address(f"databases.{other}", cabling.port(site, other, Door.DATABASE))
    ports = {place: cabling.port(site, place, Door.API) for place in (ROUTE53, AZUREDNS, CLOUDDNS)}
    return "\n".join([*lines, *key_services_lines(ports, authority_file), *door]) + "\n"


def key_services_lines(ports: Mapping[str, int], authority_file: Path) -> list[str]:
    """`[key_services]`: the three emulated clouds, each at this port."""
    lines = ["[key_services.aws]", f'key = "{keys.ALIAS}"', 'region = "us-east-1"', *_dialled("http", ports[ROUTE53])]
    lines += ["[key_services.azure]", f'key = "{keys.NAME}"', f'vault = "{NAME}"', *_dialled("https", ports[AZUREDNS])]
    lines += [f"authority_file = {json.dumps(str(authority_file))}"]
    lines += ["[key_services.gcp]", f'key = "{keys.GOOGLE_KEY}"', *_dialled("http", ports[CLOUDDNS])]
    return lines


def _dialled(scheme: str, port: int) -> list[str]:
    return [f'endpoint = "{scheme}://{LOCAL}:{port}"', 'identity = "static"']


def _address(table: str, port: int) -> list[str]:
    return [f"[{table}]", f'host = "{LOCAL}"', f"port = {port}"]
