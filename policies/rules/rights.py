"""Who may do what: nobody everything, nobody what leads to more, and nothing that everybody may."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.topology import Cloud
from policies.rules.documents import DOCUMENTS, ROLE, Statement, covers, statements
from policies.rules.expect import Given, unmet
from policies.rules.seen import UNKNOWN, Facts, Finding, Resource, said

INLINE = "inlinePolicies[].policy"
OF_SOMEBODY = frozenset({("aws:iam/policy:Policy", "policy"), ("aws:iam/rolePolicy:RolePolicy", "policy"), (ROLE, INLINE)})
"""Documents that say what whoever has them may do. The others hang at a thing, or a role, and say who may do it."""
READS = r"iam:(get|list|simulate|generate)[\w*?]*"
ASSUMES = "sts:assumerole"
LEADS_ON = (
    "ecr:setrepositorypolicy",
    "iam:passrole",
    "kms:creategrant",
    "kms:putkeypolicy",
    "lambda:addpermission",
    "organizations:attachpolicy",
    "s3:putbucketpolicy",
    "secretsmanager:putresourcepolicy",
    ASSUMES,
)
"""Beside whatever IAM has that does not only read: who may do one of these to everything may give himself, or anybody, what he has not."""
ANYWHERE = frozenset(
    {
        "cloudwatch:getmetricstatistics",
        "ecr:getauthorizationtoken",
        "ssm:updateinstanceinformation",
        "ssmmessages:createcontrolchannel",
        "ssmmessages:createdatachannel",
        "ssmmessages:opencontrolchannel",
        "ssmmessages:opendatachannel",
        "sts:getwebidentitytoken",
    }
)
"""Allowed on everything, as AWS's own pages write them: a registry's token, tokens of one's own, one's own session, and numbers of what
goes on. Whatever else somebody adds names what it is about."""
WIDE = r"([^:]*:){0,4}[^:]*[*?].*|arn:([^:]*:){4}[*?/:]+"
"""Everything, everything of a service, or of whichever account or region."""
ALMIGHTY = r"(?i)/(\w*Administrator\w*|PowerUserAccess|\w*FullAccess\w*)$"

AZURE_ALMIGHTY: Mapping[str, str] = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": "User Access Administrator",
    "f58310d9-a9f6-439a-9e8d-f62e7b41a168": "Role Based Access Control Administrator",
    "8b54135c-b56d-4d72-a534-26097cfdc8d8": "Key Vault Data Access Administrator",
    "e40ec5ca-96e0-45a2-b4ff-59039f2c2b59": "Managed Identity Contributor",
    "f1a07417-d97a-45cb-824c-7a7467783830": "Managed Identity Operator",
}
AZURE_LEADS_ON = (
    r"(?i)\*|^Microsoft\.Authorization/.*/(write|delete|action)$|^Microsoft\.Authorization/elevateAccess/|/listKeys/action$"
    r"|^Microsoft\.ManagedIdentity/.*/(write|action)$|^Microsoft\.KeyVault/vaults(/accessPolicies)?/write$"
)
"""Who writes assignments, roles or locks grants; who writes an identity's credentials, or bears it, is it; who writes a vault lets
himself in."""

GOOGLE_ALMIGHTY = r"(?i)^roles/(owner|editor|.*admin|iam\.serviceAccount(User|TokenCreator|OpenIdTokenCreator))$"
"""Google's own administrators of anything may set who else may; users of accounts, and makers of their tokens, are those accounts."""
GIVES_ITSELF_MORE = (
    r"\*|\.setIamPolicy$|^iam\.roles\.(create|update)$|^iam\.serviceAccountKeys\.create$"
    r"|^iam\.serviceAccounts\.(signBlob|signJwt|implicitDelegation)$|^iam\.workloadIdentityPool(Provider)?s\.(create|update)$"
)
"""Whoever may grant, or change a role of ours, or say who is believed, may do everything. A grant names a role of ours, and what is in it
is looked at here."""
SOMEBODY = (
    r"(serviceAccount|user|group):[^*]+|principal://[^*]+/subject/[^*]+"
    r"|principalSet://[^*]+/workloadIdentityPools/[^*/]+/(attribute\.\w+|group)/[^*]+"
)
"""Members that are somebody: no domain, no pool as a whole, and not whoever is signed in."""
GRANTS: tuple[str, ...] = (
    "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember",
    "gcp:cloudrunv2/serviceIamBinding:ServiceIamBinding",
    "gcp:cloudrunv2/serviceIamMember:ServiceIamMember",
    "gcp:kms/cryptoKeyIAMBinding:CryptoKeyIAMBinding",
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember",
    "gcp:projects/iAMBinding:IAMBinding",
    "gcp:projects/iAMMember:IAMMember",
    "gcp:secretmanager/regionalSecretIamMember:RegionalSecretIamMember",
    "gcp:secretmanager/secretIamMember:SecretIamMember",
    "gcp:serviceaccount/iAMBinding:IAMBinding",
    "gcp:serviceaccount/iAMMember:IAMMember",
    "gcp:storage/bucketIAMMember:BucketIAMMember",
    "gcp:dns/dnsManagedZoneIamMember:DnsManagedZoneIamMember",
)
DOOR_GRANTS = frozenset(
    {"gcp:cloudrunv2/serviceIamMember:ServiceIamMember", "gcp:cloudrunv2/serviceIamBinding:ServiceIamBinding"}
)
"""Cloud Run asks who calls before the service does. What is reached by its own balancer alone, with TLS of its own, may let all call."""
INVOKES = "roles/run.invoker"


