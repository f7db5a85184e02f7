"""What clouds make up when something is made: every cloud's own answers, put together. And what they tell before."""

from collections.abc import Callable, Mapping
from typing import Any

from pulumi.output import UNKNOWN

from tests.infra import answers_aws, answers_azure, answers_control, answers_gcp, answers_mesh

Answer = Callable[[str, Mapping[str, Any]], tuple[str, Mapping[str, Any]]]
"""Given a resource's name and inputs: its id, and the outputs that its inputs do not tell."""

ANSWERS: Mapping[str, Answer] = {
    **answers_aws.ANSWERS,
    **answers_azure.ANSWERS,
    **answers_gcp.ANSWERS,
    **answers_mesh.ANSWERS,
    **answers_control.ANSWERS,
}
"""By token. What is missing here is given an id, and its inputs back."""

CALLS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    **answers_aws.CALLS,
    **answers_azure.CALLS,
    **answers_gcp.CALLS,
}
"""By token of a question that changes nothing."""


def planned(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What is told in a preview: what was asked for.

    Azure is asked for identities as a list and tells a mapping, in which everything is made up; the SDK takes nothing else.
    """
    identity = asked.get("identity")
    if isinstance(identity, Mapping) and isinstance(identity.get("userAssignedIdentities"), list):
        return {**asked, "identity": {**identity, "userAssignedIdentities": UNKNOWN}}
    return dict(asked)
