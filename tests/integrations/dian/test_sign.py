"""Every kind of document: valid under the official schemas, its signature verified by xmlsec and by signxml."""

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import xmlsec
from msgspec import structs
from signxml.exceptions import InvalidSignature

from app.domain.invoicing.identify import identify
from app.domain.invoicing.kinds import Kind
from app.domain.invoicing.model import FINAL_CONSUMER, Correction, Document, Validation
from app.domain.invoicing.xml.attached import build_attached
from app.domain.invoicing.xml.documents import build
from app.integrations.dian.certificate import Credential, open_p12
from app.integrations.dian.sign import sign
from tests.dian_keys import PASSWORD, p12
from tests.dian_verify import certificate_in, parse, schema_errors, verify_with_signxml, verify_with_xmlsec
from tests.domain.invoicing.papers import KEYS, NOW, PERSON, document

EXAMPLES = Path(__file__).parents[2] / "data" / "dian" / "examples"
XADES = "{http://uri.etsi.org/01903/v1.3.2#}"


@pytest.fixture(scope="module")
def credential() -> Credential:
    return open_p12(p12(), PASSWORD)


def signed(paper: Document, credential: Credential) -> bytes:
    built = build(paper, identify(paper, KEYS))
    return sign(built.root, built.place, credential, paper.issued_at)


PAPERS = {
    **{kind.value: document(kind) for kind in Kind},
    "01 to a person": document(Kind.INVOICE, counterpart=PERSON),
    "01 to nobody": document(Kind.INVOICE, counterpart=FINAL_CONSUMER),
    "91 without reference": document(
        Kind.CREDIT_NOTE,
        operation="22",
        correction=Correction(concept="3", period=(NOW.date(), NOW.date())),
    ),
}


@pytest.mark.parametrize("name", PAPERS)
def test_every_kind_is_valid_and_verified_twice(name: str, credential: Credential) -> None:
    xml = signed(PAPERS[name], credential)
    assert schema_errors(xml) == []
    assert verify_with_xmlsec(xml) == 3
    assert verify_with_signxml(xml, credential.certificate) == 3


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.xml")))
def test_the_verifiers_accept_the_examples(name: str) -> None:
    """Shows that the two verifiers look where DIAN's shape has its signature."""
    xml = (EXAMPLES / name).read_bytes()
    assert schema_errors(xml) == []
    assert verify_with_xmlsec(xml) == 3
    assert verify_with_signxml(xml, certificate_in(xml)) == 3


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"<cbc:PayableAmount", b" <cbc:PayableAmount"), (b">supplier<", b">third party<"), (b"T10:15:30", b"T10:15:31")],
    ids=["a blank", "the role", "the time"],
)
def test_one_changed_byte_is_seen(before: bytes, after: bytes, credential: Credential) -> None:
    xml = signed(document(), credential)
    assert before in xml
    changed = xml.replace(before, after, 1)
    with pytest.raises(xmlsec.Error):
        verify_with_xmlsec(changed)
    with pytest.raises(InvalidSignature):
        verify_with_signxml(changed, credential.certificate)


def test_the_same_document_is_signed_into_the_same_bytes(credential: Credential) -> None:
    assert signed(document(), credential) == signed(document(), credential)


def test_the_signature_says_what_the_policy_asks(credential: Credential) -> None:
    root = parse(signed(document(), credential))
    properties = root.find(f".//{XADES}SignedSignatureProperties")
    assert [each.tag.removeprefix(XADES) for each in properties] == [
        "SigningTime", "SigningCertificate", "SignaturePolicyIdentifier", "SignerRole",
    ]  # fmt: skip
    assert properties[0].text == "2026-11-20T10:15:30-05:00"
    assert len(properties[1]) == 3
    issuer = properties[1][0][1][0].text
    assert issuer == credential.certificate.issuer.rfc4514_string()
    assert "&" in issuer
    assert "<" in issuer


def test_date_and_signature_are_the_same_day_across_midnight(credential: Credential) -> None:
    """23:59:30 in Bogotá is the next day in UTC."""
    late = datetime.fromisoformat("2026-12-01T04:59:30+00:00")
    xml = signed(document(issued_at=late), credential).decode()
    assert "<cbc:IssueDate>2026-11-30</cbc:IssueDate><cbc:IssueTime>23:59:30-05:00</cbc:IssueTime>" in xml
    assert "<xades:SigningTime>2026-11-30T23:59:30-05:00</xades:SigningTime>" in xml


def test_the_container_carries_the_document_and_the_answer_byte_for_byte(credential: Credential) -> None:
    paper = document()
    inner = signed(paper, credential)
    answer = (EXAMPLES / "ar_accepted.xml").read_bytes()
    validation = Validation(response=answer, validated_at=NOW + timedelta(seconds=32))
    built = build_attached(paper, identify(paper, KEYS), inner, validation, NOW + timedelta(minutes=2))
    xml = sign(built.root, built.place, credential, NOW + timedelta(minutes=2))
    assert schema_errors(xml) == []
    assert verify_with_xmlsec(xml) == 3
    assert verify_with_signxml(xml, credential.certificate) == 3
    carried = re.findall(rb"<!\[CDATA\[(.*?)\]\]>", xml, re.DOTALL)
    assert carried == [inner, answer]
    assert verify_with_xmlsec(carried[0]) == 3
    assert verify_with_xmlsec(carried[1]) == 3


def test_the_container_of_a_contingency_has_no_answer(credential: Credential) -> None:
    paper = document(Kind.DIAN_CONTINGENCY)
    built = build_attached(paper, identify(paper, KEYS), signed(paper, credential), None, NOW)
    xml = sign(built.root, built.place, credential, NOW)
    assert b"ApplicationResponse" not in xml
    assert verify_with_xmlsec(xml) == 3


def test_text_that_xml_cannot_hold_is_cleaned(credential: Credential) -> None:
    paper = document()
    (first, *rest) = paper.lines
    text = "Silla\x00\x0b  «roja»\r\n]]> <b>&amp;\ufffe 🪑 "
    strange = structs.replace(paper, lines=(structs.replace(first, description=text), *rest))
    xml = signed(strange, credential)
    assert schema_errors(xml) == []
    assert verify_with_xmlsec(xml) == 3
    assert parse(xml).findtext(".//{*}Item/{*}Description") == "Silla «roja» ]]> <b>&amp; 🪑"


def test_a_signature_may_name_the_holder_alone(credential: Credential) -> None:
    """DC25 is not confirmed: an installation chooses."""
    paper = PAPERS["01"]
    assert signed(paper, credential).count(b"<xades:Cert>") == 3
    alone = signed(paper, credential.alone())
    assert alone.count(b"<xades:Cert>") == 1
    assert schema_errors(alone) == []
    assert verify_with_xmlsec(alone) == 3


def test_a_range_without_prefix_is_written_as_the_installation_chose() -> None:
    paper = PAPERS["01"]
    assert paper.range is not None
    bare = structs.replace(paper, prefix="", range=structs.replace(paper.range, prefix=""))
    for says, count in ((False, 0), (True, 1)):
        built = build(bare, identify(bare, KEYS), says_empty_prefix=says)
        assert len(built.root.findall(".//{dian:gov:co:facturaelectronica:Structures-2-1}Prefix")) == count
