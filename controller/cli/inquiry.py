"""Asks the controllers, each with a deadline, and takes the best answer; a dead one costs at most that deadline."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from controller.cli.context import START_THE_LAB, Context
from controller.cli.exits import Ended, Exit

DEADLINE = 1.0
"""Seconds for one controller to answer."""

ASK_DEADLINE = 2.0
"""Seconds for a wish to be in etcd: longer than a controller tries."""

PAGE_DEADLINE = 15.0
"""Seconds for a part of the journal: a controller that has just started reads all of it first."""

Document = dict[str, Any]


class AnswerLost(Exception):
    """A wish was sent, and whether it waits in etcd nobody said."""


class Unanswered(Exception):
    """One controller did not answer, or not with what was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    path: str
    query: Mapping[str, str | int] = field(default_factory=dict)
    body: Mapping[str, object] | None = None
    """None: nothing is changed by it."""
    deadline: float = DEADLINE


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    site: str
    status: int
    document: Document

    @property
    def told(self) -> str:
        """Why it is no success."""
        return str(self.document.get("detail", self.status))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Silence:
    said: str
    sent: bool
    """The question may have arrived all the same."""


class Inquiry:
    """One command's way to the controllers."""

    def __init__(self, context: Context, http: aiohttp.ClientSession) -> None:
        self.context, self._http = context, http
        self.doing = f"asking {', '.join(context.controllers)}"
        """What there is to say to somebody who waits; empty: somebody else speaks."""
        self._freshest: str | None = None

    async def status(self) -> Document:
        """The freshest status: the first one that is not stale, else the one with the youngest tick. Raises Ended."""
        best: Document | None = None
        async with aclosing(self._answers(_Question(path="status"))) as answers:
            async for answer in answers:
                if best is None or answer.document["tick_age_s"] < best["tick_age_s"]:
                    best, self._freshest = answer.document, answer.site
                if not answer.document["stale"]:
                    break
        if best is None:
            raise LookupError("answers end with Ended when there is none")
        return best

    async def first(self, path: str, **query: str | int) -> Document:
        """The first answer of all controllers. Raises Ended."""
        return await self._first(_Question(path=path, query=query))

    async def freshest(self, path: str, **query: str | int) -> Document:
        """The answer of the one controller that knows best, for questions that cost it something. Raises Ended."""
        question = _Question(path=path, query=query, deadline=PAGE_DEADLINE)
        useless: list[_Answer | _Silence] = []
        for _ in self.context.controllers:
            if self._freshest is None:
                await self.status()
            assert self._freshest is not None, "a status has an author"
            answer = await self._one(self._freshest, question)
            if isinstance(answer, _Answer) and answer.status < 300:
                return answer.document
            useless.append(answer)
            self._freshest = None
        raise _ended(self.context, useless)

    async def of(self, site: str, path: str, **query: str | int) -> Document:
        """What one controller says, and no other could say for it. Raises Unanswered."""
        answer = await self._one(site, _Question(path=path, query=query, deadline=PAGE_DEADLINE))
        if isinstance(answer, _Answer) and answer.status < 300:
            return answer.document
        raise Unanswered(answer.told if isinstance(answer, _Answer) else answer.said)

    async def ask(self, body: Mapping[str, object]) -> Document:
        """Leave a wish with whoever takes it first; all are asked, since the same id is the same wish.

        Raises Ended when nothing was asked for certain, AnswerLost when that is not certain.
        """
        return await self._first(_Question(path="requests", body=body, deadline=ASK_DEADLINE))

    async def _first(self, question: _Question) -> Document:
        async with aclosing(self._answers(question)) as answers:
            return (await anext(answers)).document

    async def _answers(self, question: _Question) -> AsyncGenerator[_Answer, None]:
        """Every usable answer as it comes in; Ended or AnswerLost when there is none."""
        tasks = [asyncio.create_task(self._one(site, question)) for site in self.context.controllers]
        useless: list[_Answer | _Silence] = []
        usable = False
        try:
            for task in asyncio.as_completed(tasks):
                answer = await task
                if isinstance(answer, _Answer) and answer.status < 300:
                    usable = True
                    yield answer
                else:
                    useless.append(answer)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if usable:
            return
        if question.body is not None and (lost := _lost(useless)):
            raise AnswerLost(lost)
        raise _ended(self.context, useless)

    async def _one(self, site: str, question: _Question) -> _Answer | _Silence:
        """One controller's answer, or what came instead of it."""
        url = f"{self.context.controllers[site]}/v1/services/{self.context.service}/{question.path}"
        method = "GET" if question.body is None else "POST"
        headers = {"Authorization": f"Bearer {self.context.token}"} if self.context.token else {}
        try:
            async with (
                asyncio.timeout(question.deadline),
                self._http.request(method, url, params=question.query, json=question.body, headers=headers) as response,
            ):
                return _Answer(site=site, status=response.status, document=json.loads(await response.read()))
        except TimeoutError:
            return _Silence(said=f"{site}: no answer within {question.deadline:g} s", sent=True)
        except aiohttp.ClientConnectorError as error:
            return _Silence(said=f"{site}: {error}", sent=False)
        except (aiohttp.ClientError, OSError) as error:
            return _Silence(said=f"{site}: {error}", sent=True)
        except ValueError:
            return _Silence(said=f"{site}: {url} is no controller", sent=True)


@asynccontextmanager
async def inquiry(context: Context) -> AsyncIterator[Inquiry]:
    """A way to the controllers for the length of one command."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as http:
        yield Inquiry(context, http)


def _lost(useless: list[_Answer | _Silence]) -> str:
    """Who may have taken the wish without saying so; empty when nobody can have. What one controller finds wrong with the wish
    itself, the others find too."""
    if any(isinstance(one, _Answer) and 400 <= one.status < 500 and one.status != 429 for one in useless):
        return ""
    silent = [one.said for one in useless if isinstance(one, _Silence) and one.sent]
    unsure = [
        f"{one.site}: {one.told}"
        for one in useless
        if isinstance(one, _Answer) and str(one.document.get("type", "")).endswith("/outcome-unknown")
    ]
    return "; ".join((*unsure, *silent))


def _ended(context: Context, useless: list[_Answer | _Silence]) -> Ended:
    """How the command ends when nobody gave a usable answer; somebody who understood the question knows best."""
    answers = [answer for answer in useless if isinstance(answer, _Answer)]
    for answer in answers:
        if 400 <= answer.status < 500:
            return Ended(Exit.REFUSED if answer.status == 429 else Exit.USAGE, answer.told)
    if answers:
        said = "; ".join(f"{answer.site}: {answer.told}" for answer in answers)
        return Ended(Exit.NOBODY, f"no controller can answer now: {said}")
    asked = ", ".join(f"{site} ({url})" for site, url in context.controllers.items())
    return Ended(Exit.NOBODY, f"no controller answers; asked {asked}. {START_THE_LAB}")
