"""`make check`: the OpenAPI document builds and is valid, with no server anywhere."""

import base64
import json
import os
import sys

from openapi_spec_validator import OpenAPIV31SpecValidator

from app.asgi import create_litestar
from app.lib.openapi import document_of
from app.settings import read_settings

NOWHERE = {
    "ENVIRONMENT": "test",
    "DATABASE_URL": "postgresql://mostrador_app:x@127.0.0.1:1/none",
    "DATABASE_PLATFORM_URL": "postgresql://mostrador_platform:x@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "TOKEN_SIGNING_KEY": base64.b64encode(os.urandom(32)).decode(),
    "SECRET_KEY": base64.b64encode(os.urandom(32)).decode(),
}


def main() -> int:
    document = json.loads(document_of(create_litestar(read_settings(NOWHERE))))
    errors = [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()]
    for error in errors:
        print(error, file=sys.stderr)
    operations = sum(len(item) for item in document["paths"].values())
    print(f"OpenAPI document: {len(document['paths'])} paths, {operations} operations, {len(errors)} errors")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
