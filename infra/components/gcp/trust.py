"""Whose certificates balancers believe, and how they talk."""

from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp
import pulumi_random as random

from infra.settings import Settings

CLIENTS, FLEET = "clients", "fleet"
"""Whose authority it is: the clients', and our own."""


LETTERS = 48
"""Of a word: 285 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what terms a door talks with somebody."""

    asks: gcp.networksecurity.ServerTlsPolicy
    """Asks for a certificate, and lets those without one through as well: most tokens need none."""
    demands: gcp.networksecurity.ServerTlsPolicy
    """No certificate of our own authority, no connection."""
    ciphers: gcp.compute.RegionSslPolicy


class Trust(pulumi.ComponentResource):
    """Whose certificates are believed: the clients' authority at the public door, our own authority at the private ones.

    Both lists are made empty, and an empty list believes nobody. `trusted` of the settings fills them with the authorities of `trimaran
    bootstrap`, before the site goes live.
    """

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trimaran:gcp:Trust", name, None, opts)
        self._name, self._settings = name, settings
        self.terms = Terms(
            asks=self._policy(CLIENTS, "ALLOW_INVALID_OR_MISSING_CLIENT_CERT"),
            demands=self._policy(FLEET, "REJECT_INVALID"),
            ciphers=gcp.compute.RegionSslPolicy(
                f"{name}-ciphers",
                region=settings.region,
                profile="RESTRICTED",
                min_tls_version="TLS_1_2",
                opts=pulumi.ResourceOptions(parent=self),
            ),
        )
        self.register_outputs({})

    def _policy(self, whom: str, mode: str) -> gcp.networksecurity.ServerTlsPolicy:
        region, number = self._settings.region, self._settings.accounts.gcp.number
        trusted = gcp.certificatemanager.TrustConfig(
            f"{self._name}-{whom}",
            location=region,
            description=f"Authorities of {whom}",
            trust_stores=_stores(self._settings, whom),
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        return gcp.networksecurity.ServerTlsPolicy(
            f"{self._name}-{whom}",
            location=region,
            allow_open=False,
            mtls_policy=gcp.networksecurity.ServerTlsPolicyMtlsPolicyArgs(
                client_validation_mode=mode,
                client_validation_trust_config=trusted.name.apply(
                    lambda name: f"projects/{number}/locations/{region}/trustConfigs/{name}"
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )


def _stores(settings: Settings, whom: str) -> list[gcp.certificatemanager.TrustConfigTrustStoreArgs] | None:
    """Google takes one of them, with all authorities in it."""
    if settings.trusted is None:
        return None
    listed = {CLIENTS: settings.trusted.clients, FLEET: settings.trusted.fleet}[whom]
    anchors = [gcp.certificatemanager.TrustConfigTrustStoreTrustAnchorArgs(pem_certificate=one) for one in listed]
    return [gcp.certificatemanager.TrustConfigTrustStoreArgs(trust_anchors=anchors)]


class Word(pulumi.ComponentResource):
    """What the edge knows its balancers by: made by chance, and said with every request, in place of whatever a client says there.

    Google has nothing else by which an edge could tell: a balancer shows Cloud Run no certificate and has no identity that IAM knows. The
    word lies in the stack's state, encrypted by the stack's own secrets provider, and in the balancers' maps, where whoever may look at
    them reads it. Whoever has read it must still reach the edge past the balancers, and Cloud Run lets nobody else in.
    `trimaran bootstrap` is given it for the edge's `door` (docs/deploy.md).
    """

    value: pulumi.Output[str]

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trimaran:gcp:Word", name, None, opts)
        made = random.RandomPassword(
            f"{name}-made", length=LETTERS, special=False, opts=pulumi.ResourceOptions(parent=self, protect=True)
        )
        self.value = pulumi.Output.secret(made.result)
        self.register_outputs({})