def iam_least_privilege(one: Resource, facts: Facts) -> Iterator[Finding]:
    """Nobody may do everything or give themselves more, and nothing may be done by everybody or from another account."""
    for path in DOCUMENTS.get(one.type, ()):
        for place, document in one.every(path):
            yield from _written(one, path, place, document, facts.accounts.get(Cloud.AWS))
    match one.type:
        case "aws:iam/rolePolicyAttachment:RolePolicyAttachment":
            yield from unmet(one, {one.type: (Given(path="policyArn", limit=_NOT_EVERYTHING, never=ALMIGHTY),)})
        case "aws:iam/role:Role":
            for place, arn in one.every("managedPolicyArns[]"):
                if isinstance(arn, str) and re.search(ALMIGHTY, arn):
                    yield one.finding(f"{place} {said(arn)}; {_NOT_EVERYTHING}")
        case "azure-native:authorization:RoleAssignment":
            never = "(?i)(" + "|".join(AZURE_ALMIGHTY) + ")$"
            limit = f"it must not be {', '.join(AZURE_ALMIGHTY.values())}"
            yield from unmet(one, {one.type: (Given(path="roleDefinitionId", limit=limit, never=never),)})
        case "azure-native:authorization:RoleDefinition":
            for path in ("permissions[].actions[]", "permissions[].dataActions[]"):
                yield from _leading_on(one, path, AZURE_LEADS_ON)
        case "gcp:projects/iAMCustomRole:IAMCustomRole":
            yield from _leading_on(one, "permissions[]", GIVES_ITSELF_MORE)
    if one.type in GRANTS:
        yield from _granted(one, facts.accounts.get(Cloud.GCP))


_NOT_EVERYTHING = "it must not be able to do everything"


def _leading_on(one: Resource, path: str, shape: str) -> Iterator[Finding]:
    for place, action in one.every(path):
        if action is UNKNOWN or re.search(shape, str(action)):
            yield one.finding(f"{place} {said(action)}; actions are named, and none leads to other permissions")


def _written(one: Resource, path: str, place: str, document: Any, account: str | None) -> Iterator[Finding]:
    try:
        found = statements(document)
    except ValueError as error:
        yield one.finding(f"{place} is no document of IAM: {error}")
        return
    for statement in found:
        if statement.allows:
            told = _may(statement) if (one.type, path) in OF_SOMEBODY else _lets(statement, account)
            yield from (one.finding(f"{place} {problem}") for problem in told)


