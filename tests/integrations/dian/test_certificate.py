"""A .p12 opened, and every reason why one is of no use."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from cryptography.x509.oid import NameOID

from app.integrations.dian.certificate import CertificateUnusable, check_credential, open_p12
from tests.dian_keys import PASSWORD, ROOT_NAME, SUB_NAME, authorities, days, holder_name, issue, name, p12, rsa_key

NOW = datetime(2026, 11, 20, 15, 15, 30, tzinfo=UTC)
SECRET = PASSWORD.encode()
OLD = Path(__file__).parents[2] / "data" / "dian" / "old.p12"


def test_a_good_one_opens_with_its_chain_in_order() -> None:
    sub, root = authorities()
    stranger = issue(name("Otra"), rsa_key(9), name("Otra"), rsa_key(9), is_authority=True)
    credential = open_p12(p12(chain=(root, stranger, sub)), PASSWORD)
    assert credential.chain == (sub, root)
    assert credential.is_chain_complete
    assert len(credential.listed) == 3
    assert credential.nits == {"999888777"}
    check_credential(credential, "999888777", NOW)


def test_it_prints_nothing_of_itself() -> None:
    credential = open_p12(p12(), PASSWORD)
    assert "RSA" not in repr(credential)
    assert credential.der not in repr(credential)


def test_without_chain_it_signs_but_is_not_complete() -> None:
    credential = open_p12(p12(chain=()), PASSWORD)
    check_credential(credential, "999888777", NOW)
    assert not credential.is_chain_complete


@pytest.mark.parametrize("written", ["999888777", "999888777-1", "9998887771", "999.888.777-1"])
def test_the_nit_may_carry_its_digit(written: str) -> None:
    check_credential(open_p12(p12(written), PASSWORD), "999888777", NOW)


@pytest.mark.parametrize("oid", ["2.5.4.5", "2.5.4.97", "1.3.6.1.4.1.31136.1.1.20.2", "1.3.6.1.4.1.23267.2.3"])
def test_the_nit_is_found_where_the_entities_write_it(oid: str) -> None:
    subject = name("Comercial", x509.NameAttribute(x509.ObjectIdentifier(oid), "VATCO-999888777"))
    check_credential(open_p12(p12(subject=subject), PASSWORD), "999888777", NOW)


def test_a_file_of_an_old_entity_opens() -> None:
    """RC2 and 3DES, as many Colombian entities still export: `openssl pkcs12 -export -legacy`."""
    credential = open_p12(OLD.read_bytes(), PASSWORD)
    check_credential(credential, "999888777", NOW)
    assert len(credential.chain) == 2


def code_of(file: bytes, password: str = PASSWORD) -> str:
    with pytest.raises(CertificateUnusable) as refused:
        open_p12(file, password)
    assert refused.value.status == 422
    assert refused.value.detail.endswith(".")
    return refused.value.code


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"PK\x03\x04",
        b"-----BEGIN CERTIFICATE-----",
        p12()[:20] * 20_000,
        b"\x30\x82\x01\x00\x02\x01\x01" + b"\x00" * 99,
    ],
    ids=["empty", "zip", "pem", "too-large", "another-der"],
)
def test_what_is_not_a_p12(file: bytes) -> None:
    assert code_of(file) == "certificate-unreadable"


def test_a_wrong_password() -> None:
    assert code_of(p12(), "otra") == "certificate-password"
    assert code_of(p12(), "") == "certificate-password"


def test_a_damaged_file() -> None:
    assert code_of(p12()[:-40]) == "certificate-password"


def test_without_key_or_certificate() -> None:
    sub, _ = authorities()
    encryption = BestAvailableEncryption(SECRET)
    assert code_of(serialize_key_and_certificates(b"", None, None, [sub], encryption)) == "certificate-without-key"
    assert code_of(serialize_key_and_certificates(b"", rsa_key(3), None, None, encryption)) == "certificate-without-key"


def test_a_weak_key_and_another_kind_of_key() -> None:
    assert code_of(p12(bits=1024)) == "certificate-weak-key"
    key = ec.generate_private_key(ec.SECP256R1())
    holder = issue(holder_name("999888777"), key, SUB_NAME, rsa_key(2))
    file = serialize_key_and_certificates(b"", key, holder, None, BestAvailableEncryption(SECRET))
    assert code_of(file) == "certificate-weak-key"


def test_a_chain_that_only_claims_to_be_one() -> None:
    false = issue(SUB_NAME, rsa_key(8), ROOT_NAME, rsa_key(1), is_authority=True)
    assert code_of(p12(chain=(false,))) == "certificate-chain"


def refusal(file: bytes, nit: str = "999888777", at: datetime = NOW) -> str:
    credential = open_p12(file, PASSWORD)
    with pytest.raises(CertificateUnusable) as refused:
        check_credential(credential, nit, at)
    return refused.value.code


def test_an_expired_one_and_one_of_tomorrow() -> None:
    assert refusal(p12(end=NOW - days(1))) == "certificate-expired"
    assert refusal(p12(start=NOW + days(1))) == "certificate-not-yet-valid"


def test_one_of_another_company() -> None:
    assert refusal(p12("800197268")) == "certificate-of-another-nit"
    nobody = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Nadie 999888777")])
    assert refusal(p12(subject=nobody)) == "certificate-of-another-nit"


def test_one_that_nobody_issued() -> None:
    subject = holder_name("999888777")
    own = issue(subject, rsa_key(3), subject, rsa_key(3))
    file = serialize_key_and_certificates(b"", rsa_key(3), own, None, BestAvailableEncryption(SECRET))
    assert refusal(file) == "certificate-self-signed"


def test_one_that_may_not_sign() -> None:
    assert refusal(p12(may_sign=False)) == "certificate-not-for-signing"


def test_an_expired_authority() -> None:
    old = issue(SUB_NAME, rsa_key(2), ROOT_NAME, rsa_key(1), is_authority=True, end=NOW - days(1))
    assert refusal(p12(chain=(old,))) == "certificate-chain"
