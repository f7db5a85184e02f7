"""One controller's settings, made of what the stacks tell and of what a person chooses. Pure: values in, a document out."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from controller.core.model import Mode
from controller.errors import Refused
from controller.settings_document import SettingsTable
from controller.settings_policy import problems
from controller.settings_rules import contradictory
from controller.stacks import layout
from controller.stacks.clouds import authorities, clouds
from controller.stacks.contract import SERVICES, SITES, TELLING, SiteTold, Stacks

PAYMENTS, VAULT = SERVICES
GROUP = "everywhere"
"""Steering group of what runs at all three sites; the zone's stack names its weighted name after it."""
PORT = 5432

Document = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What no stack knows."""

    site: str
    """Whose controller it is."""
    writer: str
    """Who writes first."""
    mode: Mode
    issuer: str
    """Token endpoint of the issuer whose tokens the services believe."""
    issuer_authority: str | None
    """Who vouches for the issuer: a file on the node, PEM, without a folder beside the settings. None: whom the node trusts."""
    edge_authority: str | None
    """Who vouches for the certificates that edges show to clients: a file likewise. None: whom the node trusts."""
    client: str
    """The controller's id at the issuer."""
    scope: str
    currency: str
    """Of the canaries' accounts."""


def document(stacks: Stacks, choices: Choices) -> Document:
    """The settings. Raises Refused when they would be refused where they are read, with every reason."""
    site = choices.site
    others = [other for other in SITES if other != site]
    found: Document = {
        "site": site,
        "listen": {"host": layout.HOST, "port": layout.PORT, "token_file": layout.OPERATOR_TOKEN},
        "etcd": {
            "endpoints": [f"https://{stacks.control.nodes[one]}:{layout.ETCD}" for one in (site, *others)],
            "identity": {"certificate": layout.ETCD_CERTIFICATE, "authority": layout.ETCD_AUTHORITY},
        },
        "sites": {name: _site(stacks, name, own=name == site) for name in stacks.sites},
        "identity": {"certificate": layout.CERTIFICATE, **_vouched(choices.edge_authority)},
        "tokens": _tokens(choices),
        "services": {service: _service(stacks, choices, service) for service in SERVICES},
        "clouds": clouds(stacks, site),
        "authorities": authorities(stacks.edge),
        "groups": {GROUP: _group(stacks)},
    }
    if wrong := _refusals(found):
        raise Refused(
            guard="settings",
            value="; ".join(wrong),
            limit="settings that a controller starts with",
            way_out="Mend the stack that tells it, or choose otherwise.",
        )
    return found


def canary_accounts(domain: str) -> tuple[uuid.UUID, uuid.UUID]:
    """Debtor and creditor of test payments, the same for everybody who knows the domain: `trimaran bootstrap` opens them."""
    named = (f"https://{domain}/accounts/canary {who}" for who in ("debtor", "creditor"))
    debtor, creditor = (uuid.uuid5(uuid.NAMESPACE_URL, name) for name in named)
    return debtor, creditor


def _site(stacks: Stacks, name: str, *, own: bool) -> Document:
    """The edge by its address, because its name leads to any site; its agent where it is asked, which is from beside it."""
    told = stacks.sites[name]
    agent = {"agent": f"http://{told.doors['agent']}"} if own and name in TELLING else {}
    return {"edge": f"https://{told.address}", "edge_name": stacks.edge.asked_by, **agent}


def _tokens(choices: Choices) -> Document:
    authority = _vouched(choices.issuer_authority)
    return {"url": choices.issuer, "client": choices.client, "scope": choices.scope, **authority}


def _vouched(authority: str | None) -> Document:
    return {} if authority is None else {"authority": authority}


def _service(stacks: Stacks, choices: Choices, service: str) -> Document:
    sites = stacks.sites
    return {
        "mode": str(choices.mode),
        "writer": choices.writer,
        "shares": dict.fromkeys(sites, 1.0),
        **_proven(stacks.edge.azure_zone, choices, service),
        "databases": {name: _database(name, told, service) for name, told in sites.items()},
        "streams": {
            follower: {name: _streamed(told, service) for name, told in sites.items() if name != follower} for follower in sites
        },
        "capacity": {name: _capacity(name, told, service) for name, told in sites.items()},
        # Azure tells a resource's whole id, and is asked for it by its last part.
        "servers": {name: {"server": told.database_servers[service].rpartition("/")[2]} for name, told in sites.items()},
    }


def _proven(domain: str, choices: Choices, service: str) -> Document:
    """How a serving site is proven: nobody but the vault's clients may put numbers into it."""
    if service != PAYMENTS:
        return {"readiness": {"host": f"{service}.{domain}"}}
    debtor, creditor = canary_accounts(domain)
    return {"canary": {"debtor": str(debtor), "creditor": str(creditor), "currency": choices.currency}}


def _database(site: str, told: SiteTold, service: str) -> Document:
    """As the node dials it. Google's server is dialled by its address, which is in no certificate; its authority vouches for nobody
    else's."""
    mode = "verify-ca" if site == "gcp" else "verify-full"
    options = f"sslmode={mode} sslrootcert={layout.database_authority(site)}"
    return {"host": told.database_hosts[service], "port": PORT, "options": options}


def _streamed(told: SiteTold, service: str) -> Document:
    """As another site's database server dials it: a managed server has no file of ours that could vouch for anybody."""
    return {"host": told.database_hosts[service], "port": PORT, "options": "sslmode=require"}


def _capacity(site: str, told: SiteTold, service: str) -> Document:
    """Whichever site is left carries everything."""
    cluster = {"cluster": told.cluster} if site == "aws" else {}
    return {"floor": told.peaks[service], "name": told.instances[service], **cluster}


def _group(stacks: Stacks) -> Document:
    return {
        "lead": PAYMENTS,
        "members": [VAULT],
        "names": [{"name": name, "ttl": ttl} for name, ttl in stacks.edge.names.items()],
        "addresses": {name: told.address for name, told in stacks.sites.items()},
    }


def _refusals(found: Document) -> list[str]:
    """Everything that `controller.settings` would say, but about files: those lie on the node."""
    told = list(contradictory(found))
    try:
        SettingsTable.model_validate(found)
    except ValidationError as error:
        told += problems(error)
    return [f"{key}: expected {expected}" for key, expected in told]
