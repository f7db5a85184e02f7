"""Asks all controllers at once, each with a deadline, and takes the best answer; a dead one costs at most that deadline."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from controller.cli.context import START_THE_LAB, Context
from controller.cli.exits import Ended, Exit

DEADLINE = 1.0
"""Seconds for one controller to answer."""

ASK_DEADLINE = 2.0
"""Seconds for a wish to be in etcd: longer than a controller tries."""

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    site: str
    status: int
    document: Document


class Inquiry:
    """One command's way to the controllers."""

    def __init__(self, context: Context, http: aiohttp.ClientSession) -> None:
        self.context, self._http = context, http

    async def status(self) -> Document:
        """The freshest status: the first one that is not stale, else the one with the youngest tick. Raises Ended."""
        best: Document | None = None
        async with aclosing(self._answers("GET", "status")) as answers:
            async for document in answers:
                if best is None or document["tick_age_s"] < best["tick_age_s"]:
                    best = document
                if not document["stale"]:
                    break
        if best is None:
            raise LookupError("answers end with Ended when there is none")
        return best

    async def first(self, path: str, **query: str | int) -> Document:
        """The first answer. Raises Ended."""
        async with aclosing(self._answers("GET", path, query=query)) as answers:
            return await anext(answers)

    async def ask(self, body: Mapping[str, object]) -> Document:
        """Leave a wish with whoever takes it first; all are asked, since the same id is the same wish. Raises Ended."""
        async with aclosing(self._answers("POST", "requests", body=body, deadline=ASK_DEADLINE)) as answers:
            return await anext(answers)

    async def _answers(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, object] | None = None,
        deadline: float = DEADLINE,
    ) -> AsyncGenerator[Document, None]:
        """Every usable answer as it comes in; Ended when there is none."""
        tasks = [
            asyncio.create_task(
                self._one(site, method, f"{url}/v1/services/{self.context.service}/{path}", query, body, deadline)
            )
            for site, url in self.context.controllers.items()
        ]
        useless: list[_Answer | str] = []
        usable = False
        try:
            for task in asyncio.as_completed(tasks):
                answer = await task
                if isinstance(answer, _Answer) and answer.status < 300:
                    usable = True
                    yield answer.document
                else:
                    useless.append(answer)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if not usable:
            raise _ended(self.context, useless)

    async def _one(
        self,
        site: str,
        method: str,
        url: str,
        query: Mapping[str, str | int] | None,
        body: Mapping[str, object] | None,
        deadline: float,
    ) -> _Answer | str:
        """One controller's answer, or what came instead of it."""
        try:
            async with asyncio.timeout(deadline), self._http.request(method, url, params=query, json=body) as response:
                return _Answer(site=site, status=response.status, document=json.loads(await response.read()))
        except TimeoutError:
            return f"{site}: no answer within {deadline:g} s"
        except (aiohttp.ClientError, OSError) as error:
            return f"{site}: {error}"
        except ValueError:
            return f"{site}: {url} is no controller"


@asynccontextmanager
async def inquiry(context: Context) -> AsyncIterator[Inquiry]:
    """A way to the controllers for the length of one command."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as http:
        yield Inquiry(context, http)


def _ended(context: Context, useless: list[_Answer | str]) -> Ended:
    """How the command ends when nobody gave a usable answer; somebody who understood the question knows best."""
    answers = [answer for answer in useless if isinstance(answer, _Answer)]
    for answer in answers:
        if 400 <= answer.status < 500:
            return Ended(Exit.USAGE, str(answer.document.get("detail", answer.status)))
    if answers:
        said = "; ".join(f"{answer.site}: {answer.document.get('detail', answer.status)}" for answer in answers)
        return Ended(Exit.NOBODY, f"no controller can answer now: {said}")
    asked = ", ".join(f"{site} ({url})" for site, url in context.controllers.items())
    return Ended(Exit.NOBODY, f"no controller answers; asked {asked}. {START_THE_LAB}")
