"""What the stacks of one environment tell, as far as it is read; `tests/infra/test_seam.py` holds it to the program's own contracts."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from controller.stacks.contract import CONTRACT, MARK, Stack

DOMAIN = "pay.example.com"
SUBSCRIPTION, TENANT = "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"
GROUP = "trimaran-prod"
ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.DBforPostgreSQL/flexibleServers"
POOL = "projects/1000000000001/locations/global/workloadIdentityPools/trimaran-prod/providers"

SERVED_BY = {
    "route53": ("ns-20.awsdns-02.org.", "ns-1.awsdns-00.com."),
    "azure": ("ns1-03.azure-dns.com.",),
    "clouddns": ("ns-cloud-a1.googledomains.com.", "ns-cloud-a2.googledomains.com."),
}


def site(region: str, address: str, account: Mapping[str, str], **other: object) -> dict[str, Any]:
    """One site's outputs; `other` replaces some."""
    return {
        MARK: CONTRACT,
        "region": region,
        "address": address,
        "doors": {door: f"side-door.{region}.example.net:{port}" for door, port in (("peers", 8444), ("agent", 8445))},
        "group": GROUP,
        "account": dict(account),
        "database_hosts": {one: f"{one}.{region}.example.net" for one in ("payments", "vault")},
        "database_servers": {one: f"trimaran-prod-{one}" for one in ("payments", "vault")},
        "instances": {one: f"trimaran-prod-{one}" for one in ("payments", "vault", "edge")},
        "peaks": {"payments": 6, "vault": 4, "edge": 4},
        "cluster": "",
        "secrets": {"payments/password": "somewhere"},
        **other,
    }


def outputs() -> dict[Stack, dict[str, Any]]:
    """Of every stack that is read."""
    azure = {one: f"{ID}/trimaran-prod-{one}" for one in ("payments", "vault")}
    return {
        Stack.AWS: site("eu-central-1", "192.0.2.10", {"account": "111111111111"}, cluster="trimaran-prod-site"),
        Stack.AZURE: site(
            "swedencentral", "192.0.2.20", {"subscription": SUBSCRIPTION, "tenant": TENANT}, database_servers=azure, cluster="env"
        ),
        Stack.GCP: site("europe-southwest1", "192.0.2.30", {"project": "trimaran-prod", "number": "1000000000001"}),
        Stack.EDGE: {
            MARK: CONTRACT,
            "nameservers": sorted(one for servers in SERVED_BY.values() for one in servers),
            "served_by": {authority: list(servers) for authority, servers in SERVED_BY.items()},
            "asked_by": f"api.{DOMAIN}",
            "route53_zone": "Z0123456789",
            "azure_zone": DOMAIN,
            "azure_group": GROUP,
            "clouddns_zone": "trimaran-prod",
            "names": {f"everywhere.{DOMAIN}": 10},
        },
        Stack.CONTROL: {
            MARK: CONTRACT,
            "nodes": {"aws": "10.10.240.10", "azure": "10.20.240.10", "gcp": "10.30.240.10"},
            "roles": {
                "aws": "arn:aws:iam::111111111111:role/trimaran-prod-controller",
                "azure": "00000000-0000-0000-0000-00000000000c",
                "gcp": "trimaran-prod-controller@trimaran-prod.iam.gserviceaccount.com",
            },
            "providers": {"aws": f"{POOL}/aws", "azure": f"{POOL}/azure"},
        },
    }


def exported(stack: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """The same as `pulumi stack export` writes it."""
    urn = f"urn:pulumi:{stack}::trimaran::pulumi:pulumi:Stack::trimaran-{stack}"
    root = {"urn": urn, "custom": False, "type": "pulumi:pulumi:Stack", "outputs": dict(told)}
    bucket = {
        "urn": f"urn:pulumi:{stack}::trimaran::aws:s3/bucket:Bucket::b",
        "type": "aws:s3/bucket:Bucket",
        "outputs": {"a": 1},
    }
    return {"version": 3, "deployment": {"manifest": {}, "resources": [root, bucket]}}


def files(folder: Path, told: Mapping[Stack, Mapping[str, Any]]) -> list[str]:
    """Every stack's state in a file of its own, as the command is given them."""
    arguments = []
    for stack, found in told.items():
        file = folder / f"{stack}.json"
        file.write_text(json.dumps(exported(f"prod-{stack}", found)))
        arguments += ["--outputs", f"{stack}={file}"]
    return arguments
