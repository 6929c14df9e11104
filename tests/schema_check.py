"""`make check`: the OpenAPI document builds without a database and is valid OpenAPI 3.1."""

import base64
import json
import os
import sys

from openapi_spec_validator import validate

from app.asgi import create_litestar
from app.lib.openapi import document_of
from app.settings import read_settings


def main() -> int:
    nowhere = "postgresql://nobody:nothing@127.0.0.1:1/nowhere"
    settings = read_settings(
        {
            "ENVIRONMENT": "test",
            "DATABASE_URL": nowhere,
            "DATABASE_PLATFORM_URL": nowhere,
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "TOKEN_SIGNING_KEY": base64.b64encode(os.urandom(32)).decode(),
            "SECRET_KEY": base64.b64encode(os.urandom(32)).decode(),
        }
    )
    document = json.loads(document_of(create_litestar(settings)))
    validate(document)
    operations = sum(len(item) for item in document["paths"].values())
    print(f"OpenAPI document: {len(document['paths'])} paths, {operations} operations, valid")
    return 0


if __name__ == "__main__":
    sys.exit(main())
