"""The OpenAPI document: how our own types look in it, what every route may answer, and its page from bundled files."""

from typing import Any

from litestar._openapi.schema_generation.schema import SchemaCreator
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, OpenAPIType, Schema, SecurityScheme
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition

from app import __version__
from app.lib.money import Exact
from app.settings import Settings


class ExactSchema(OpenAPISchemaPlugin):
    """Exact numbers are strings or integers, never numbers with a fraction."""

    @staticmethod
    def is_plugin_supported_type(value: Any) -> bool:
        return isinstance(value, type) and issubclass(value, Exact)

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: SchemaCreator) -> Schema:
        _ = field_definition, schema_creator
        return Schema(
            one_of=[
                Schema(type=OpenAPIType.STRING, pattern=r"^-?[0-9]{1,12}(\.[0-9]{1,6})?$", examples=["34900.00"]),
                Schema(type=OpenAPIType.INTEGER, minimum=-999_999_999_999, maximum=999_999_999_999),
            ],
        )


def openapi_config(_settings: Settings) -> OpenAPIConfig:
    """Title, version, login and the pages of the document."""
    return OpenAPIConfig(
        title="Mostrador",
        version=__version__,
        path="/schema",
        components=Components(
            security_schemes={"bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")}
        ),
        security=[{"bearer": []}],
    )
