"""Who of another cloud is believed, and on what conditions."""

import re
from collections.abc import Iterator

from policies.rules.documents import ROLE, Statement, statements
from policies.rules.expect import Given, Matches, unmet
from policies.rules.seen import UNKNOWN, Facts, Finding, Resource, said

POOL_PROVIDER, FEDERATED = (
    "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider",
    "azure-native:managedidentity:FederatedIdentityCredential",
)

_LITERAL = r"(?:'[^'\\]+'|\"[^\"\\]+\")"
_CLAIM = r"(?:assertion|attribute|google)(?:\.\w+)+"
_COMPARED = rf"{_CLAIM}\s*(?:==\s*{_LITERAL}|in\s*\[\s*{_LITERAL}(?:\s*,\s*{_LITERAL})*\s*\])"
CONDITION = rf"\s*{_COMPARED}(?:\s*(?:&&|\|\|)\s*{_COMPARED})*\s*"
"""Claims that are compared with texts, joined by and, or. `true`, or a claim that is not empty, is a condition that everybody meets."""
WHO = r"\.(sub|subject|arn|aws_role|oid)\b"
"""Claims that say who somebody is. Who issued a token, for whom, and for which account is the same for everybody there."""


def federation_conditions(one: Resource, facts: Facts) -> Iterator[Finding]:
    """Whoever comes from another cloud is believed for one audience and one subject, not for having an account there."""
    match one.type:
        case "aws:iam/role:Role":
            try:
                found = statements(one.at("assumeRolePolicy"))
            except ValueError:
                return  # `iam-least-privilege` says so
            for statement in found:
                if statement.allows and statement.principals("Federated"):
                    yield from _conditions(one, statement)
        case "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider":
            value = one.at("attributeCondition")
            if value is not UNKNOWN and not (isinstance(value, str) and _names_who(value)):
                yield one.finding(
                    f"attributeCondition {said(value)}; it must compare a claim that says who of that cloud is believed"
                )
        case "azure-native:managedidentity:FederatedIdentityCredential":
            wanted = (
                Given(path="subject", limit="it must be one subject, without a wildcard", never=r"[*?]"),
                Given(path="issuer"),
                Matches(path="audiences[]", shape=r"[^*?]+", limit="it must be one audience, without a wildcard"),
            )
            yield from unmet(one, {FEDERATED: wanted})


def _conditions(one: Resource, statement: Statement) -> Iterator[Finding]:
    """Whatever it allows: `sts:*` is the call by which a token of theirs becomes a role of ours, too. Both the audience and the subject,
    one of each, and neither is everything."""
    named: dict[str, set[str]] = {}
    for key, values in statement.conditions():
        named.setdefault(key.rpartition(":")[2], set()).update(values)
    for wanted in (("aud", "oaud"), ("sub",)):
        found = [named[name] for name in wanted if name in named]
        if not found or any(len(values) != 1 or re.search(r"[*?]", "".join(values)) for values in found):
            yield one.finding(
                f"{', '.join(statement.principals('Federated'))} is believed without a condition on one :{wanted[0]}"
            )


def _names_who(condition: str) -> bool:
    """In each of its alternatives: whoever meets one has met all of it."""
    alternatives = re.sub(_LITERAL, "", condition).split("||")
    return re.fullmatch(CONDITION, condition) is not None and all(re.search(WHO, one) for one in alternatives)


LOOKS_AT = frozenset({ROLE, POOL_PROVIDER, FEDERATED})
