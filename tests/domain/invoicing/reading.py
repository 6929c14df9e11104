"""Reads a UBL document back into the model: what the golden samples are rebuilt from."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from lxml import etree

from app.domain.invoicing.kinds import SUPPORT_KINDS, Kind
from app.domain.invoicing.model import (
    Address,
    Allowance,
    Correction,
    Document,
    Line,
    NumberingRange,
    Paper,
    Party,
    Payment,
    PointOfSale,
    Reference,
    Software,
    Tax,
    TaxTotal,
    Totals,
)

NS = {
    "cac": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
    "cbc": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
    "ext": "urn:oasis:names:specification:ubl:schema:xsd:CommonExtensionComponents-2",
    "sts": "dian:gov:co:facturaelectronica:Structures-2-1",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
    "inv": "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2",
}
_REFERENCED = {"91": Kind.INVOICE, "92": Kind.INVOICE, "94": Kind.POS, "95": Kind.SUPPORT}


def texts(node: Any, path: str) -> list[str]:
    return [str(each.text or "") for each in node.iterfind(path, NS)]


def text(node: Any, path: str) -> str:
    found = texts(node, path)
    return found[0] if found else ""


def money(node: Any, path: str) -> Decimal:
    return Decimal(text(node, path) or "0.00")


def maybe(node: Any, path: str) -> Decimal | None:
    found = text(node, path)
    return Decimal(found) if found else None


def day(node: Any, path: str) -> date | None:
    found = text(node, path)
    return date.fromisoformat(found) if found else None


def read(xml: bytes) -> Document:
    root = etree.fromstring(xml)
    name = etree.QName(root).localname
    kind = Kind(text(root, "cbc:InvoiceTypeCode") or text(root, "cbc:CreditNoteTypeCode") or "92")
    seller = _party(root.find("cac:AccountingSupplierParty", NS))
    buyer = _party(root.find("cac:AccountingCustomerParty", NS))
    issuer, counterpart = (buyer, seller) if kind in SUPPORT_KINDS else (seller, buyer)
    number = text(root, "cbc:ID")
    total = "cac:RequestedMonetaryTotal/" if name == "DebitNote" else "cac:LegalMonetaryTotal/"
    return Document(
        kind=kind,
        environment="2",
        number=number,
        prefix=number.rstrip("0123456789"),
        issued_at=datetime.fromisoformat(f"{text(root, 'cbc:IssueDate')}T{text(root, 'cbc:IssueTime')}"),
        issuer=issuer,
        counterpart=counterpart,
        software=Software(
            id=text(root, ".//sts:SoftwareID"),
            provider_nit=text(root, ".//sts:ProviderID"),
            provider_dv=str(root.findall(".//sts:ProviderID", NS)[0].get("schemeID")),
            **_maker(root),
        ),
        lines=tuple(_line(each) for each in root if etree.QName(each).localname.endswith("Line")),
        totals=Totals(
            lines=money(root, f"{total}cbc:LineExtensionAmount"),
            taxable=money(root, f"{total}cbc:TaxExclusiveAmount"),
            taxed=money(root, f"{total}cbc:TaxInclusiveAmount"),
            allowances=money(root, f"{total}cbc:AllowanceTotalAmount"),
            charges=money(root, f"{total}cbc:ChargeTotalAmount"),
            prepaid=money(root, f"{total}cbc:PrepaidAmount"),
            payable=money(root, f"{total}cbc:PayableAmount"),
            taxes=_totals(root.iterfind("cac:TaxTotal", NS)),
            withholdings=_totals(root.iterfind("cac:WithholdingTaxTotal", NS)),
        ),
        payments=tuple(
            Payment(
                means=text(each, "cbc:PaymentMeansCode"),
                form=text(each, "cbc:ID"),  # type: ignore[arg-type]
                due_on=day(each, "cbc:PaymentDueDate"),
            )
            for each in root.iterfind("cac:PaymentMeans", NS)
        ),
        range=_range(root),
        notes=tuple(texts(root, "cbc:Note")),
        allowances=_allowances(root),
        order=text(root, "cac:OrderReference/cbc:ID"),
        correction=_correction(root, kind),
        paper=_paper(root),
        point_of_sale=_place(root),
    )


def _party(node: Any) -> Party:
    party = node.find("cac:Party", NS)
    scheme = party.find("cac:PartyTaxScheme", NS)
    company = scheme.find("cbc:CompanyID", NS)
    return Party(
        organization=text(node, "cbc:AdditionalAccountID"),  # type: ignore[arg-type]
        identification_type=company.get("schemeName"),
        identification=company.text,
        dv=company.get("schemeID"),
        name=text(scheme, "cbc:RegistrationName"),
        trade_name=text(party, "cac:PartyName/cbc:Name"),
        responsibilities=tuple(text(scheme, "cbc:TaxLevelCode").split(";")),
        tribute=text(scheme, "cac:TaxScheme/cbc:ID"),
        address=_address(party.find("cac:PhysicalLocation/cac:Address", NS)),
        email=text(party, "cac:Contact/cbc:ElectronicMail"),
        phone=text(party, "cac:Contact/cbc:Telephone"),
        merchant_register=text(party, "cac:PartyLegalEntity/cac:CorporateRegistrationScheme/cbc:Name"),
        first_name=text(party, "cac:Person/cbc:FirstName"),
        family_name=text(party, "cac:Person/cbc:FamilyName"),
    )


def _address(node: Any) -> Address | None:
    if node is None:
        return None
    return Address(
        line=text(node, "cac:AddressLine/cbc:Line"),
        municipality_code=text(node, "cbc:ID"),
        city=text(node, "cbc:CityName"),
        department_code=text(node, "cbc:CountrySubentityCode"),
        department=text(node, "cbc:CountrySubentity"),
        postal_code=text(node, "cbc:PostalZone"),
    )


def _range(root: Any) -> NumberingRange | None:
    control = root.find(".//sts:InvoiceControl", NS)
    if control is None:
        return None
    return NumberingRange(
        authorization=text(control, "sts:InvoiceAuthorization"),
        prefix=text(control, ".//sts:Prefix"),
        first=int(text(control, ".//sts:From")),
        last=int(text(control, ".//sts:To")),
        valid_from=date.fromisoformat(text(control, ".//cbc:StartDate")),
        valid_to=date.fromisoformat(text(control, ".//cbc:EndDate")),
    )


def _pairs(root: Any, name: str) -> dict[str, str]:
    node = root.find(f".//inv:{name}", NS)
    return {} if node is None else dict(zip(texts(node, "inv:Name"), texts(node, "inv:Value"), strict=True))


def _maker(root: Any) -> dict[str, str]:
    pairs = _pairs(root, "InformacionDelFabricanteDelSoftware")
    if not pairs:
        return {}
    return {"name": pairs["NombreSoftware"], "maker": pairs["RazonSocial"], "maker_person": pairs["NombreApellido"]}


def _place(root: Any) -> PointOfSale | None:
    pairs = _pairs(root, "InformacionCajaVenta")
    if not pairs:
        return None
    return PointOfSale(
        plate=pairs["PlacaCaja"],
        location=pairs["UbicaciónCaja"],
        cashier=pairs["Cajero"],
        kind=pairs["TipoCaja"],
        sale_code=pairs["CódigoVenta"],
    )


def _paper(root: Any) -> Paper | None:
    node = root.find("cac:AdditionalDocumentReference", NS)
    if node is None:
        return None
    return Paper(
        number=text(node, "cbc:ID"),
        issued_on=date.fromisoformat(text(node, "cbc:IssueDate")),
        type_code=text(node, "cbc:DocumentTypeCode"),
    )


def _correction(root: Any, kind: Kind) -> Correction | None:
    response = root.find("cac:DiscrepancyResponse", NS)
    if response is None:
        return None
    reference = root.find("cac:BillingReference/cac:InvoiceDocumentReference", NS)
    return Correction(
        concept=text(response, "cbc:ResponseCode"),
        description=text(response, "cbc:Description"),
        reference=Reference(
            kind=_REFERENCED[kind],
            number=text(reference, "cbc:ID"),
            uuid=text(reference, "cbc:UUID"),
            issued_on=date.fromisoformat(text(reference, "cbc:IssueDate")),
        ),
    )


def _allowances(node: Any) -> tuple[Allowance, ...]:
    return tuple(
        Allowance(
            amount=money(each, "cbc:Amount"),
            base=money(each, "cbc:BaseAmount"),
            percent=money(each, "cbc:MultiplierFactorNumeric"),
            reason=text(each, "cbc:AllowanceChargeReason"),
            reason_code=text(each, "cbc:AllowanceChargeReasonCode"),
            is_charge=text(each, "cbc:ChargeIndicator") == "true",
        )
        for each in node.iterfind("cac:AllowanceCharge", NS)
    )


def _rates(total: Any) -> Iterable[Tax]:
    for each in total.iterfind("cac:TaxSubtotal", NS):
        yield Tax(
            code=text(each, "cac:TaxCategory/cac:TaxScheme/cbc:ID"),
            amount=money(each, "cbc:TaxAmount"),
            percent=maybe(each, "cac:TaxCategory/cbc:Percent"),
            base=maybe(each, "cbc:TaxableAmount"),
            units=maybe(each, "cbc:BaseUnitMeasure"),
            per_unit=maybe(each, "cbc:PerUnitAmount"),
        )


def _totals(nodes: Iterable[Any]) -> tuple[TaxTotal, ...]:
    found = []
    for node in nodes:
        rates = tuple(_rates(node))
        found.append(TaxTotal(code=rates[0].code, amount=money(node, "cbc:TaxAmount"), rates=rates))
    return tuple(found)


def _line(node: Any) -> Line:
    (quantity,) = (each for each in node if etree.QName(each).localname.endswith("edQuantity"))
    identification = node.find("cac:Item/cac:StandardItemIdentification/cbc:ID", NS)
    return Line(
        code=identification.text,
        code_scheme=identification.get("schemeID"),
        description=text(node, "cac:Item/cbc:Description"),
        quantity=Decimal(quantity.text),
        unit_code=quantity.get("unitCode"),
        unit_price=money(node, "cac:Price/cbc:PriceAmount"),
        amount=money(node, "cbc:LineExtensionAmount"),
        allowances=_allowances(node),
        taxes=tuple(tax for total in node.iterfind("cac:TaxTotal", NS) for tax in _rates(total)),
        bought_on=day(node, "cac:InvoicePeriod/cbc:StartDate"),
    )
