"""What a preview does not know: where it has to come from, and that somebody hears of it.

1. A rule about a resource accepts an unknown key (`Given`), because a key is made in the same update.
2. Somebody computes the key of a database from the output of a resource that makes up passwords, or of a data source.
3. The preview shows nothing wrong, and the update stops half way, with the network made and the database not.
So here the whole stack is looked at: an unknown value is computed from resources of the right kind, or it is a violation.
"""

from collections.abc import Iterator, Mapping

from policies.rules.data import CLOUD_SQL, ENCRYPTED, ENVIRONMENTS, FLEXIBLE, SCRIPTS, TASK
from policies.rules.documents import DOCUMENTS, ROLE
from policies.rules.expect import Given, joined
from policies.rules.mesh import TUNNEL
from policies.rules.rights import GRANTS
from policies.rules.seen import UNKNOWN, Facts, Finding, Resource
from policies.rules.trust import FEDERATED, POOL_PROVIDER

REFERENCE = "pulumi:pulumi:StackReference"
"""What another stack has published: that stack's policies looked at it."""
KEYS = frozenset(
    {
        "aws:kms/alias:Alias",
        "aws:kms/key:Key",
        "azure-native:compute:DiskEncryptionSet",
        "azure-native:keyvault:Key",
        "gcp:kms/cryptoKey:CryptoKey",
        REFERENCE,
    }
)


BUCKET = "aws:s3/bucket:Bucket"
BUCKET_KEY = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"


def _keys_expected() -> Mapping[str, tuple[str, ...]]:
    """Every path of a key that the rule about encryption takes unknown."""
    return {
        token: tuple(one.path for one in wanted if isinstance(one, Given) and "key of ours" in one.limit)
        for token, wanted in ENCRYPTED.items()
    }


def encryption_key_of_ours(resources: tuple[Resource, ...], facts: Facts) -> Iterator[Finding]:
    """A key that is not known yet is computed from a key of this stack, or of one that this stack reads; every bucket is told its key."""
    kinds = {one.urn: one.type for one in resources}
    told = [one for one in resources if one.type == BUCKET_KEY]
    for one in resources:
        if one.type == BUCKET and not any(joined(other, "bucket", one, "id") for other in told):
            yield one.finding("no BucketServerSideEncryptionConfiguration is about it: the vendor's own key opens it")
        for path in _keys_expected().get(one.type, ()):
            if not any(value is UNKNOWN for _, value in one.every(path)):
                continue
            sources = {kinds.get(urn, urn) for urn in one.sources(path)}
            if not sources & KEYS:
                heard = ", ".join(sorted(sources)) or "nothing"
                yield one.finding(f"{path} is not known yet and computed from {heard}; it must come from a key")


DEFERRED: Mapping[str, tuple[str, ...]] = {
    TASK: ("containerDefinitions",),
    **SCRIPTS,
    **{token: (path.partition("[]")[0],) for token, path in ENVIRONMENTS.items()},
    **DOCUMENTS,
    ROLE: ("assumeRolePolicy", "inlinePolicies", "managedPolicyArns"),
    **{token: ("members" if token.endswith("Binding") else "member",) for token in GRANTS},
    POOL_PROVIDER: ("attributeCondition",),
    FEDERATED: ("subject", "issuer"),
    "azure-native:authorization:RoleAssignment": ("roleDefinitionId",),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": ("policyArn",),
    FLEXIBLE: ("network.delegatedSubnetResourceId", "dataEncryption.primaryUserAssignedIdentityId"),
    CLOUD_SQL: ("settings.ipConfiguration.privateNetwork",),
    TUNNEL: ("router",),
    "gcp:compute/regionTargetHttpsProxy:RegionTargetHttpsProxy": ("sslPolicy",),
    "gcp:compute/targetHttpsProxy:TargetHttpsProxy": ("sslPolicy",),
    "aws:route53/record:Record": ("records",),
    "azure-native:resources:Deployment": ("properties.template.resources",),
    "azure-native:trafficmanager:Endpoint": ("target",),
    "gcp:dns/recordSet:RecordSet": ("routingPolicy", "rrdatas"),
}
"""What cannot be read in a preview when ids of other resources stand in it: documents as one text, variables, identities, networks,
addresses. Whatever a rule takes unknown and is no key stands here."""

MAKES_SECRETS = frozenset(
    {
        "aws:iam/accessKey:AccessKey",
        "aws:secretsmanager/secretVersion:SecretVersion",
        "azure-native:keyvault:Secret",
        "gcp:secretmanager/regionalSecretVersion:RegionalSecretVersion",
        "gcp:secretmanager/secretVersion:SecretVersion",
        "gcp:serviceaccount/key:Key",
        "random:index/randomBytes:RandomBytes",
        "random:index/randomPassword:RandomPassword",
        "random:index/randomString:RandomString",
        "tls:index/privateKey:PrivateKey",
    }
)


def unknown_has_a_source(resources: tuple[Resource, ...], facts: Facts) -> Iterator[Finding]:
    """What a rule cannot read in a preview is computed from resources of this stack, and from none that makes secrets."""
    kinds = {one.urn: one.type for one in resources}
    for one, path in _not_known(resources):
        sources = [kinds.get(urn) for urn in one.sources(path)]
        if not sources:
            yield one.finding(f"{path} is not known yet and computed from nothing that can be told; write it down")
        elif None in sources:
            yield one.finding(f"{path} is not known yet and computed from something outside this stack; write it down")
        elif secrets := sorted(kind for kind in sources if kind in MAKES_SECRETS):
            yield one.finding(f"{path} is computed from {', '.join(secrets)}; name the place of a secret instead")


def unknown_until_made(resources: tuple[Resource, ...], facts: Facts) -> Iterator[Finding]:
    """Whoever reads a preview hears which rules have not seen what they ask about. The update asks them again, before it is made."""
    for one, path in _not_known(resources):
        yield one.finding(f"{path} is not known in this preview; the update looks at it before it makes this resource")


def _not_known(resources: tuple[Resource, ...]) -> Iterator[tuple[Resource, str]]:
    for one in resources:
        for path in DEFERRED.get(one.type, ()):
            value = one.at(path)
            if value is UNKNOWN or (isinstance(value, list | Mapping) and _holds_unknown(value)):
                yield one, path


def _holds_unknown(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_unknown(inner) for inner in value.values())
    if isinstance(value, list | tuple):
        return any(_holds_unknown(inner) for inner in value)
    return value is UNKNOWN
