"""What DIAN's service may answer, read with suspicion: no DOCTYPE, no network, a limit of size, nothing taken on trust."""

import base64
import binascii
from datetime import date
from enum import StrEnum
from itertools import islice
from typing import Final, TypeVar

import msgspec
from lxml import etree

MAX_ANSWER: Final = 8 * 1024 * 1024
"""Bytes; a signed ApplicationResponse has about 20 kB."""
DUPLICATE: Final = "90"
_ACCEPTED: Final = "00"
_REJECTED: Final = "99"
_IN_PROCESS: Final = "98"
_NOT_THERE: Final = "66"
_SET_ACCEPTED: Final = "2"
_LONGEST: Final = 2000
"""Characters kept of any text of theirs."""
_MOST_RULES: Final = 500
"""Lines read of one validation: of a document of 2,000 lines all of whose lines are wrong, enough to mend it."""


_SECURITY: Final = "An error occurred when verifying security for the message."
"""Signature of the header, or a clock that differs."""
_UNTRUSTED: Final = "The creator of this fault did not specify a Reason."
"""With the code `s:Client`: a certificate that DIAN does not trust (seen in 2026)."""


class Outcome(StrEnum):
    """What is known of a document after a call."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    """Rules say no. Number and key were not consumed."""
    PENDING = "pending"
    """DIAN has it and has not decided: ask again."""
    ABSENT = "absent"
    """DIAN does not know it (66): it may be sent."""
    REFUSED = "refused"
    """The request was not taken: certificate, clock, zip, authorisation. Repeating it does not help."""
    SET_ACCEPTED = "set-accepted"
    """The test set has enough documents already: this one was not looked at, and need not be."""
    UNKNOWN = "unknown"
    """No answer, or none that makes sense: it may have been processed. Ask by its UUID before sending again."""
    TRANSPORT = "transport"
    """Nothing was delivered: it may be sent again."""


class Rule(msgspec.Struct, frozen=True):
    """One line of a validation."""

    code: str
    text: str
    rejects: bool
    """Otherwise a notification, with which a document is still valid."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer about one document."""

    outcome: Outcome
    status_code: str = ""
    """DIAN's: 00, 66, 89, 98, 99, …"""
    message: str = ""
    """DIAN's words, or what went wrong on the way, for the record of the document."""
    rules: tuple[Rule, ...] = ()
    document_key: str = ""
    """UUID of the document that DIAN speaks of."""
    file_name: str = ""
    response: bytes | None = None
    """The signed ApplicationResponse, exactly as it came."""
    http_status: int | None = None
    is_outage: bool = False
    """DIAN itself is away: 5xx, silence, refused connection. What a circuit breaker counts."""

    @property
    def is_duplicate(self) -> bool:
        """Rule 90: that number was already valid, under `document_key`."""
        return any(rule.code == DUPLICATE for rule in self.rules)

    def accepts(self, uuid: str) -> bool:
        """Whether this document is valid at DIAN: accepted now, or before and under this very key.

        Another key behind rule 90 means that some other document took the number.
        """
        same = self.document_key.lower() == uuid.lower()
        if self.outcome is Outcome.ACCEPTED:
            return same or not self.document_key
        return self.is_duplicate and same


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to an asynchronous sending."""

    outcome: Outcome
    """PENDING when it was taken; what it became is asked with the key."""
    zip_key: str = ""
    message: str = ""
    http_status: int | None = None
    is_outage: bool = False


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """A numbering authorisation as DIAN has it."""

    authorization: str
    authorized_on: date | None
    prefix: str
    first: int
    last: int
    valid_from: date
    valid_to: date
    technical_key: str

    def __repr__(self) -> str:
        return f"Range({self.authorization} {self.prefix} {self.first}-{self.last})"


class Ranges(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to GetNumberingRange."""

    outcome: Outcome
    """ACCEPTED also when there are none."""
    code: str = ""
    """100 found, 301 none, 302 none for this software, 303 software of another NIT, 401 not authorised."""
    message: str = ""
    ranges: tuple[Range, ...] = ()
    http_status: int | None = None
    is_outage: bool = False


class Garbage(Exception):
    """An answer that cannot be understood; the text says why, for the record."""


class Fault(Exception):
    """The service answered with a fault. Whether it refused the message, or only fell over it, `refuses` says."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason or "fault")
        self.refuses = _SECURITY in reason or (code.endswith(":Client") and _UNTRUSTED in reason)


Element = etree._Element
_Result = TypeVar("_Result")


def parse(body: bytes) -> Element:
    """The single result inside a SOAP answer. Raises `Fault`, and `Garbage` for anything that is not such an answer."""
    if len(body) > MAX_ANSWER:
        raise Garbage("the answer is larger than allowed")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Garbage("the answer is not UTF-8") from error
    root = _tree(body, text)
    envelope_body = _child(root, "Body")
    if _local(root) != "Envelope" or envelope_body is None or not len(envelope_body):
        raise Garbage("the answer is not a SOAP envelope")
    inside = envelope_body[0]
    if _local(inside) == "Fault":
        said = (str(part) for part in inside.itertext("{*}Text", "{*}faultstring"))
        words = " ".join(" ".join(islice(said, _MOST_RULES)).split())
        raise Fault(_short(_text(_child(inside, "Code"), "Value")), _short(words))
    if not _local(inside).endswith("Response") or not len(inside):
        raise Garbage("the answer has no result")
    return inside[0]


def _tree(body: bytes, text: str) -> Element:
    """Root of a document whose text is known. Raises `Garbage`."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise Garbage("the answer has a DOCTYPE")
    # The encoding is ours: a declared one could hide a DOCTYPE from the line above.
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True
    )
    try:
        return etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise Garbage(f"the answer is not XML: {_short(str(error))}") from error


