"""Names of schemas that a client's generator can use: `SalesNoticeOut`, where two domains each have a `NoticeOut`."""

from typing import Any, Final

_REFERENCE: Final = "#/components/schemas/"
_DOMAINS: Final = "app.domain."


def tell_apart(document: dict[str, Any]) -> None:
    """Rename in place what the libraries named after its module, and every reference to it.

    msgspec writes `app.domain.sales.schemas.NoticeOut`, the framework `sales_schemas_NoticeOut`: of two for one body the
    former stays, since it knows our exact numbers. Raises `ValueError` when the new name is another body's.
    """
    schemas: dict[str, Any] = document["components"]["schemas"]
    renamed = {name: new for name in schemas if (new := _plain(name)) != name}
    for name in sorted(renamed, key=lambda name: "." not in name):
        schema, new = schemas.pop(name), renamed[name]
        if new in schemas and "." in name:
            raise ValueError(f"{name} and another body would both be {new}")
        schemas.setdefault(new, schema | {"title": new})
    _point(document, {_REFERENCE + name: _REFERENCE + new for name, new in renamed.items()})


def module_name(body: type[Any]) -> str:
    """How the framework may have named it: the end of this."""
    return f"{body.__module__}.{body.__name__}".replace(".", "_")


def _plain(name: str) -> str:
    """The domain and the body's own name."""
    if "." in name:
        domain, own = name.removeprefix(_DOMAINS).partition(".")[0], name.rpartition(".")[2]
    elif "_" in name:
        domain, own = name.partition("_")[0], name.rpartition("_")[2]
    else:
        return name
    return domain.capitalize() + own


def _point(node: Any, moved: dict[str, str]) -> None:
    if isinstance(node, dict):
        target = node.get("$ref")
        if isinstance(target, str) and target in moved:
            node["$ref"] = moved[target]
        for child in node.values():
            _point(child, moved)
    elif isinstance(node, list):
        for child in node:
            _point(child, moved)
