"""Who is believed, for whom the proof was made out, and what follows from it."""

from typing import Any

import pytest

from infra.components.aws.identities import LAYERS
from infra.components.control import aws_permissions, azure_permissions, gcp_permissions
from infra.components.edge.zone import Plan
from infra.services import CONTROL_IMAGES, DATABASES
from tests.infra.answers_control import ISSUER
from tests.infra.answers_gcp import NUMBERS
from tests.infra.controls import STACKS, document, settings
from tests.infra.recording import Recording, recorded

ROLE, POLICY = "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"
FEDERATED = "azure-native:managedidentity:FederatedIdentityCredential"
IDENTITY = "azure-native:managedidentity:UserAssignedIdentity"
ASSIGNMENT, DEFINITION = "azure-native:authorization:RoleAssignment", "azure-native:authorization:RoleDefinition"
PROVIDER = "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider"
MEMBER, CUSTOM = "gcp:serviceaccount/iAMMember:IAMMember", "gcp:projects/iAMCustomRole:IAMCustomRole"
WRAPS = "e147488a-f6f5-4113-8e2d-b22465e65bf6"

BEHIND = {"controller": "control", "vault": "vault"}
"""Who comes as whom: the node as a controller, the site's vault as a vault."""


def beside(stack: str, role: str) -> Recording:
    """Another stack of the same environment."""
    return recorded(f"{stack.partition('-')[0]}-{role}")


def prefix(stack: str) -> str:
    """What names begin with there."""
    return f"trimaran-{stack.partition('-')[0]}"


def policy(recording: Recording, name: str) -> dict[frozenset[str], Any]:
    """What a role allows: actions, and on what."""
    statements = document(recording.one(POLICY, name), "policy")
    assert all(one["Effect"] == "Allow" for one in statements)
    return {frozenset(one["Action"]): one["Resource"] for one in statements}


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("purpose", BEHIND)
def test_aws_believes_one_identity_of_azure_and_one_account_of_google(stack: str, purpose: str) -> None:
    """Each with the audience that is this environment's own."""
    given, recording = settings(stack), recorded(stack)
    tenant, name = given.accounts.azure.tenant, BEHIND[purpose]
    azure, google = document(recording.one(ROLE, f"control-aws-{purpose}"), "assumeRolePolicy")
    assert azure["Principal"]["Federated"].endswith(f":oidc-provider/sts.windows.net/{tenant}/")
    assert azure["Condition"] == {
        "StringEquals": {
            f"sts.windows.net/{tenant}/:aud": f"api://{tenant}/{prefix(stack)}-clouds",
            f"sts.windows.net/{tenant}/:sub": f"principal-of-{prefix(stack)}-{name}",
        }
    }
    assert google["Principal"] == {"Federated": "accounts.google.com"}
    assert google["Condition"] == {
        "StringEquals": {
            "accounts.google.com:oaud": f"{prefix(stack)}-clouds",
            "accounts.google.com:sub": NUMBERS[name],
        }
    }
    assert azure["Action"] == google["Action"] == ["sts:AssumeRoleWithWebIdentity"]


@pytest.mark.parametrize("stack", STACKS)
def test_azure_believes_one_role_of_aws_and_one_account_of_google_for_each(stack: str) -> None:
    """Four credentials; Azure takes one at a time for each identity."""
    account, recording = settings(stack).accounts.aws.account, recorded(stack)
    told = {
        (one.inputs["resourceName"], one.inputs["issuer"], one.inputs["subject"], *one.inputs["audiences"])
        for one in recording.of_type(FEDERATED)
    }
    identities = {"controller": f"{prefix(stack)}-controller", "vault": f"{prefix(stack)}-vault-elsewhere"}
    assert told == {
        (identities[purpose], issuer, subject, "api://AzureADTokenExchange")
        for purpose, name in BEHIND.items()
        for issuer, subject in (
            (ISSUER, f"arn:aws:iam::{account}:role/{prefix(stack)}-{name}"),
            ("https://accounts.google.com", NUMBERS[name]),
        )
    }
    for purpose in BEHIND:
        first, second = (recording.one(FEDERATED, f"control-azure-{purpose}-from-{cloud}") for cloud in ("aws", "gcp"))
        assert first.urn in second.dependencies


