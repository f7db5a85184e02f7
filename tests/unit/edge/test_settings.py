"""An edge's settings: every problem at once, and nothing gets into HAProxy's configuration that could add to it."""

from pathlib import Path
from typing import Any

import pytest

from controller.core.model import Site
from controller.errors import SettingsError
from edge.__main__ import main
from edge.settings import Settings, read_settings
from tests.unit.edge.rooms import settings_table
from workload.durable.settings import Tuning
from workload.vault.key_settings import KeyTuning


def toml(table: Any, name: str = "") -> str:
    """A table as TOML."""
    plain = [f"{key} = {_value(value)}" for key, value in table.items() if not isinstance(value, dict)]
    inner = [toml(value, f"{name}.{key}".lstrip(".")) for key, value in table.items() if isinstance(value, dict)]
    return "\n".join([*([f"[{name}]"] if name else []), *plain, *inner])


def _value(value: Any) -> str:
    return (
        repr(value).replace("\\\\", "\\")
        if isinstance(value, str) and '"' in value
        else str(value)
        if isinstance(value, int)
        else ("[" + ", ".join(map(_value, value)) + "]" if isinstance(value, list) else f'"{value}"')
    )


def written(place: Path, **changes: Any) -> Path:
    """A settings file."""
    file = place / "edge.toml"
    file.write_text(toml(settings_table(place, **changes)))
    return file


def test_an_edge_waits_longer_than_any_service_takes() -> None:
    """A service knows what became of a request, an edge that gave up on it does not."""
    vault = KeyTuning().key_patience + Tuning().request_deadline
    assert Settings.model_fields["answer"].default > vault


def problems(file: Path) -> dict[str, str]:
    """What is wrong with it, by key."""
    with pytest.raises(SettingsError) as raised:
        read_settings(file)
    return {problem.key: problem.expected for problem in raised.value.problems}


def test_a_file_is_read_with_paths_beside_it(tmp_path: Path) -> None:
    """Wherever the process was started from."""
    given = read_settings(written(tmp_path))
    assert given.identity.certificate == tmp_path / "site.pem" and given.haproxy.socket == tmp_path / "h.sock"
    assert given.ramp.total_seconds() == 10 and given.answer.total_seconds() == 2
    assert set(given.others) == {"azure", "gcp"} and given.home == "aws"


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    """File, key and expectation, so that one edit mends them all."""
    file = written(tmp_path, site="A", ramp="soon", answer="0s", clients={"host": "x", "port": 70000}, moon=1)
    assert set(problems(file)) == {"site", "ramp", "answer", "clients.port", "moon"}


def test_the_own_site_is_no_peer(tmp_path: Path) -> None:
    """It would hand requests to itself over TLS."""
    here = {"aws": {"host": "127.0.0.1", "port": 1, "name": "aws.edge.test"}}
    assert "leave [peers.aws] out" in next(iter(problems(written(tmp_path, peers=here)).values()))


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("local.host", {"local": {"host": "a b", "port": 1}}),
        ("local.host", {"local": {"host": "h:1 backup", "port": 1}}),
        ("peers.azure.name", {"peers": {"azure": {"host": "h", "port": 1, "name": "a) verify none"}}}),
        ("identity.certificate", {"identity": {"certificate": "it's", "authority": "b"}}),
        ("haproxy.socket", {"haproxy": {"socket": "s" * 200}}),
    ],
)
def test_no_value_can_add_to_haproxys_configuration(key: str, changes: dict[str, Any], tmp_path: Path) -> None:
    """Spaces, quotes and brackets are refused where they would end a word."""
    assert key in problems(written(tmp_path, **changes))


def test_a_file_that_is_none_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Missing, or no TOML: exit 2 and what was expected."""
    assert main(["--settings", str(tmp_path / "none.toml")]) == 2
    assert "a readable file" in capsys.readouterr().err
    (tmp_path / "edge.toml").write_text("site = ")
    assert main(["--settings", str(tmp_path / "edge.toml")]) == 2
    assert "TOML" in capsys.readouterr().err


def test_an_agent_is_known_to_etcd_by_papers_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the file, and only over TLS; what cannot be used is told before the agent serves."""
    own = {"certificate": "etcd.pem", "authority": "members.pem"}
    given = written(tmp_path, etcd={"endpoints": ["https://10.1.48.10:2379"], "identity": own})
    found = read_settings(given).etcd.identity
    assert found is not None and (found.certificate, found.authority) == (tmp_path / "etcd.pem", tmp_path / "members.pem")
    assert main(["--settings", str(given)]) == 2 and "etcd.identity: expected PEM files" in capsys.readouterr().err
    assert "https:// addresses" in next(
        iter(problems(written(tmp_path, etcd={"endpoints": ["http://a:1"], "identity": own})).values())
    )


def test_the_configuration_is_printed_from_the_same_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What HAProxy's own unit starts it with."""
    assert main(["--settings", str(written(tmp_path)), "--configuration"]) == 0
    assert "backend payments" in capsys.readouterr().out


def test_the_example_on_the_page_can_be_used(tmp_path: Path) -> None:
    """docs/edge.md shows a file that is read as it stands."""
    page = (Path(__file__).parents[3] / "docs" / "edge.md").read_text()
    file = tmp_path / "edge.toml"
    file.write_text(page.partition("```toml\n")[2].partition("```")[0])
    assert read_settings(file).others[Site("azure")].name == "edge.azure.example"
