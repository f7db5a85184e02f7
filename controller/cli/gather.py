"""Gathers what there is to know of a journal: from every controller its own site's copy and heads, from etcd the journal and all heads.

Copies come first and the journal last, so that a journal that goes on meanwhile has everything that a copy has.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from controller.audit.raw import Json, Raw, strictly
from controller.cli.exits import Ended, Exit
from controller.cli.inquiry import Inquiry, Unanswered

PAGE = 1000

ENTRY = "/journal/"
"""In what a controller says of an entry in etcd that it cannot read: somebody put something else there."""


async def gather(inquiry: Inquiry) -> Raw:
    """All of it. Who does not answer is said in it. Raises Ended when nobody gives the journal."""
    raw = Raw(service=inquiry.context.service, at=datetime.now(UTC))
    inquiry.doing = "reading the sites' copies"
    await asyncio.gather(*(_of(inquiry, raw, site) for site in inquiry.context.controllers))
    await _posted(inquiry, raw)
    await _journal(inquiry, raw)
    raw.recognise()
    return raw


async def _journal(inquiry: Inquiry, raw: Raw) -> None:
    """As far as it can be read. Raises Ended when nobody gives it."""
    after = 0
    while True:
        try:
            page = (await inquiry.freshest("journal", after=after, limit=PAGE))["entries"]
        except Ended as end:
            if ENTRY not in end.line:
                raise
            raw.unreadable.append(f"the journal behind entry {after}: {end.line}")
            return
        if not page:
            return
        last = page[-1].get("sequence") if isinstance(page[-1], dict) else None
        if not isinstance(last, int) or last <= after:
            raise Ended(Exit.BROKEN, f"entry {last} of the journal stands behind entry {after}")
        raw.journal += page
        after = last
        inquiry.doing = f"{after} entries read"


async def _of(inquiry: Inquiry, raw: Raw, site: str) -> None:
    """One controller's own: what its settings say, its copy, its heads. A node without a place for heads has its copy all the same."""
    try:
        said = await inquiry.of(site, "audit")
        copies: dict[tuple[str, int], list[Json]] = {}
        for branch in sorted(map(int, said.pop("branches"))):
            pages = _pages(inquiry, site, f"copy-{branch}")
            copies[site, branch] = [entry async for number, text in pages if (entry := _read(raw, site, number, text))]
    except (Unanswered, LookupError, TypeError, ValueError) as error:
        raw.silent[site] = str(error)
        return
    raw.said[site] = said
    raw.copies |= copies
    try:
        raw.heads[site] = [str(text) async for _, text in _pages(inquiry, site, "kept")]
    except (Unanswered, LookupError, TypeError, ValueError) as error:
        raw.silent[f"{site}'s heads"] = str(error)


async def _posted(inquiry: Inquiry, raw: Raw) -> None:
    """Heads and receipts in etcd, by whichever controller gives them."""
    why = {}
    for site in inquiry.context.controllers:
        if site in raw.silent:
            continue
        try:
            raw.heads["etcd"] = [str(text) async for _, text in _pages(inquiry, site, "posted")]
            raw.receipts = [str(text) async for _, text in _pages(inquiry, site, "receipts")]
        except (Unanswered, LookupError, TypeError, ValueError) as error:
            why[site] = str(error)
        else:
            return
    raw.silent["etcd's heads"] = "; ".join(why.values()) or "no controller answers"


async def _pages(inquiry: Inquiry, site: str, kind: str) -> AsyncIterator[tuple[str, str]]:
    after = ""
    while texts := (page := await inquiry.of(site, f"audit/{kind}", after=after, limit=PAGE))["texts"]:
        for name, text in texts:
            yield name, text
        if page["next"] == after:
            raise ValueError(f"{kind}: the page after {after!r} is followed by itself")
        after = page["next"]


def _read(raw: Raw, site: str, number: str, text: str) -> Json | None:
    """An entry of a copy; what is none is told, and the others are read on."""
    try:
        found: object = strictly(text)
    except ValueError as error:
        raw.unreadable.append(f"entry {number} of {site}'s copy: {error}")
        return None
    if not isinstance(found, dict):
        raw.unreadable.append(f"entry {number} of {site}'s copy: no entry")
        return None
    return found