@pytest.mark.parametrize("stack", STACKS)
def test_google_lets_into_its_pool_whom_it_names(stack: str) -> None:
    """Two roles of one account of AWS's, two identities of one directory of Azure's."""
    given, recording = settings(stack), recorded(stack)
    aws, azure = recording.one(PROVIDER, "control-gcp-from-aws").inputs, recording.one(PROVIDER, "control-gcp-from-azure").inputs
    assert aws["aws"] == {"accountId": given.accounts.aws.account}
    assert aws["attributeMapping"]["attribute.aws_role"] == "assertion.arn.extract('assumed-role/{role}/')"
    assert aws["attributeCondition"] == f"attribute.aws_role in ['{prefix(stack)}-control', '{prefix(stack)}-vault']"
    tenant = given.accounts.azure.tenant
    assert azure["oidc"] == {
        "issuerUri": f"https://sts.windows.net/{tenant}/",
        "allowedAudiences": [f"api://{tenant}/{prefix(stack)}-clouds"],
    }
    principals = f"'principal-of-{prefix(stack)}-control', 'principal-of-{prefix(stack)}-vault'"
    assert azure["attributeCondition"] == f"assertion.sub in [{principals}]"


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("purpose", BEHIND)
def test_in_the_pool_nobody_is_everybody(stack: str, purpose: str) -> None:
    """A vault that came in is no controller."""
    recording, name = recorded(stack), BEHIND[purpose]
    members = {
        cloud: recording.one(MEMBER, f"control-gcp-{purpose}-from-{cloud}")
        .inputs["member"]
        .partition("/workloadIdentityPools/")[2]
        for cloud in ("aws", "azure")
    }
    pool = f"{prefix(stack)}-clouds"
    assert members == {
        "aws": f"{pool}/attribute.aws_role/{prefix(stack)}-{name}",
        "azure": f"{pool}/subject/principal-of-{prefix(stack)}-{name}",
    }
    pooled = [one for one in recording.of_type(MEMBER) if "workloadIdentityPools" in one.inputs["member"]]
    assert len(pooled) == 2 * len(BEHIND) and all(one.inputs["role"] == "roles/iam.workloadIdentityUser" for one in pooled)


@pytest.mark.parametrize("stack", STACKS)
def test_who_is_named_is_who_the_sites_made(stack: str) -> None:
    """A vault that is called otherwise at its site would be believed by nobody, and found out when two clouds are gone."""
    vault, control = f"{prefix(stack)}-vault", f"{prefix(stack)}-control"
    assert any(one.inputs["name"] == vault for one in beside(stack, "aws").of_type(ROLE))
    identities = {one.inputs["resourceName"] for one in beside(stack, "azure").of_type(IDENTITY)}
    accounts = {one.inputs["accountId"] for one in beside(stack, "gcp").of_type("gcp:serviceaccount/account:Account")}
    assert {vault, control} <= identities & accounts
    assert recorded(stack).one(ROLE, "control-aws-node-role").inputs["name"] == control


@pytest.mark.parametrize("stack", STACKS)
def test_on_aws_each_may_what_is_listed_and_only_here(stack: str) -> None:
    """One zone, one cluster, two servers; a vault has one key and nothing else."""
    given, recording = settings(stack), recorded(stack)
    account, region = given.accounts.aws.account, given.topology.aws
    site, edge = beside(stack, "aws").outputs, beside(stack, "edge").outputs
    allowed = policy(recording, "control-aws-controller")
    assert frozenset().union(*allowed) == set(aws_permissions.CONTROLLER)
    assert allowed == {
        frozenset({"route53:ChangeResourceRecordSets", "route53:ListResourceRecordSets"}): (
            f"arn:aws:route53:::hostedzone/{edge['route53_zone']}"
        ),
        frozenset({"route53:GetChange"}): "arn:aws:route53:::change/*",
        frozenset({"ecs:DescribeServices", "ecs:UpdateService"}): (f"arn:aws:ecs:{region}:{account}:service/{site['cluster']}/*"),
        frozenset({"rds:DescribeDBInstances", "rds:DescribePendingMaintenanceActions"}): [
            f"arn:aws:rds:{region}:{account}:db:{site['database_servers'][one]}" for one in DATABASES
        ],
        frozenset({"cloudwatch:GetMetricStatistics"}): "*",
    }
    assert policy(recording, "control-aws-vault") == {frozenset(aws_permissions.VAULT): site["wrapping_key"]}


