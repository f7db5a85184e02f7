"""IAM's documents: who may do what with what, and when."""

from collections.abc import Mapping, Sequence

import pulumi

Values = pulumi.Input[str] | Sequence[pulumi.Input[str]]
Conditions = Mapping[str, Mapping[str, Values]]
"""By operator, by key."""
Principal = Mapping[str, Values] | str
Statement = Mapping[str, object]


def document(*statements: Statement) -> pulumi.Output[str]:
    """As IAM reads it."""
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(*actions: str, on: Values, to: Principal | None = None, when: Conditions | None = None) -> Statement:
    """`to`: in documents that hang at a resource, who; a role's own documents name nobody."""
    return _statement("Allow", actions, on, to, when)


def deny(*actions: str, on: Values, to: Principal | None = None, when: Conditions | None = None) -> Statement:
    """The same, refused whatever else is allowed."""
    return _statement("Deny", actions, on, to, when)


def service(name: str) -> Principal:
    """One of AWS's own services, `logs.eu-central-1` say."""
    return {"Service": f"{name}.amazonaws.com"}


def account_of(account: str) -> Principal:
    """The account itself: whether a key may be used is then told by the roles' own documents."""
    return {"AWS": f"arn:aws:iam::{account}:root"}


def trust(name: str, account: str) -> pulumi.Output[str]:
    """That service may act as the role, for this account and for no other: with the name of the service alone it could be talked into
    acting for somebody else's."""
    to = service(name)
    return document(
        {
            "Effect": "Allow",
            "Action": ["sts:AssumeRole"],
            "Principal": to,
            "Condition": {"StringEquals": {"aws:SourceAccount": account}},
        }
    )


def _statement(effect: str, actions: Sequence[str], on: Values, to: Principal | None, when: Conditions | None) -> Statement:
    told: dict[str, object] = {"Effect": effect, "Action": list(actions), "Resource": on}
    if to is not None:
        told["Principal"] = to
    if when is not None:
        told["Condition"] = when
    return told
