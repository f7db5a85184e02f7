"""The controls as policies of Pulumi's: the engine's questions become plain values, and findings become violations.

Only this module knows the policy SDK. Nothing starts when it is imported: `serve` never returns.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar

import pulumi
from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyComplianceFramework,
    PolicyConfigSchema,
    PolicyPack,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Severity,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy import policy as policy_sdk
from pulumi_policy.policy import _PolicyAnalyzerServicer
from pulumi_policy.proxy import UnknownValueError

from infra.settings import NAMESPACE
from policies.controls import CONTROLS, Bound, Control, Numbers, Scope
from policies.facts import facts_of
from policies.rules.seen import UNKNOWN, Facts, Finding, Provider, Resource, is_provider, of_provider

PACK = "trimaran-guardrails"
DOCUMENT = "docs/policies.md"


def plain(value: Any) -> Any:
    """Without the SDK's guards: what raises when it is touched is UNKNOWN."""
    if isinstance(value, Mapping):
        return {key: _touched(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_touched(value, number) for number in range(len(value))]
    return value


def _touched(holder: Any, key: Any) -> Any:
    try:
        return plain(holder[key])
    except UnknownValueError:
        return UNKNOWN


class Listening(_PolicyAnalyzerServicer):
    """The SDK's own, which takes the stack's tags from the engine and forgets the rest.

    Today's engine (3.259) tells a pack by this question alone which stack it is asked about; earlier ones told it in the environment
    (pkg/resource/plugin/analyzer_plugin.go, `NewPolicyAnalyzer`). Without it no rule knows the topology, and every `pulumi up` is refused.
    """

    asked: ClassVar[tuple[str, Mapping[str, str]] | None] = None

    def ConfigureStack(self, request: Any, _context: Any) -> Any:  # noqa: N802  the wire's name
        """Remember which stack, and what it was told. It comes once, before anything is asked."""
        Listening.asked = (request.stack, dict(request.config))
        return super().ConfigureStack(request, _context)


def facts() -> Facts:
    """Of the stack that the engine asks about, as the engine has said, or as it says in the environment of this process."""
    keys = [f"{NAMESPACE}:{key}" for key in ("role", "live", "topology", "accounts", "network")]
    if Listening.asked is None:
        config = pulumi.Config(NAMESPACE)
        stack, told = pulumi.get_stack(), {key: config.get(key.removeprefix(f"{NAMESPACE}:")) for key in keys}
    else:
        stack, given = Listening.asked
        told = {key: given.get(key) for key in keys}
    return _facts(stack, tuple((key, value) for key, value in told.items() if value is not None))


@lru_cache(maxsize=1)
def _facts(stack: str, given: tuple[tuple[str, str], ...]) -> Facts:
    """The same for every resource that the engine asks about."""
    return facts_of(stack, dict(given))


def serve() -> None:
    """Until the engine ends it: `PolicyPack` never returns. Raises AttributeError when the SDK has another servicer by now."""
    assert policy_sdk._PolicyAnalyzerServicer is _PolicyAnalyzerServicer
    policy_sdk._PolicyAnalyzerServicer = Listening  # type: ignore[misc]  # mypy sees a class, and `PolicyPack` looks a name up
    PolicyPack(PACK, POLICIES, enforcement_level=EnforcementLevel.MANDATORY)


def _one(seen: ResourceValidationArgs | PolicyResource, sources: Mapping[str, Iterable[PolicyResource]]) -> Resource:
    provider = seen.provider
    return Resource(
        type=seen.resource_type,
        name=seen.name,
        urn=seen.urn,
        props=of_provider(plain(seen.props)) if is_provider(seen.resource_type) else plain(seen.props),
        protect=bool(seen.opts.protect),
        ignore_changes=tuple(seen.opts.ignore_changes),
        provider=None if provider is None else Provider(name=provider.name, props=of_provider(plain(provider.props))),
        property_dependencies={name: tuple(one.urn for one in found) for name, found in sources.items()},
    )


def _told(found: Iterable[Finding], control: Control, report: ReportViolation) -> None:
    for finding in found:
        report(f"{finding.problem}. Way out: {control.way_out}.", finding.urn)


def _numbers(config: Mapping[str, Any]) -> Numbers:
    return {name: float(value) for name, value in config.items() if isinstance(value, int | float)}


def policy(control: Control) -> ResourceValidationPolicy | StackValidationPolicy:
    """One control, mandatory unless it is listed as advisory."""
    about: dict[str, Any] = {
        "name": control.id,
        "description": control.promise,
        "enforcement_level": EnforcementLevel.ADVISORY if control.advisory else EnforcementLevel.MANDATORY,
        "config_schema": _schema(control),
        "severity": Severity(control.severity.value),
        "framework": PolicyComplianceFramework(
            name="PCI DSS 4.0.1, DORA, GDPR",
            reference="; ".join(control.references),
            specification="from general knowledge: read the official text",
        ),
        "remediation_steps": control.way_out,
        "url": f"{DOCUMENT}#{control.id}",
    }

    def of_resource(args: ResourceValidationArgs, report: ReportViolation) -> None:
        _told(control.found((_one(args, {}),), facts(), _numbers(args.get_config())), control, report)

    def of_stack(args: StackValidationArgs, report: ReportViolation) -> None:
        resources = tuple(_one(one, one.property_dependencies) for one in args.resources)
        _told(control.found(resources, facts(), _numbers(args.get_config())), control, report)

    if control.scope is Scope.RESOURCE:
        return ResourceValidationPolicy(validate=of_resource, **about)
    return StackValidationPolicy(validate=of_stack, **about)


def _schema(control: Control) -> PolicyConfigSchema | None:
    """Parameters may be made stricter by whoever runs the pack."""
    if not control.parameters:
        return None
    properties = {
        one.name: {"type": "number", "default": one.value, ("minimum" if one.may_go is Bound.UP else "maximum"): one.value}
        for one in control.parameters
    }
    return PolicyConfigSchema(properties=properties)


POLICIES: list[Policy] = [policy(control) for control in CONTROLS]
