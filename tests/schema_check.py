"""`make check`: the OpenAPI document is valid, is the one in docs/, and breaks no client written against that.

`make openapi` writes it anew; a break is refused there too, unless it is meant: `make openapi BREAKING=yes`.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from openapi_spec_validator import OpenAPIV31SpecValidator

from app.asgi import create_litestar
from app.cli.openapi import nowhere
from app.lib.openapi import document_of
from app.settings import read_settings
from tests.api_changes import breaking

KEPT: Final = Path(__file__).resolve().parents[1] / "docs" / "openapi.json"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--breaking", action="store_true")
    wanted = parser.parse_args()
    document: dict[str, Any] = json.loads(document_of(create_litestar(read_settings(nowhere()))))
    errors = [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()]
    old = json.loads(KEPT.read_text()) if KEPT.exists() else None
    if old is not None and not wanted.breaking:
        errors += [f"breaks clients: {change}" for change in breaking(old, document)]
    if wanted.write and not errors:
        KEPT.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    elif old != document:
        errors.append(f"{KEPT.name} is not the document of this code: make openapi (and read what changed)")
    for error in errors:
        print(error, file=sys.stderr)
    operations = sum(len(item) for item in document["paths"].values())
    print(f"OpenAPI document: {len(document['paths'])} paths, {operations} operations, {len(errors)} errors")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