@pytest.mark.parametrize("stack", STACKS)
def test_the_node_on_aws_may_what_a_controller_may_and_say_who_it_is(stack: str) -> None:
    """To Azure, and to nobody else."""
    recording = recorded(stack)
    controller, node = policy(recording, "control-aws-controller"), policy(recording, "control-aws-node-role")
    told = {frozenset({"secretsmanager:GetSecretValue"}), frozenset({"kms:Decrypt"})}
    fetched = {frozenset({"ecr:GetAuthorizationToken"}), frozenset(LAYERS)}
    proofs = {frozenset({"sts:GetWebIdentityToken"}), frozenset(aws_permissions.SESSION_MANAGER)}
    assert set(node) - set(controller) == told | fetched | proofs
    assert {actions: node[actions] for actions in controller} == controller
    statements = document(recording.one(POLICY, "control-aws-node-role"), "policy")
    (proof,) = (one for one in statements if one["Action"] == ["sts:GetWebIdentityToken"])
    assert proof["Condition"] == {
        "ForAllValues:StringEquals": {"sts:IdentityTokenAudience": ["api://AzureADTokenExchange"]},
        "Null": {"sts:IdentityTokenAudience": "false"},
    }


@pytest.mark.parametrize("stack", STACKS)
def test_the_node_on_aws_reads_what_it_is_told_and_nothing_that_a_service_is(stack: str) -> None:
    """On Azure and Google the site says so, as for services."""
    site, node = beside(stack, "aws").outputs, policy(recorded(stack), "control-aws-node-role")
    read = node[frozenset({"secretsmanager:GetSecretValue"})]
    assert sorted(read) == sorted(arn for name, arn in site["secrets"].items() if name.startswith("control/")) and read
    assert node[frozenset({"kms:Decrypt"})] == site["disk_key"]
    statements = document(recorded(stack).one(POLICY, "control-aws-node-role"), "policy")
    (opens,) = (one for one in statements if one["Action"] == ["kms:Decrypt"])
    region = settings(stack).topology.aws
    assert opens["Condition"] == {"StringEquals": {"kms:ViaService": f"secretsmanager.{region}.amazonaws.com"}}


@pytest.mark.parametrize("stack", STACKS)
def test_the_node_on_aws_reads_images_of_its_own_and_no_services(stack: str) -> None:
    """Of the repositories that the site has for it; a token for the registry is not one of a repository's own."""
    given, node = settings(stack), policy(recorded(stack), "control-aws-node-role")
    assert node[frozenset({"ecr:GetAuthorizationToken"})] == "*"
    made = {one.inputs["name"] for one in beside(stack, "aws").of_type("aws:ecr/repository:Repository")}
    read = {arn.partition(":repository/")[2] for arn in node[frozenset(LAYERS)]}
    assert read == {f"trimaran/{one}" for one in CONTROL_IMAGES} < made
    account, region = given.accounts.aws.account, given.topology.aws
    assert all(arn.startswith(f"arn:aws:ecr:{region}:{account}:repository/") for arn in node[frozenset(LAYERS)])


@pytest.mark.parametrize("stack", STACKS)
def test_on_azure_each_may_what_is_listed_and_only_here(stack: str) -> None:
    """By role, by place, by who: nothing beyond the site's group, and no vault is a controller."""
    recording, site, edge = recorded(stack), beside(stack, "azure").outputs, beside(stack, "edge").outputs
    given = settings(stack)
    subscription = f"/subscriptions/{given.accounts.azure.subscription}"
    group = f"{subscription}/resourceGroups/{site['group']}"
    profile = f"{group}/providers/Microsoft.Network/trafficManagerProfiles/{Plan(domain=given.domain).profile}"
    assert edge["azure_group"] == site["group"]
    on = azure_permissions.On
    places = {
        on.GROUP: [group],
        on.SERVER: [site["database_servers"][one] for one in DATABASES],
        on.PROFILE: [profile],
        on.ZONE: [edge["azure_zone_id"]],
    }
    roles = {one: recording.one(DEFINITION, f"control-azure-{one}").inputs for one in on}
    assert {one: role["permissions"][0]["actions"] for one, role in roles.items()} == {
        one: list(azure_permissions.actions(one)) for one in on
    }
    assert all(role["assignableScopes"] == [group] == [role["scope"]] for role in roles.values())
    assigned = {(one.inputs["principalId"], one.inputs["scope"]) for one in recording.of_type(ASSIGNMENT)}
    people = [f"principal-of-{prefix(stack)}-{who}" for who in ("control", "controller")]
    (vaults,) = {pair for pair in assigned if pair[0] not in people}
    assert assigned - {vaults} == {(who, scope) for scopes in places.values() for scope in scopes for who in people}
    assert vaults[0] == f"principal-of-{prefix(stack)}-vault-elsewhere"


