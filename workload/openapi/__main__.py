"""`python -m workload.openapi docs/openapi`: writes the OpenAPI document of every service into the folder."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from workload.openapi.services import documents
from workload.openapi.shared import Document


def written(document: Document) -> str:
    """The document as it stands in its file: the same for the same application, line by line."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main(argv: Sequence[str]) -> int:
    """Write them. Raises NotDescribed, OSError."""
    parser = argparse.ArgumentParser(prog="python -m workload.openapi", description="Writes the services' OpenAPI documents.")
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args(argv).folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, found in documents().items():
        (folder / f"{name}.json").write_text(written(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
