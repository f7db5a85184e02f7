"""A status on the terminals people have: at 80 by 24 it is one screen in an outage too, and every fact has its age."""

import io
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from controller.cli.screen import show
from controller.core.model import Role
from controller.providers.memory.managed import REPLICA
from tests.unit.core.worlds import AWS, AZURE, GCP
from tests.unit.room import Room, room
from tests.unit.test_api_readiness import asking

AGE = re.compile(r"\d+\.\d ?s|\d+ ?m(in)?")


def shown(status: Mapping[str, Any], width: int, height: int = 24) -> list[str]:
    """Its lines on a terminal of this size."""
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    show(status, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().rstrip("\n").splitlines()


async def status(given: Room) -> dict[str, Any]:
    """What aws's controller says."""
    _, told = await given.get("/v1/services/payments/status")
    assert isinstance(told, dict)
    return told


@pytest.mark.asyncio
@pytest.mark.parametrize("width", [80, 100, 111, 112, 160])
@pytest.mark.parametrize("dead", [(), (GCP,), (AZURE, GCP)])
async def test_it_is_one_screen_with_an_age_beside_every_fact(width: int, dead: tuple[Any, ...]) -> None:
    """Also with two dead sites: a table row for every site with three ages, a line for every failing part, what is blocked and why."""
    async with room() as given:
        for site in dead:
            given.kill(site)
        await given.tick(40)
        lines = shown(await status(given), width)
        assert len(lines) < 24 and max(map(len, lines)) <= width
        for site in (AWS, AZURE, GCP):
            (row,) = (line for line in lines if re.match(rf"{site} +(writer|follower) ", line))
            assert len(AGE.findall(row)) == 3 and "…" not in row, row
        for site in dead:
            for part in ("edge", "database"):
                assert len([line for line in lines if line.startswith(f"{site}/{part} failing: ")]) == 1
        assert any(line.startswith("last decision: ") for line in lines)


@pytest.mark.asyncio
async def test_on_a_tall_terminal_nothing_is_left_out() -> None:
    """Every refusal with its way out, and every voice with its own detail."""
    async with room() as given:
        given.kill(GCP)
        await given.tick(40)
        text = " ".join(shown(await status(given), 100, height=100))
        assert "…" not in text and "needs one of aws. Wait until it has grown in" in re.sub(r"\s+", " ", text)


@pytest.mark.asyncio
async def test_a_moment_this_machine_cannot_tell_is_shown_as_it_is() -> None:
    """Beyond the calendar of some time zone: one such pause would otherwise make every status a traceback, for everybody."""
    async with room() as given:
        told = await status(given)
    until = "9999-12-31T23:59:59-12:00"
    told["posture"]["pause"] = {"by": "x", "reason": "y", "since": told["at"], "until": until}
    assert f"until {until}: y" in " ".join(shown(told, 120))


@pytest.mark.asyncio
async def test_who_confirms_is_the_writers_word() -> None:
    """The must-cut set is larger than the row: a member that was taken off it confirms nothing. A silent writer makes it unknown."""
    async with room() as given:
        said = given.nodes[AZURE].said
        assert said.role is Role.WRITER
        rows = await rows_of(given)
        assert (rows["aws"], rows["gcp"], rows["azure"]) == ("no", "no", "")
        assert {AWS, GCP} <= (await given.posture()).must_cut
        given.nodes[AZURE].said = writing_for(said, "payments_e1_azure_aws")
        await given.tick(12)
        assert (await rows_of(given))["aws"] == "yes" and (await rows_of(given))["gcp"] == "no"
        given.kill(AZURE)
        for _ in range(20):
            await given.clock.advance(given.loops[AWS].interval)
        assert (await rows_of(given))["aws"] == "unknown"


@pytest.mark.asyncio
async def test_what_providers_complain_of_is_shown_and_takes_one_line_when_there_is_little_room() -> None:
    """Every warning with its way out and its age; at 80 by 24 what was seen, of all of them."""
    poor = replace(REPLICA, replica_of=None, storage_free=0.07, highly_available=False)
    async with room(providers=asking({AWS: poor})) as given:
        told = await status(given)
        tall = [line for line in shown(told, 160, height=100) if line.startswith("warning: ")]
        assert len(tall) == 2 and "Enlarge its storage." in tall[0] and AGE.search(tall[0])
        given.kill(AZURE)
        given.kill(GCP)
        await given.tick(40)
        small = shown(await status(given), 80)
        assert len(small) < 24
        (line,) = (line for line in small if line.startswith("warning: "))
        assert "aws's server: 7% of its storage is free" in line


def writing_for(said: Any, *slots: str) -> Any:
    """The writer, with these ack slots in its row."""
    return replace(said, ack_slots=slots)


async def rows_of(given: Room) -> dict[str, str]:
    """The last cell of every site's row."""
    lines = shown(await status(given), 120)
    (head,) = (line for line in lines if line.startswith("site "))
    column = head.index("confirms")
    return {line.split()[0]: line[column:].strip() for line in lines if re.match(r"\w+ +(writer|follower) ", line)}
