"""Container Apps, emulated: a document per app, checked where the floor of replicas is concerned.

Source: Azure Container Apps REST API, "Container Apps - Update": a merge patch, 202 with `Location` until the new revision is there.
"""

from copy import deepcopy

from lab.clouds.azure_arm import Answer, ArmError, Document, Question, Resources, merged, refuse

APP = "Microsoft.App/containerApps"
MOST = 1000
DEFAULT_MOST = 10
"""Maximum of replicas when the app names none."""


class ContainerApps:
    """Container apps."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def answer(self, asked: Question) -> Answer:
        """Carry one request out. Raises ArmError."""
        if len(asked.types) > 1:
            raise ArmError(404, "InvalidResourceType", f"{asked.path} is not emulated")
        if asked.collection:
            return Answer(body={"value": list(self._resources.under(asked.path))})
        match asked.method:
            case "GET":
                return Answer(body=self._resources.get(asked.path))
            case "PUT":
                known = self._resources.find(asked.path)
                return Answer(status=200 if known else 201, body=self._write(asked, deepcopy(asked.body)))
            case "PATCH":
                written = self._write(asked, merged(self._resources.get(asked.path), asked.body))
                return Answer(
                    status=202, headers={"Location": f"{asked.origin}{written['id']}?api-version=x", "Retry-After": "1"}
                )
            case "DELETE":
                return Answer(status=200 if self._resources.delete(asked.path) else 204)
        raise ArmError(405, "MethodNotAllowed", f"{asked.method} {asked.path}")

    def _write(self, asked: Question, document: Document) -> Document:
        check_scale(document)
        document["type"] = APP
        document["properties"]["provisioningState"] = "Succeeded"
        return self._resources.put(asked, document)


def check_scale(app: Document) -> None:
    """Raise ArmError for a floor that Container Apps refuses."""
    template = app.setdefault("properties", {}).get("template") or {}
    scale = template.get("scale") or {}
    least, most = scale.get("minReplicas") or 0, scale.get("maxReplicas") or DEFAULT_MOST
    if not isinstance(least, int) or not isinstance(most, int) or not 0 <= least <= most <= MOST or most < 1:
        raise refuse(
            f"minReplicas {least} and maxReplicas {most}: whole numbers, 0 <= minReplicas <= maxReplicas <= {MOST}.",
            "ContainerAppInvalidScaleSpec",
        )
    if not template.get("containers"):
        raise refuse("An app needs at least one container.", "ContainerAppContainersRequired")
