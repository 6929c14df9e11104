"""The worked examples of the annexes, digit by digit."""

from decimal import Decimal
from hashlib import sha384

from app.domain.invoicing.identify import (
    Figures,
    Keys,
    event_uuid,
    identify,
    page_url,
    plain,
    security_code,
    security_head,
    uuid_of,
    uuid_tail,
)
from app.domain.invoicing.kinds import KINDS, Kind
from tests.domain.invoicing.papers import KEYS, document


def test_the_annex_s_cufe() -> None:
    figures = Figures(
        scheme="CUFE-SHA384",
        environment="1",
        date="2019-01-16",
        time="10:53:10-05:00",
        net=Decimal("1500000.00"),
        iva=Decimal("285000.00"),
        payable=Decimal("1785000.00"),
        seller="700085371",
        buyer="800199436",
    )
    key = "693ff6f2a553c3646a063436fd4dd9ded0311471"
    assert "323200000129" + uuid_tail(figures, key) == (
        "3232000001292019-01-1610:53:10-05:001500000.0001285000.00040.00030.00"
        "1785000.00700085371800199436693ff6f2a553c3646a063436fd4dd9ded03114711"
    )
    assert uuid_of("323200000129", figures, key) == (
        "8bb918b19ba22a694f1da11c643b5e9de39adf60311cf179179e9b33381030bcd4c3c3f156c506ed5908f9276f5bd9b4"
    )


def test_the_annex_s_cude_of_a_credit_note() -> None:
    figures = Figures(
        scheme="CUDE-SHA384",
        environment="1",
        date="2019-01-12",
        time="07:00:00-05:00",
        net=Decimal("5000.00"),
        iva=Decimal("950.00"),
        payable=Decimal("5950.00"),
        seller="900373076",
        buyer="8355990",
    )
    assert uuid_of("8110007871", figures, "12301") == (
        "907e4444decc9e59c160a2fb3b6659b33dc5b632a5008922b9a62f83f757b1c448e47f5867f2b50dbdb96f48c7681168"
    )


def test_the_annex_s_cuds() -> None:
    figures = Figures(
        scheme="CUDS-SHA384",
        environment="1",
        date="2020-10-24",
        time="14:04:35-05:00",
        net=Decimal("15000.00"),
        iva=Decimal("19.00"),
        payable=Decimal("16350.00"),
        seller="900373076",
        buyer="8355990",
    )
    assert uuid_of("0000000001", figures, "12345") == (
        "bf4bb6920d5054ac065ddb7e6df0398e63e3ba2ff29cb341edd7d46ee8f2ea1802f84aaca91a19a24623e5e3baff3a71"
    )


def test_the_annex_s_cude_of_an_event() -> None:
    assert event_uuid(
        number="1",
        date="2019-04-30",
        time="19:48:50-05:00",
        sender="99998888",
        receiver="800197268",
        event="030",
        reference="FE123",
        reference_type="01",
        pin="11111",
    ) == ("0d91ba25b01f5e7dbda870a11b274501d3a62a73e91932c473c86c93f12a142a2ac45876efcde3e679024a01c0be41f9")


def test_more_than_two_decimals_are_cut_and_never_rounded() -> None:
    assert plain(Decimal("1.999")) == "1.99"
    assert plain(Decimal(2)) == "2.00"
    assert plain(Decimal("1E+3")) == "1000.00"


def test_a_transaction_can_hash_the_number_itself() -> None:
    """What SQL does with a number it has just taken gives the same digests."""
    paper = document(Kind.POS)
    identity = identify(paper, KEYS)
    from app.domain.invoicing.identify import figures_of

    tail = uuid_tail(figures_of(paper), KEYS.pin)
    assert sha384((paper.number + tail).encode()).hexdigest() == identity.uuid
    head = security_head(paper.software.id, KEYS.pin)
    assert sha384((head + paper.number).encode()).hexdigest() == identity.security_code
    assert security_code(paper.number, paper.software.id, KEYS.pin) == identity.security_code


def test_the_key_is_the_technical_one_only_where_the_law_says() -> None:
    assert {kind for kind, fixed in KINDS.items() if fixed.uses_technical_key} == {
        Kind.INVOICE,
        Kind.EXPORT,
        Kind.DIAN_CONTINGENCY,
    }
    for kind in Kind:
        paper = document(kind)
        other = Keys(pin=KEYS.pin, technical_key="another")
        same = identify(paper, other).uuid == identify(paper, KEYS).uuid
        assert same is not KINDS[kind].uses_technical_key


def test_production_has_its_own_page() -> None:
    assert page_url("ab", "1") == "https://catalogo-vpfe.dian.gov.co/document/searchqr?documentkey=ab"


def test_the_literals_have_the_annexes_shape() -> None:
    """Of the two long ones: 82 characters with a final dot; a trailing blank."""
    assert len(KINDS[Kind.SUPPORT].profile) == 82
    assert KINDS[Kind.SUPPORT].profile.endswith("facturar.")
    assert KINDS[Kind.SUPPORT_NOTE].profile.endswith("equivalente ")


def test_secrets_do_not_print() -> None:
    assert "12345" not in repr(KEYS)
