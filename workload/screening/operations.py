"""All that may be asked of screening, with the scope that it needs."""

from workload.access.operations import Operation

SCORE = "screening:score"

OPERATIONS = (Operation(method="POST", path="/v1/scores", scope=SCORE),)
