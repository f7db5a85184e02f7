"""Settings that cannot keep the promises, and what each is refused with: its key, and the rule."""

from collections.abc import Mapping

IN_ONE_TOWN = {
    "aws": "eu-central-1",
    "azure": "germanywestcentral",
    "gcp": "europe-west3",
    "jurisdiction": "EU",
    "least_km": 1000,
}
ENOUGH = {"peak": 4, "floor": 2, "ceiling": 8}
TOO_FEW = {
    "payments": {"peak": 7, "floor": 3, "ceiling": 20},
    **dict.fromkeys(("vault", "screening", "webhooks", "edge"), ENOUGH),
}
REST_OF_NETWORK = {"azure": {"block": "10.20.0.0/16", "asn": 65010}, "gcp": {"block": "10.30.0.0/16", "asn": 64514}}
UNFIT: Mapping[str, tuple[Mapping[str, object], str]] = {
    "overlap": (
        {"network": {"aws": {"block": "10.20.0.0/16", "asn": 64512}, **REST_OF_NETWORK}},
        "trimaran:network.aws.block, network.azure.block: ",
    ),
    "one town": ({"topology": IN_ONE_TOWN}, "trimaran:topology.aws, topology.azure: "),
    "undersized": ({"capacity": TOO_FEW}, "trimaran:capacity.payments.floor: "),
    "missing": ({"images": None}, "trimaran:images: missing"),
    "missing anywhere": ({"environment": None}, "is missing configuration value 'trimaran:environment'"),
    "misspelled": ({"lives": True}, "trimaran:lives: Extra inputs are not permitted"),
}
"""By what is wrong: what is changed in a stack's file, and what the preview says."""
