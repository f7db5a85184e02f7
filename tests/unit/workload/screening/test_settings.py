"""Screening's settings: read once, every problem at once, no secret."""

from datetime import timedelta
from pathlib import Path

import pytest

from detection.score import Limits
from workload.durable.settings import SettingsError, read_settings
from workload.screening.settings import Settings

GOOD = 'service = "screening"\nsite = "aws"\nopen_to_everybody = true\n[listen]\nhost = "127.0.0.1"\nport = 8080\n'


def read(directory: Path, text: str) -> Settings:
    """The settings in a file."""
    path = directory / "screening.toml"
    path.write_text(text)
    return read_settings(path, Settings, {}, {})[0]


def test_thresholds_become_the_detectors_limits(tmp_path: Path) -> None:
    """Those that are named; the rest are the detector's own."""
    assert read(tmp_path, GOOD).limits.limits() == Limits()
    assert read(tmp_path, f"{GOOD}[limits]\nhold_at = 9.5\n").limits.limits() == Limits(hold_at=9.5)
    assert read(tmp_path, GOOD).body_deadline == timedelta(seconds=1)


@pytest.mark.parametrize("line", ["known = 64", "hold_at = 0", "hold_at = inf", "holdat = 1"])
def test_a_threshold_that_cannot_be_meant_is_refused(line: str, tmp_path: Path) -> None:
    """Also one that a profile could never reach: nobody would be judged, and nobody would notice."""
    with pytest.raises(SettingsError, match="limits"):
        read(tmp_path, f"{GOOD}[limits]\n{line}\n")
