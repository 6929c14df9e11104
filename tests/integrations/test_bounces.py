"""Reports of mail servers, as strangers write them."""

import pytest

from app.integrations.mail.bounces import read_bounce

REPORT = b"""Content-Type: multipart/report; boundary=x

--x
Content-Type: message/delivery-status

Reporting-MTA: dns; a

Action: failed
Status: 5.1.1

--x
Content-Type: text/rfc822-headers

Message-ID: <a@b>

--x--
"""


@pytest.mark.parametrize(
    "content",
    [
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(1200)) + b"\nx\n",
        b"Content-Type: message/rfc822\n\n" * 1500 + b"a: b\n\nx",
    ],
    ids=["multipart", "message"],
)
def test_parts_inside_parts_are_no_report(content: bytes) -> None:
    assert read_bounce(content) is None
    assert read_bounce(REPORT + content) is None


def test_a_report_with_the_message_it_is_about() -> None:
    found = read_bounce(REPORT)
    assert found is not None
    assert (found.message_id, found.reason) == ("<a@b>", "5.1.1")