@pytest.mark.parametrize("stack", STACKS)
def test_on_azure_vaults_from_elsewhere_wrap_with_the_key_of_the_site(stack: str) -> None:
    """With that one of the vault, and with no other."""
    recording, site = recorded(stack), beside(stack, "azure")
    one = recording.one(ASSIGNMENT, "control-azure-vault-wraps").inputs
    (key,) = (
        key.inputs for key in site.of_type("azure-native:keyvault:Key") if key.outputs["keyUri"] == site.outputs["wrapping_key"]
    )
    assert one["scope"].endswith(f"/providers/Microsoft.KeyVault/vaults/{key['vaultName']}/keys/{key['keyName']}")
    assert one["scope"].startswith(f"/subscriptions/{settings(stack).accounts.azure.subscription}/resourceGroups/")
    assert one["roleDefinitionId"].endswith(f"/{WRAPS}")


@pytest.mark.parametrize("stack", STACKS)
def test_on_google_each_may_what_is_listed_and_only_here(stack: str) -> None:
    """Of roles of our own: each of Google's own may more."""
    recording, site, edge = recorded(stack), beside(stack, "gcp").outputs, beside(stack, "edge").outputs
    roles = {one.outputs["name"]: one.inputs["permissions"] for one in recording.of_type(CUSTOM)}
    on, listed = gcp_permissions.On, gcp_permissions.permissions
    project = settings(stack).accounts.gcp.project
    zone, whole, runners, wraps = (
        f"projects/{project}/roles/{prefix(stack).replace('-', '_')}_control_{one}"
        for one in ("zone", "site", "runners", "wraps")
    )
    assert roles == {
        zone: list(listed(gcp_permissions.CONTROLLER, on.ZONE)),
        whole: list(listed(gcp_permissions.CONTROLLER, on.PROJECT)),
        runners: ["iam.serviceAccounts.actAs"],
        wraps: list(listed(gcp_permissions.VAULT, on.WRAPPING_KEY)),
    }
    people = {site["control_guard"], recording.outputs["roles"]["gcp"]}
    members = {f"serviceAccount:{one}" for one in people}
    zones = recording.of_type("gcp:dns/dnsManagedZoneIamMember:DnsManagedZoneIamMember")
    assert {(one.inputs["managedZone"], one.inputs["role"], one.inputs["member"]) for one in zones} == {
        (edge["clouddns_zone"], zone, member) for member in members
    }
    projects = recording.of_type("gcp:projects/iAMMember:IAMMember")
    assert {(one.inputs["project"], one.inputs["role"], one.inputs["member"]) for one in projects} == {
        (project, whole, member) for member in members
    }
    (key,) = recording.of_type("gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember")
    vault = f"serviceAccount:{recording.outputs['vault_roles']['gcp']}"
    assert (key.inputs["cryptoKeyId"], key.inputs["role"], key.inputs["member"]) == (site["wrapping_key"], wraps, vault)


@pytest.mark.parametrize("stack", STACKS)
def test_on_google_controllers_act_as_what_runs_as_a_service_and_as_nobody_else(stack: str) -> None:
    """Google asks for it of whoever changes a service. Webhooks run as a pool, whose number no controller changes."""
    recording, site = recorded(stack), beside(stack, "gcp")
    project = settings(stack).accounts.gcp.project
    granted = {
        (one.inputs["serviceAccountId"].rpartition("/")[2].partition("@")[0], one.inputs["member"])
        for one in recording.of_type(MEMBER)
        if one.inputs["role"].endswith("_control_runners")
    }
    members = {f"serviceAccount:{one}" for one in (site.outputs["control_guard"], recording.outputs["roles"]["gcp"])}
    services = {f"{prefix(stack)}-{one}" for one in ("payments", "vault", "screening", "edge")}
    assert granted == {(service, member) for service in services for member in members}
    assert services <= {one.inputs["accountId"] for one in site.of_type("gcp:serviceaccount/account:Account")}
    ids = {one.inputs["serviceAccountId"] for one in recording.of_type(MEMBER) if "_runners" in one.inputs["role"]}
    assert ids == {f"projects/{project}/serviceAccounts/{one}@{project}.iam.gserviceaccount.com" for one in services}


@pytest.mark.parametrize("stack", STACKS)
def test_two_environments_do_not_believe_each_other(stack: str) -> None:
    """Whoever has a proof of the trial has none for what earns the money."""
    other = {"dev-control": "trimaran-prod", "prod-control": "trimaran-dev"}[stack]
    kinds = (ROLE, POLICY, FEDERATED, PROVIDER, MEMBER, ASSIGNMENT)
    assert not [one.name for kind in kinds for one in recorded(stack).of_type(kind) if other in str(dict(one.inputs))]
