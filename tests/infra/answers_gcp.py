"""What Google makes up when something is made there."""

from collections.abc import Callable, Mapping
from typing import Any

Answer = Callable[[str, Mapping[str, Any]], tuple[str, Mapping[str, Any]]]

ADDRESSES = {"EXTERNAL": "203.0.113.{}", "INTERNAL": "10.30.26.{}"}

NUMBERS: Mapping[str, str] = {"control": "100000000000000000001", "vault": "100000000000000000002"}
"""Of service accounts, by the last word of their names."""


def _number(name: str) -> int:
    """Of its own for each name, the same in every run."""
    return 2 + sum(ord(letter) * (place + 1) for place, letter in enumerate(name)) % 250


def _address(name: str, asked: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    found = asked.get("address") or ADDRESSES[asked["addressType"]].format(_number(name))
    return f"projects/trimaran/regions/here/addresses/{name}", {
        "name": name,
        "address": found,
        "selfLink": f"https://google/{name}",
    }


def _server(name: str, asked: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    return name, {"name": name, "privateIpAddress": f"10.30.32.{_number(name)}", "connectionName": f"trimaran:here:{name}"}


def _account(name: str, asked: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    email = f"{asked['accountId']}@trimaran.iam.gserviceaccount.com"
    called = f"projects/trimaran/serviceAccounts/{email}"
    number = NUMBERS.get(asked["accountId"].rpartition("-")[2], "100000000000000000000")
    return called, {"email": email, "member": f"serviceAccount:{email}", "name": called, "uniqueId": number}


def _agent(name: str, asked: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    email = f"service-1@{asked['service'].partition('.')[0]}.iam.gserviceaccount.com"
    return f"projects/trimaran/services/{asked['service']}", {"email": email, "member": f"serviceAccount:{email}"}


def _authorization(name: str, asked: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    domain = asked["domain"]
    record = {
        "name": f"_acme-challenge_abc.{domain}.",
        "type": "CNAME",
        "data": f"{_number(domain)}.here.authorize.certificatemanager.goog.",
    }
    return f"projects/trimaran/locations/here/dnsAuthorizations/{name}", {"name": name, "dnsResourceRecords": [record]}


def _bucket(name: str, asked: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    return f"projects/{asked['project']}/locations/{asked['location']}/buckets/{asked['bucketId']}", {}


def _secret(name: str, asked: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    return f"projects/trimaran/secrets/{asked['secretId']}", {}


def _named(kind: str) -> Answer:
    def answer(name: str, asked: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        id = f"projects/trimaran/{kind}/{name}"
        return id, {"name": asked.get("name", name), "selfLink": f"https://google/{id}"}

    return answer


ANSWERS: Mapping[str, Answer] = {
    "gcp:artifactregistry/repository:Repository": _named("repositories"),
    "gcp:certificatemanager/certificate:Certificate": _named("certificates"),
    "gcp:certificatemanager/dnsAuthorization:DnsAuthorization": _authorization,
    "gcp:certificatemanager/trustConfig:TrustConfig": _named("trustConfigs"),
    "gcp:compute/address:Address": _address,
    "gcp:compute/forwardingRule:ForwardingRule": _named("forwardingRules"),
    "gcp:compute/globalAddress:GlobalAddress": _address,
    "gcp:compute/network:Network": _named("networks"),
    "gcp:compute/regionBackendService:RegionBackendService": _named("backendServices"),
    "gcp:compute/regionNetworkEndpointGroup:RegionNetworkEndpointGroup": _named("networkEndpointGroups"),
    "gcp:compute/regionSslPolicy:RegionSslPolicy": _named("sslPolicies"),
    "gcp:compute/regionTargetHttpsProxy:RegionTargetHttpsProxy": _named("targetHttpsProxies"),
    "gcp:compute/regionUrlMap:RegionUrlMap": _named("urlMaps"),
    "gcp:compute/router:Router": _named("routers"),
    "gcp:compute/subnetwork:Subnetwork": _named("subnetworks"),
    "gcp:dns/managedZone:ManagedZone": _named("managedZones"),
    "gcp:kms/cryptoKey:CryptoKey": _named("locations/here/keyRings/ring/cryptoKeys"),
    "gcp:kms/keyRing:KeyRing": _named("locations/here/keyRings"),
    "gcp:logging/projectBucketConfig:ProjectBucketConfig": _bucket,
    "gcp:networksecurity/serverTlsPolicy:ServerTlsPolicy": _named("serverTlsPolicies"),
    "gcp:projects/serviceIdentity:ServiceIdentity": _agent,
    "gcp:secretmanager/secret:Secret": _secret,
    "gcp:serviceaccount/account:Account": _account,
    "gcp:servicenetworking/connection:Connection": lambda name, asked: (name, {"peering": "servicenetworking-googleapis-com"}),
    "gcp:sql/databaseInstance:DatabaseInstance": _server,
}

CALLS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "gcp:logging/getProjectCmekSettings:getProjectCmekSettings": lambda asked: {
        "id": "settings",
        "name": "settings",
        "project": asked["project"],
        "kmsKeyName": "",
        "kmsKeyVersionName": "",
        "serviceAccountId": "cmek-p1@gcp-sa-logging.iam.gserviceaccount.com",
    }
}
