"""The lab's commands say what went wrong in one line, with a status of its own, and leave no report that is not theirs."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from controller.cli.exits import Exit
from controller.errors import Transient
from lab.errors import AlreadyRunningError, LabError, NothingInstalledError
from lab.rehearsal import Course
from lab.report import Rehearsal
from lab.screen import Screen
from lab.showing import show_demo
from lab.visiting import read_body
from tests.unit.lab.test_report import seen


def failing(error: Exception) -> Callable[[str, Course, Screen], Any]:
    """A demo that ends with this."""

    async def demonstrate(name: str, course: Course, screen: Screen) -> Rehearsal:
        screen.say("comparing the ledgers")
        raise error

    return demonstrate


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (NothingInstalledError("install etcd"), Exit.USAGE, "install etcd"),
        (AlreadyRunningError("a lab named 'demo' is there"), Exit.REFUSED, "is there"),
        (LabError("the words already running prove nothing"), Exit.BROKEN, "prove nothing"),
        (TimeoutError(), Exit.BROKEN, "the lab failed: comparing the ledgers: TimeoutError()"),
        (OSError(28, "No space left on device"), Exit.BROKEN, "the lab failed: comparing the ledgers: OSError(28"),
        (Transient("no majority"), Exit.BROKEN, "no majority"),
        (psycopg.OperationalError("server closed"), Exit.BROKEN, "server closed"),
    ],
)
def test_a_demo_that_fails_says_why_and_leaves_no_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], error: Exception, status: Exit, said: str
) -> None:
    """An earlier report with its `kept` must not pass for this run's."""
    (tmp_path / "report.json").write_text('{"verdict": "kept"}')
    (tmp_path / "report.html").write_text("kept")
    assert asyncio.run(show_demo("crash", tmp_path, "demo", 100, as_json=False, demonstrate=failing(error))) is status
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_only_a_report_that_cannot_be_written_is_called_that(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody put a file where its directory was to be; the verdict is lost, and the status says so."""
    out = tmp_path / "out"

    async def demonstrate(name: str, course: Course, screen: Screen) -> Rehearsal:
        out.touch()
        return seen()

    assert asyncio.run(show_demo("crash", out, "demo", 100, as_json=False, demonstrate=demonstrate)) is Exit.BROKEN
    assert "the report cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(("lost", "status"), [(0, Exit.DONE), (1, Exit.BROKEN)])
def test_the_status_is_the_verdict(tmp_path: Path, lost: int, status: Exit) -> None:
    """A report is written either way."""
    found = replace(seen(), reconciliation=replace(seen().reconciliation, lost=lost))

    async def demonstrate(name: str, course: Course, screen: Screen) -> Rehearsal:
        return found

    assert asyncio.run(show_demo("crash", tmp_path, "demo", 100, as_json=True, demonstrate=demonstrate)) is status
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", "report.html"}


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        (("crash@aws",), "crash is no fault beside a site's"),
        (("api-hang",), "it can at route53, azuredns, clouddns"),
        (("api-hang@azure",), "it can at route53, azuredns, clouddns"),
        (("melt@route53",), "there is no fault 'melt'"),
        (("api-hang@route53", "dns-down@route53"), "route53 is given twice"),
    ],
)
def test_what_cannot_be_lost_beside_the_site_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], beside: tuple[str, ...], said: str
) -> None:
    """Before a lab is started, and before an earlier report is removed."""
    (tmp_path / "report.json").touch()
    demo = show_demo("crash", tmp_path, "demo", 100, beside, as_json=False, demonstrate=failing(AssertionError()))
    assert asyncio.run(demo) is Exit.USAGE
    assert said in capsys.readouterr().err
    assert (tmp_path / "report.json").exists()


def test_what_is_lost_beside_the_site_reaches_the_course(tmp_path: Path) -> None:
    """One fault at each place, in the order given."""
    asked: list[Course] = []

    async def demonstrate(name: str, course: Course, screen: Screen) -> Rehearsal:
        asked.append(course)
        return seen()

    beside = ("api-hang@route53", "dns-down@azuredns")
    asyncio.run(show_demo("crash", tmp_path, "demo", 100, beside, as_json=True, demonstrate=demonstrate))
    assert [*asked[0].beside] == [("api-hang", "route53"), ("dns-down", "azuredns")]


@pytest.mark.parametrize("text", ["<h1>500 Internal Server Error</h1>", "", "[1]"])
def test_a_lab_that_answers_nonsense_is_there(text: str) -> None:
    """A broken lab is not taken for none: whoever started another would meet its ports and processes."""
    assert "the lab answered 500" in str(read_body(500, text)["error"])
    assert read_body(409, '{"error": "heal it first"}') == {"error": "heal it first"}