def _leads_on(action: str) -> bool:
    """Is one of what it means, a wildcard or not, more than it says?"""
    of_iam = action.startswith("iam:") and not re.fullmatch(READS, action)
    return of_iam or any(covers(action, one) for one in LEADS_ON)


def _is_every(action: str) -> bool:
    """Every one of a service's, or of all?"""
    service, _, verb = action.partition(":")
    return bool(re.search(r"[*?]", service) or re.fullmatch(r"[*?]+", verb))


def _may(statement: Statement) -> Iterator[str]:
    """What is wrong with what it lets somebody do."""
    everywhere = any(re.fullmatch(WIDE, where) for where in statement.resources)
    for action in statement.actions:
        if _leads_on(action) and (action != ASSUMES or any(re.search(r"[*?]", where) for where in statement.resources)):
            yield f"allows {action}, which leads to other rights; whoever deploys has it, and no service"
        elif everywhere and action not in ANYWHERE:
            yield f"allows {action} on everything; resources are named"


def _lets(statement: Statement, account: str | None) -> Iterator[str]:
    """What is wrong with whom it lets in, and to do what."""
    named = statement.principals("AWS")
    owners = {account, f"arn:aws:iam::{account}:root"}
    bound = any(_is_bound(key, values, account) for key, values in statement.conditions())
    for who in named:
        if who == "*" and not bound:
            yield "lets everybody in, without a condition that names an account of ours"
        elif who != "*" and (account is None or _account_of(who) != account):
            yield f"lets {who} in; the account of the configuration is {account or 'missing'}"
    if "canonicaluser" in statement.kinds:
        yield "lets somebody in by a number that names no account; name a role"
    if named and set(named) <= owners and statement.kinds == {"aws"}:
        return  # what the account's own roles may do is in their own documents
    for action in statement.actions:
        if _is_every(action):
            yield f"lets {action} be done; actions are named"
        elif _leads_on(action) and action != ASSUMES and statement.kinds != {"service"}:
            yield f"lets {action} be done, which leads to other rights"


def _account_of(who: str) -> str | None:
    """Whose it is: a number by itself, or a role's or user's name."""
    found = re.fullmatch(r"(\d{12})|arn:aws[\w-]*:(?:iam|sts)::(\d{12}):.+", who)
    return found and (found[1] or found[2])


def _is_bound(key: str, values: tuple[str, ...], account: str | None) -> bool:
    """Does a condition keep everybody to an account of ours?"""
    if account is None or key not in ("aws:principalaccount", "aws:sourceaccount", "kms:calleraccount", "aws:principalarn"):
        return False
    return bool(values) and all(account in (one, _account_of(one)) for one in values)


def _granted(one: Resource, project: str | None) -> Iterator[Finding]:
    role = one.at("role")
    if role is UNKNOWN or not isinstance(role, str) or re.search(GOOGLE_ALMIGHTY, role):
        yield one.finding(f"role {said(role)}; a role that may do less")
    elif not role.startswith(("roles/", f"projects/{project}/roles/")):
        yield one.finding(
            f"role {said(role)}; one of Google's, or of the project {project or '(missing)'}, where it is looked at"
        )
    elif one.type in DOOR_GRANTS and role != INVOKES:
        yield one.finding(f"role {said(role)}; whoever calls a service calls it, and may do nothing else to it")
    who = "members[]" if one.type.endswith("Binding") else "member"
    for _, member in one.every(who):
        if member is UNKNOWN or (isinstance(member, str) and re.fullmatch(SOMEBODY, member)):
            continue
        if one.type not in DOOR_GRANTS or member != "allUsers":
            yield one.finding(f"it is granted to {member}; members are named, one by one")


LOOKS_AT = (
    frozenset(DOCUMENTS)
    | frozenset(GRANTS)
    | {
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "azure-native:authorization:RoleAssignment",
        "azure-native:authorization:RoleDefinition",
        "gcp:projects/iAMCustomRole:IAMCustomRole",
    }
)