def read_document(result: Element) -> Answer:
    """A DianResponse. Raises `Garbage` when it decides nothing."""
    code, valid = _short(_text(result, "StatusCode")), _text(result, "IsValid") == "true"
    errors = _child(result, "ErrorMessage")
    lines = () if errors is None else islice((each for each in errors if isinstance(each.tag, str)), _MOST_RULES)
    rules = tuple(_rule(each.text or "") for each in lines)
    description, message = _text(result, "StatusDescription"), _text(result, "StatusMessage")
    response = _signed(_bytes(_text(result, "XmlBase64Bytes")))
    return Answer(
        outcome=_outcome(code, description, valid=valid, rejected=any(rule.rejects for rule in rules)),
        status_code=code,
        message=_short(" ".join(part for part in (description, message) if part)),
        rules=rules,
        # Any field may be nil; the signed answer says it too.
        document_key=_short(_text(result, "XmlDocumentKey")) or _key_inside(response),
        file_name=_short(_text(result, "XmlFileName")),
        response=response,
    )


def read_documents(result: Element) -> tuple[Answer, ...]:
    """A list of DianResponse. Raises `Garbage` when it is empty."""
    found = tuple(read_document(each) for each in result if _local(each) == "DianResponse")
    if not found:
        raise Garbage("the answer lists no document")
    return found


def read_receipt(result: Element) -> Receipt:
    """An UploadDocumentResponse. Raises `Garbage` without key and without reason."""
    key = _short(_text(result, "ZipKey"))
    reasons = [_short(each.text or "") for each in islice(result.iterfind(".//{*}ProcessedMessage"), _MOST_RULES)]
    message = _short(" ".join(reason for reason in reasons if reason))
    accepted = "se encuentra aceptado" in message.lower()
    if key and not accepted:
        return Receipt(outcome=Outcome.PENDING, zip_key=key, message=message)
    if message:
        return Receipt(outcome=Outcome.SET_ACCEPTED if accepted else Outcome.REFUSED, message=message)
    raise Garbage("the answer has neither a key nor a reason")


def read_ranges(result: Element) -> Ranges:
    """A NumberRangeResponseList. Raises `Garbage` for a range that makes no sense."""
    code = _short(_text(result, "OperationCode"))
    if not code:
        raise Garbage("the answer has no code")
    refused = code in {"303", "401"}
    return Ranges(
        outcome=Outcome.REFUSED if refused else Outcome.ACCEPTED,
        code=code,
        message=_short(_text(result, "OperationDescription")),
        ranges=tuple(_range(each) for each in result.iterfind(".//{*}NumberRangeResponse")),
    )


def _outcome(code: str, description: str, *, valid: bool, rejected: bool) -> Outcome:
    if valid and code == _ACCEPTED and not rejected:
        return Outcome.ACCEPTED
    if code == _REJECTED and not valid:
        return Outcome.REJECTED
    if code == _IN_PROCESS or (not code and "en proceso" in description.lower()):
        return Outcome.PENDING
    if code == _NOT_THERE:
        return Outcome.ABSENT
    if code == _SET_ACCEPTED:
        return Outcome.SET_ACCEPTED
    if code == "89":
        return Outcome.REFUSED
    return Outcome.UNKNOWN


def _rule(line: str) -> Rule:
    """`Regla: <code>, Rechazo: <text>`. Cut first, and read from left to right: the line is a stranger's."""
    line = _short(line)
    head, comma, rest = line.partition(",")
    label, _, code = (part.strip() for part in head.partition(":"))
    effect, colon, text = (part.strip() for part in rest.partition(":"))
    if not (comma and colon and label == "Regla" and code and effect):
        # Of an unknown shape; the status code decides about the document, not this line.
        return Rule(code="", text=line, rejects=False)
    return Rule(code=code, text=text, rejects=effect.lower() == "rechazo")


def _range(node: Element) -> Range:
    try:
        authorized_on = _text(node, "ResolutionDate")
        return Range(
            authorization=_text(node, "ResolutionNumber"),
            authorized_on=date.fromisoformat(authorized_on[:10]) if authorized_on else None,
            prefix=_text(node, "Prefix"),
            first=int(_text(node, "FromNumber")),
            last=int(_text(node, "ToNumber")),
            valid_from=date.fromisoformat(_text(node, "ValidDateFrom")[:10]),
            valid_to=date.fromisoformat(_text(node, "ValidDateTo")[:10]),
            technical_key=_text(node, "TechnicalKey"),
        )
    except ValueError as error:
        raise Garbage("a numbering range of the answer has no sense") from error


def _bytes(text: str) -> bytes | None:
    if not text:
        return None
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise Garbage("the document inside the answer is not base64") from error


def _signed(response: bytes | None) -> bytes | None:
    """The answer inside an answer, if it is XML in UTF-8: anything else proves nothing, and is asked for again."""
    if response is None:
        return None
    try:
        _tree(response, response.decode("utf-8"))
    except (UnicodeDecodeError, Garbage):
        return None
    return response


def _key_inside(response: bytes | None) -> str:
    """UUID of the document that an ApplicationResponse speaks of; empty when it does not say."""
    if response is None:
        return ""
    try:
        root = _tree(response, response.decode("utf-8"))
    except (UnicodeDecodeError, Garbage):
        return ""
    return _short(root.findtext("{*}DocumentResponse/{*}DocumentReference/{*}UUID") or "")


def _child(parent: Element, name: str) -> Element | None:
    return next((each for each in parent if _local(each) == name), None)


def _text(parent: Element | None, name: str) -> str:
    found = None if parent is None else _child(parent, name)
    return "" if found is None or found.text is None else found.text.strip()


def _local(element: Element) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _short(text: str) -> str:
    return text.strip()[:_LONGEST]
