"""What DIAN adds to UBL: the control of numbering and software, the three blocks of a POS document, the place of the signature."""

from typing import Final

from lxml import etree

from app.domain.invoicing.model import Document, Identity
from app.domain.invoicing.xml.ubl import AGENCY, Element, clean, group, put, put_exactly

_SOURCE: Final = {
    "listAgencyID": "6",
    "listAgencyName": "United Nations Economic Commission for Europe",
    "listSchemeURI": "urn:oasis:names:specification:ubl:codelist:gc:CountryIdentificationCode-2.1",
}
_DIAN: Final = {**AGENCY, "schemeID": "4", "schemeName": "31"}
_DIAN_NIT: Final = "800197268"


def put_extensions(root: Element, document: Document, identity: Identity, *, says_empty_prefix: bool) -> Element:
    """Append all extensions and return the empty place of the signature, the last of them."""
    extensions = group(root, "ext:UBLExtensions")
    _dian(_content(extensions), document, identity, says_empty_prefix=says_empty_prefix)
    if document.point_of_sale is not None:
        _pos(extensions, document)
    return _content(extensions)


def signature_place(root: Element) -> Element:
    """Append the extensions of a document that has only its signature."""
    return _content(group(root, "ext:UBLExtensions"))


def _content(extensions: Element) -> Element:
    return group(group(extensions, "ext:UBLExtension"), "ext:ExtensionContent")


def _dian(content: Element, document: Document, identity: Identity, *, says_empty_prefix: bool) -> None:
    extensions = group(content, "sts:DianExtensions")
    numbering = document.range
    if numbering is not None:
        control = group(extensions, "sts:InvoiceControl")
        put(control, "sts:InvoiceAuthorization", numbering.authorization)
        period = group(control, "sts:AuthorizationPeriod")
        put(period, "cbc:StartDate", numbering.valid_from.isoformat())
        put(period, "cbc:EndDate", numbering.valid_to.isoformat())
        authorized = group(control, "sts:AuthorizedInvoices")
        if numbering.prefix or says_empty_prefix:
            put(authorized, "sts:Prefix", numbering.prefix)
        put(authorized, "sts:From", str(numbering.first))
        put(authorized, "sts:To", str(numbering.last))
    put(group(extensions, "sts:InvoiceSource"), "cbc:IdentificationCode", "CO", _SOURCE)
    software = document.software
    provider = group(extensions, "sts:SoftwareProvider")
    owner = {**AGENCY, "schemeID": software.provider_dv, "schemeName": "31"}
    put(provider, "sts:ProviderID", software.provider_nit, owner)
    put(provider, "sts:SoftwareID", software.id, AGENCY)
    put(extensions, "sts:SoftwareSecurityCode", identity.security_code, AGENCY)
    put(group(extensions, "sts:AuthorizationProvider"), "sts:AuthorizationProviderID", _DIAN_NIT, _DIAN)
    put_exactly(extensions, "sts:QRCode", identity.url)


def _pos(extensions: Element, document: Document) -> None:
    """Software maker, buyer's benefits and point of sale: names and values in turn, in the invoice's own namespace."""
    place = document.point_of_sale
    assert place is not None
    software, buyer = document.software, document.counterpart
    _pairs(
        extensions,
        "FabricanteSoftware",
        "InformacionDelFabricanteDelSoftware",
        (
            ("NombreApellido", software.maker_person),
            ("RazonSocial", software.maker),
            ("NombreSoftware", software.name),
        ),
    )
    _pairs(
        extensions,
        "BeneficiosComprador",
        "InformacionBeneficiosComprador",
        (
            ("Codigo", place.buyer_code or buyer.identification),
            ("NombresApellidos", buyer.name),
            ("Puntos", place.buyer_points),
        ),
    )
    _pairs(
        extensions,
        "PuntoVenta",
        "InformacionCajaVenta",
        (
            ("PlacaCaja", place.plate),
            ("UbicaciónCaja", place.location),
            ("Cajero", place.cashier),
            ("TipoCaja", place.kind),
            ("CódigoVenta", place.sale_code),
            ("SubTotal", f"{document.totals.lines:.2f}"),
        ),
    )


def _pairs(extensions: Element, block: str, inner: str, pairs: tuple[tuple[str, str], ...]) -> None:
    content = _content(extensions)
    own = f"{{{extensions.getparent().nsmap[None]}}}"  # type: ignore[union-attr]  # the root, always there
    holder = etree.SubElement(etree.SubElement(content, own + block), own + inner)
    for name, value in pairs:
        etree.SubElement(holder, own + "Name").text = name
        etree.SubElement(holder, own + "Value").text = clean(value)
