"""Every control: which rule it is, how bad it is to break it, what it is for, and the way out.

References are to PCI DSS 4.0.1, Regulation (EU) 2022/2554 (DORA) and the GDPR, from general knowledge: whoever relies on one reads the
official text. To pass these rules is not to comply with any of them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from policies.rules import (
    authorities,
    data,
    database,
    identity,
    ingress,
    mesh,
    network,
    operability,
    residency,
    resilience,
    rights,
    sources,
    topology,
    trust,
)
from policies.rules.seen import Facts, Finding, Resource

Numbers = Mapping[str, float]
"""Parameters by name."""


class Scope(StrEnum):
    """What a rule looks at."""

    RESOURCE = "resource"
    """One, before it is made."""
    STACK = "stack"
    """All of a stack together."""


class Severity(StrEnum):
    """How bad it is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Bound(StrEnum):
    """Which way a parameter may be moved: what is promised is promised."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A number that a rule takes, and may be stricter than promised, never laxer."""

    name: str
    value: float
    may_go: Bound

    def allows(self, value: float) -> bool:
        """Is it as strict, or stricter?"""
        return value >= self.value if self.may_go is Bound.UP else value <= self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One row of `docs/policies.md`."""

    id: str
    scope: Scope
    rule: Callable[..., Iterator[Finding]]
    severity: Severity
    references: tuple[str, ...]
    way_out: str
    parameters: tuple[Parameter, ...] = ()
    advisory: bool = False

    @property
    def promise(self) -> str:
        """What holds where it is kept: the rule's own first sentence."""
        return (self.rule.__doc__ or "").strip().splitlines()[0]

    def found(self, resources: tuple[Resource, ...], facts: Facts, given: Numbers | None = None) -> Iterator[Finding]:
        """Every violation among these resources. Raises ValueError for a parameter that is laxer than promised."""
        numbers = self.numbers(given or {})
        if self.scope is Scope.STACK:
            yield from self.rule(resources, facts, **numbers)
        else:
            for one in resources:
                yield from self.rule(one, facts, **numbers)

    def numbers(self, given: Numbers) -> Numbers:
        """Parameters with what was given in place of defaults. Raises ValueError."""
        values = {one.name: given.get(one.name, one.value) for one in self.parameters}
        for one in self.parameters:
            if not one.allows(values[one.name]):
                raise ValueError(
                    f"{self.id}.{one.name}: {values[one.name]:g}; what is promised is {one.value:g}, and it may only be stricter"
                )
        return values


def _up(name: str, value: float) -> tuple[Parameter, ...]:
    return (Parameter(name=name, value=value, may_go=Bound.UP),)


def _down(name: str, value: float) -> tuple[Parameter, ...]:
    return (Parameter(name=name, value=value, may_go=Bound.DOWN),)


R, S = Scope.RESOURCE, Scope.STACK
LOW, MEDIUM, HIGH, CRITICAL = Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL


def _control(
    id: str,
    scope: Scope,
    rule: Callable[..., Iterator[Finding]],
    severity: Severity,
    references: str,
    way_out: str,
    parameters: tuple[Parameter, ...] = (),
) -> Control:
    told = tuple(references.split("; "))
    return Control(
        id=id,
        scope=scope,
        rule=rule,
        severity=severity,
        references=told,
        way_out=way_out,
        parameters=parameters,
        advisory=id in ADVISORY,
    )


ADVISORY = frozenset({"waf-or-exempt", "image-digest", "unknown-until-made"})
"""Told, and not in the way. Everything else is."""

