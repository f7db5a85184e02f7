"""Logs: kept for more than a year, closed with a key of ours."""

import pulumi
import pulumi_aws as aws

RETENTION_DAYS = 400
"""A year and a month, so that an auditor who comes after the year finds all of it."""


def log_group(name: str, path: str, key: pulumi.Input[str], parent: pulumi.Resource) -> aws.cloudwatch.LogGroup:
    """One that neither Pulumi nor anybody else removes by mistake."""
    return aws.cloudwatch.LogGroup(
        name,
        name=path,
        retention_in_days=RETENTION_DAYS,
        kms_key_id=key,
        deletion_protection_enabled=True,
        opts=pulumi.ResourceOptions(parent=parent, protect=True),
    )
