"""Namespaces, and elements put one after the other."""

from decimal import Decimal
from typing import Final

from lxml import etree

from app.domain.invoicing.plain import clean

Element = etree._Element  # the library exports no public name for it

CAC: Final = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
CBC: Final = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"
EXT: Final = "urn:oasis:names:specification:ubl:schema:xsd:CommonExtensionComponents-2"
STS: Final = "dian:gov:co:facturaelectronica:Structures-2-1"
DS: Final = "http://www.w3.org/2000/09/xmldsig#"
XADES: Final = "http://uri.etsi.org/01903/v1.3.2#"
XADES141: Final = "http://uri.etsi.org/01903/v1.4.1#"
XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
_PREFIXES: Final = {"cac": CAC, "cbc": CBC, "ext": EXT, "sts": STS}
_TAGS: Final[dict[str, str]] = {}
"""`cbc:ID` to the library's own way of writing it; filled as names are met."""

AGENCY: Final = {
    "schemeAgencyID": "195",
    "schemeAgencyName": "CO, DIAN (Dirección de Impuestos y Aduanas Nacionales)",
}


def new_root(name: str) -> Element:
    """The root of a document, with every namespace that the document and its signature use."""
    own = f"urn:oasis:names:specification:ubl:schema:xsd:{name}-2"
    namespaces = {
        None: own,
        "cac": CAC,
        "cbc": CBC,
        "ext": EXT,
        "sts": STS,
        "ds": DS,
        "xades": XADES,
        "xades141": XADES141,
        "xsi": XSI,
    }
    root = etree.Element(f"{{{own}}}{name}", nsmap=namespaces)  # type: ignore[arg-type]  # None is the default one
    root.set(
        f"{{{XSI}}}schemaLocation", f"{own} http://docs.oasis-open.org/ubl/os-UBL-2.1/xsd/maindoc/UBL-{name}-2.1.xsd"
    )
    return root


def group(parent: Element, name: str) -> Element:
    """Append an element that holds others."""
    return etree.SubElement(parent, _TAGS.get(name) or _tag(name))


def put(parent: Element, name: str, text: str, attributes: dict[str, str] | None = None) -> Element:
    """Append an element with text, cleaned of what XML cannot hold and of needless blanks."""
    return put_exactly(parent, name, clean(text), attributes)


def put_exactly(parent: Element, name: str, text: str, attributes: dict[str, str] | None = None) -> Element:
    """Append an element with a literal, blanks and all."""
    element = etree.SubElement(parent, _TAGS.get(name) or _tag(name), attributes)
    element.text = text
    return element


def put_amount(parent: Element, name: str, pesos: Decimal, currency: str) -> None:
    """Append an amount: two decimals, or up to six where a unit price has them."""
    put_exactly(parent, name, decimals(pesos, 2), {"currencyID": currency})


def decimals(value: Decimal, at_least: int) -> str:
    """A number with a point, at least so many decimals, and no zeros beyond them."""
    text = f"{value:f}"
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0").ljust(at_least, "0")
    return f"{whole}.{fraction}" if fraction else whole


def _tag(name: str) -> str:
    prefix, _, local = name.partition(":")
    tag = f"{{{_PREFIXES[prefix]}}}{local}"
    _TAGS[name] = tag
    return tag