CONTROLS: tuple[Control, ...] = (
    _control(
        "topology-separation",
        S,
        topology.topology_separation,
        CRITICAL,
        "DORA 11; DORA 12; DORA 29",
        "choose regions further apart in trimaran:topology",
        _up("least_km", 300),
    ),
    _control(
        "topology-jurisdiction",
        S,
        topology.topology_jurisdiction,
        CRITICAL,
        "DORA 30(2)(b); GDPR chapter V",
        "choose regions under one law in trimaran:topology",
    ),
    _control(
        "region-pinned",
        R,
        residency.region_pinned,
        CRITICAL,
        "DORA 30(2)(b)",
        "leave the region to the provider, or take it from the settings",
    ),
    _control(
        "no-extra-jurisdiction-replica",
        R,
        residency.no_extra_jurisdiction_replica,
        CRITICAL,
        "DORA 30(2)(b); GDPR chapter V",
        "switch the copy off, or write down a place under the same law",
    ),
    _control(
        "explicit-provider",
        R,
        residency.explicit_provider,
        HIGH,
        "PCI DSS 2.2",
        "pass the component's provider, and tell the provider its account",
    ),
    _control(
        "encryption-at-rest-cmk",
        R,
        data.encryption_at_rest,
        CRITICAL,
        "PCI DSS 3.5; PCI DSS 3.6",
        "encrypt it with the stack's key; disk encryption alone does not protect card numbers (3.5.1.2), the vault's does",
    ),
    _control(
        "encryption-key-of-ours",
        S,
        sources.encryption_key_of_ours,
        CRITICAL,
        "PCI DSS 3.6",
        "compute the key from a key resource, or from another stack's contract",
    ),
    _control(
        "kms-rotation",
        R,
        data.kms_rotation,
        HIGH,
        "PCI DSS 3.7.4",
        "switch rotation on, and lengthen the window before a key is gone",
        (*_down("most_days", 365), *_up("least_window_days", 30)),
    ),
    _control(
        "tls-in-transit",
        R,
        network.tls_in_transit,
        CRITICAL,
        "PCI DSS 4.2.1",
        "listen with TLS 1.2 or better; redirect what comes without",
    ),
    _control(
        "pg-tls-required",
        S,
        database.pg_tls_required,
        CRITICAL,
        "PCI DSS 4.2.1",
        "give the server the parameters of infra/postgres.py",
    ),
    _control(
        "pg-logical-replication",
        S,
        database.pg_logical_replication,
        HIGH,
        "DORA 12",
        "give the server the parameters of infra/postgres.py",
    ),
    _control("pg-ha", R, database.pg_ha, HIGH, "DORA 11; DORA 12(4)", "switch on the second machine in another zone"),
    _control(
        "pg-backup",
        R,
        database.pg_backup,
        CRITICAL,
        "DORA 12; PCI DSS 9.4; PCI DSS 12.10",
        "lengthen the retention, and keep what is there when a server goes",
        _up("least_days", 35),
    ),
    _control("pg-private", R, database.pg_private, CRITICAL, "PCI DSS 1.4.4", "put the server into the databases' subnet"),
    _control(
        "pg-version-floor",
        R,
        database.pg_version_floor,
        MEDIUM,
        "PCI DSS 6.3.3",
        "use the version of infra/postgres.py",
        _up("least_major", 17),
    ),
    _control(
        "pg-delete-guard",
        R,
        database.pg_delete_guard,
        CRITICAL,
        "DORA 12",
        "switch on every guard that the vendor has, and protect=True",
    ),
    _control(
        "pg-delete-lock", S, database.pg_delete_lock, CRITICAL, "DORA 12", "add a CanNotDelete lock whose scope is the server"
    ),
    _control(
        "stateful-protect", R, resilience.stateful_protect, HIGH, "PCI DSS 6.5.1", "set protect=True in the resource's options"
    ),
    _control(
        "no-open-ingress",
        R,
        ingress.no_open_ingress,
        CRITICAL,
        "PCI DSS 1.2.5; PCI DSS 1.3.1",
        "name who may come; write ranges down, so that they can be looked at",
    ),
    _control(
        "default-sg-locked", S, network.default_sg_locked, MEDIUM, "PCI DSS 1.2", "add a DefaultSecurityGroup without rules"
    ),
    _control("flow-logs-on", S, network.flow_logs_on, HIGH, "PCI DSS 1.2; PCI DSS 10.2", "switch flow logs on for the network"),
    _control(
        "waf-or-exempt",
        S,
        network.waf_or_exempt,
        LOW,
        "PCI DSS 6.4.2",
        "attach a firewall, or write down here why the edge's own checks are enough",
    ),
    _control(
        "audit-retention",
        R,
        operability.audit_retention,
        HIGH,
        "PCI DSS 10.5.1; PCI DSS 10.3",
        "keep records longer",
        _up("least_days", 365),
    ),
    _control("no-long-lived-keys", R, identity.no_long_lived_keys, CRITICAL, "PCI DSS 8.6", "use roles and federation"),
    _control(
        "federation-conditions",
        R,
        trust.federation_conditions,
        CRITICAL,
        "PCI DSS 7.2; PCI DSS 8.6",
        "name the audience and the subject",
    ),
    _control(
        "iam-least-privilege",
        R,
        rights.iam_least_privilege,
        HIGH,
        "PCI DSS 7.2.1",
        "name actions, resources and principals; what grants is for whoever deploys",
    ),
    _control(
        "vm-hardening", R, identity.vm_hardening, HIGH, "PCI DSS 2.2", "switch on what the vendor has against a stolen machine"
    ),
    _control(
        "secrets-not-plaintext",
        R,
        data.secrets_not_plaintext,
        CRITICAL,
        "PCI DSS 8.6.2; PCI DSS 3.6",
        "make an empty place for it, name the place, and let `trimaran bootstrap` fill it",
    ),
    _control(
        "vpn-crypto", R, mesh.vpn_crypto, HIGH, "PCI DSS 4.2.1", "one proposal for each phase, the strongest that both sides have"
    ),
    _control(
        "vpn-secret-from-output",
        S,
        mesh.vpn_secret_from_output,
        CRITICAL,
        "PCI DSS 8.6.2",
        "let the vendor or a random password make it",
    ),
    _control("vpn-mesh-complete", S, mesh.vpn_mesh_complete, HIGH, "DORA 11", "add the missing tunnels", _up("least_tunnels", 2)),
    _control(
        "dns-three-authorities",
        S,
        authorities.dns_three_authorities,
        CRITICAL,
        "DORA 28; DORA 29",
        "make all three zones from one list of names",
        _down("most_seconds", 60),
    ),
    _control(
        "container-min-capacity",
        R,
        resilience.container_min_capacity,
        HIGH,
        "DORA 11",
        "raise the floor in trimaran:capacity",
        _up("least", 2),
    ),
    _control("image-digest", R, operability.image_digest, LOW, "PCI DSS 6.3", "name images by digest"),
    _control(
        "tags-required",
        R,
        operability.tags_required,
        MEDIUM,
        "DORA 8",
        "give the provider default tags; on Azure, tags(settings)",
    ),
    _control(
        "no-force-destroy",
        R,
        data.no_force_destroy,
        HIGH,
        "DORA 12",
        "leave it at false, and empty things by hand when they must go",
    ),
    _control(
        "unknown-has-a-source",
        S,
        sources.unknown_has_a_source,
        HIGH,
        "PCI DSS 6.5.1",
        "write the value down, or compute it from a resource of this stack",
    ),
    _control(
        "unknown-until-made", S, sources.unknown_until_made, LOW, "PCI DSS 6.5.1", "nothing to do: read the update's own report"
    ),
)

_MODULES = (authorities, data, database, identity, ingress, mesh, network, operability, residency, resilience, rights, trust)
LOOKED_AT: frozenset[str] = frozenset().union(*(module.LOOKS_AT for module in _MODULES))
"""Types that some rule asks about by name. Rules about providers, regions and tags ask about all."""
