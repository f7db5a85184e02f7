"""Floors of Cloud Run services: `ports.Capacity`.

The service's own minimum is raised, not its template's: that one would make a new revision, so a floor raised in the middle of a
failover would roll out a release, and could fail as one. Source: Cloud Run Admin API v2, ServiceScaling (the service's minimum is shared
out among the revisions that serve), RevisionScaling, services.patch with `etag`; Cloud Run documentation, "Set minimum instances".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from controller.core.model import Site
from controller.errors import Unsupported
from controller.ports import Raised
from controller.providers.gcp.errors import Missing
from controller.providers.gcp.session import Api, Client, end_of, persist


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """What a service says about its floor."""

    field: str
    """Which of the service's own numbers holds it."""
    own: int
    effective: int
    """The higher one of the service's own minimum and its template's."""
    etag: str


class CloudRun:
    """The services of one project and region."""

    def __init__(
        self,
        *,
        client: Callable[[], Client],
        site: Site,
        project: str,
        location: str,
        names: Mapping[str, str] | None = None,
        read_deadline: timedelta = timedelta(seconds=2),
    ) -> None:
        """`client` makes one for `run` `v2`, once, in a worker thread. `names`: Cloud Run's own, where they differ."""
        self._api, self._site, self._read_deadline = Api(client), site, read_deadline
        self._place, self._names = f"projects/{project}/locations/{location}/services/", dict(names or {})

    @property
    def site(self) -> Site:
        """Whose instances these are."""
        return self._site

    @property
    def calls(self) -> int:
        """Requests sent to the API so far."""
        return self._api.calls

    async def floor(self, service: str) -> int | None:
        """The present floor; None: there is no such service. Raises ProviderError."""
        try:
            return (await self._scaling(service, end_of(self._read_deadline))).effective
        except Missing:
            return None

    async def raise_floor(self, service: str, instances: int, deadline: timedelta) -> Raised:
        """Have at least so many instances. It does not wait until they run.

        Whoever changes the service in between makes the change fail (its etag), and it begins again with reading: a floor that was
        raised higher meanwhile stays. Raises as `ports.Capacity.raise_floor` says.
        """
        ends = end_of(deadline)
        before: list[int] = []

        async def attempt() -> Raised:
            scaling = await self._scaling(service, ends)
            before.append(scaling.effective)
            if scaling.effective < instances:
                await self._write(service, scaling, instances, ends)
            return Raised(before=before[0], after=max(scaling.effective, instances))

        return await persist(attempt, ends)

    async def _scaling(self, service: str, ends: float) -> Scaling:
        def question(run: Any) -> Any:
            return self._services(run).get(name=self._name(service))

        return await self._api.ask("services.get", question, ends, _scaling)

    async def _write(self, service: str, scaling: Scaling, instances: int, ends: float) -> None:
        body = {"etag": scaling.etag, "scaling": {scaling.field: instances}}

        def question(run: Any) -> Any:
            return self._services(run).patch(name=self._name(service), updateMask=f"scaling.{scaling.field}", body=body)

        await self._api.ask("services.patch", question, ends, _accepted)

    @staticmethod
    def _services(run: Any) -> Any:
        return run.projects().locations().services()

    def _name(self, service: str) -> str:
        return self._place + self._names.get(service, service)


def _scaling(answer: dict[str, Any]) -> Scaling:
    own, template = answer.get("scaling", {}), answer["template"].get("scaling", {})
    field = "manualInstanceCount" if own.get("scalingMode") == "MANUAL" else "minInstanceCount"
    present = int(own.get(field, 0))
    lowest = 0 if field == "manualInstanceCount" else int(template.get("minInstanceCount", 0))
    return Scaling(field=field, own=present, effective=max(present, lowest), etag=str(answer["etag"]))


def _accepted(answer: dict[str, Any]) -> None:
    """Raises Unsupported when the operation is over already and failed. One that is under way is accepted; nobody waits for it."""
    if not str(answer["name"]) or "error" in answer:
        raise Unsupported(f"services.patch: {answer.get('error', {}).get('message', 'no operation')}")
