"""Where customers may have us post, and that we reach nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from app.integrations.outbound.addresses import Refused, check_url, is_public
from app.integrations.outbound.post import EXCERPT, post_signed
from tests.domain.webhooks.receiver import receiver

HOSTILE = (
    "http://example.com/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://017700000001/",
    "https://0.0.0.0/",
    "https://10.0.0.8/",
    "https://172.16.3.4/",
    "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.100.100.200/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:a00:8]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b:1::1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:1::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fd00:ec2::254]/",
    "https://[ff02::1]/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://localhost/",
    "https://intranet/",
    "https://metadata.google.internal/",
    "https://caja.local/",
    "https://user:word@example.com/",
    "https://example.com\\@127.0.0.1/",
    "https://example.com:0/",
    "https://example.com:99999/",
    "https://exa mple.com/",
    "https://example.com/\r\nX: 1",
    "file:///etc/passwd",
    "gopher://example.com/",
    "//example.com/",
    "https://",
    "",
)
PRIVATE = (
    "127.0.0.1",
    "10.1.2.3",
    "192.168.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "::1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "2002:a00:1::",
    "fe80::1%eth0",
    "fd12::1",
    "ff02::1",
    "0.0.0.0",
    "192.0.2.1",
    "192.0.0.192",
    "64:ff9b::c000:c0",
    "168.63.129.16",
    "not an address",
)


@asynccontextmanager
async def trap() -> AsyncIterator[tuple[int, list[int]]]:
    """A port of the own machine that counts who connects."""
    came: list[int] = []

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(1)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], came


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_address_is_refused_when_it_is_written_down(url: str) -> None:
    with pytest.raises(Refused):
        check_url(url, strict=True)


@pytest.mark.parametrize("address", PRIVATE)
async def test_a_name_that_leads_inside_is_refused_before_anything_connects(address: str) -> None:
    async with trap() as (port, came):

        async def inside(_host: str, _port: int) -> list[str]:
            return ["93.184.216.34", address]

        answer = await post_signed(f"https://tienda.example.com:{port}/", b"{}", {}, strict=True, look_up=inside)
        assert (answer.status, answer.is_success) == (None, False)
        assert "red privada" in answer.error
        assert came == []
    assert not is_public(address)


@pytest.mark.parametrize("url", HOSTILE)
async def test_a_hostile_address_that_was_written_down_all_the_same_is_not_called(url: str) -> None:
    """As if the row had been written by somebody else."""
    async with trap() as (port, came):
        wanted = url.replace("127.0.0.1/", f"127.0.0.1:{port}/").replace("localhost/", f"localhost:{port}/")
        answer = await post_signed(wanted, b"{}", {}, strict=True)
        assert (answer.status, came) == (None, [])
        assert answer.error


async def test_the_name_is_resolved_once_and_the_checked_address_is_the_one_that_is_called() -> None:
    async with receiver() as inbox:
        asked: list[str] = []

        async def rebinding(host: str, _port: int) -> list[str]:
            asked.append(host)
            return ["127.0.0.1"] if len(asked) == 1 else ["192.0.2.1"]

        answer = await post_signed(
            f"http://tienda.example.com:{inbox.port}/a", b"{}", {"webhook-id": "1"}, strict=False, look_up=rebinding
        )
        assert (answer.status, asked) == (200, ["tienda.example.com"])
        assert inbox.got[0].headers["host"] == f"tienda.example.com:{inbox.port}"


async def test_a_redirect_is_an_answer_like_another() -> None:
    async with receiver() as inbox, trap() as (port, came):
        inbox.status, inbox.extra = 302, f"Location: http://127.0.0.1:{port}/\r\n"
        answer = await post_signed(inbox.url, b"{}", {}, strict=False)
        assert (answer.status, answer.is_success, came) == (302, False, [])


async def test_no_more_of_an_answer_is_read_than_is_kept() -> None:
    async with receiver() as inbox:
        inbox.answer = b"\xff\0" * 5_000_000
        answer = await post_signed(inbox.url, b"{}", {}, strict=False)
        assert answer.status == 200
        assert len(answer.excerpt) <= EXCERPT
        assert "\0" not in answer.excerpt


async def test_who_does_not_answer_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.integrations.outbound.post.TIMEOUT", 0.3)
    done = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        answer = await post_signed(f"http://127.0.0.1:{port}/", b"{}", {}, strict=False)
        done.set()
    assert (answer.status, "No respondió" in answer.error) == (None, True)
    assert answer.duration_ms < 3_000


async def test_a_port_where_nobody_is_and_a_server_without_tls_are_told() -> None:
    async with trap() as (port, _):
        closed = port
        no_tls = await post_signed(f"https://127.0.0.1:{port}/", b"{}", {}, strict=False)
    assert no_tls.status is None
    assert no_tls.error
    nobody = await post_signed(f"http://127.0.0.1:{closed}/", b"{}", {}, strict=False)
    assert (nobody.status, nobody.error) == (None, "No se pudo conectar.")
