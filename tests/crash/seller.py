"""The load: shops that sell, take goods back and sign up through the API until they are told to stop.

`python -m tests.crash.seller URL FOLDER CLIENTS SHOPS SECONDS_BETWEEN_SIGN_UPS [--only-sales]`. Writes `shops.json` when
the shops are open, `acknowledged.jsonl` as it goes, and `summary.json` after SIGTERM, when every request it began has
been settled: then each ticket in the books was acknowledged, and one more is one too many.
"""

import asyncio
import signal
import sys
import time
from collections import deque
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Literal

import msgspec
import uvloop
from uuid_utils.compat import uuid7

from app.cli.replay.wire import Answer, Wire
from app.lib.schemas import JSON
from tests.crash.client import Account, Insistence
from tests.crash.ledger import Acknowledged, Product, ShopRecord, Summary, Writer

Identity = Literal["key", "key-and-id", "id"]
"""By what a repeated request is known: its key, or the ticket's id under a new key each time."""
PRODUCTS = 24
STOCK = 10_000_000
OPENING = 200_000
SHARE_OF_RETURNS = 0.06
SHARE_SENT_AGAIN = 0.04
REMEMBERED = 40


class Sold(msgspec.Struct):
    """A finished request, kept to be sent again or to be taken back."""

    body: bytes
    key: str
    identity: Identity
    sale: Any
    record: Acknowledged


class Shop:
    """One company with an open drawer."""

    def __init__(self, account: Account, record: ShopRecord) -> None:
        self.account = account
        self.record = record


async def open_shop(account: Account, number: int) -> Shop:
    """Sign up, stock the shelves and open the drawer."""
    await account.sign_up()
    products: list[Product] = []
    for place in range(PRODUCTS):
        # Multiples of 50 pesos: cash needs no rounding, so the drawer is the plain sum of the tickets.
        price = 1_000 + 50 * (7 * number + 13 * place)
        body = {"sku": f"C-{place:03}", "name": f"Artículo {place}", "price": str(price), "taxClass": "iva19"}
        products.append(Product((await account.post("/v1/products", body))["id"], price))
    lines = [{"productId": each.id, "quantity": str(STOCK), "unitCost": "600.00"} for each in products]
    await account.post("/v1/inventory/adjustments", {"reason": "opening", "lines": lines})
    register = (await account.get("/v1/cash/registers"))["items"][0]["id"]
    session = await account.post("/v1/cash/sessions", {"registerId": register, "openingAmount": str(OPENING)})
    record = ShopRecord(
        tenant=account.tenant,
        email=account.email,
        password=account.password,
        session=session["id"],
        opening=OPENING,
        stock=STOCK,
        products=products,
    )
    return Shop(account, record)


class Seller:
    """All clients of one load."""

    def __init__(self, url: str, folder: Path, only_sales: bool) -> None:
        self._url = url
        self._folder = folder
        self._only_sales = only_sales
        self._writer = Writer(folder / "acknowledged.jsonl")
        self.insistence = Insistence()
        self.stopping = asyncio.Event()
        self.wrong: list[str] = []
        self.again = 0

    async def run(self, clients: int, shops: int, sign_ups: float) -> None:
        opened = [await open_shop(self._account(number), number) for number in range(shops)]
        self._write("shops.json", [shop.record for shop in opened])
        tasks = [self._client(number, opened[number % shops], number % shops) for number in range(clients)]
        if sign_ups:
            tasks.append(self._found_companies(sign_ups))
        await asyncio.gather(*tasks)
        summary = Summary(wrong=self.wrong, interrupted=dict(self.insistence.interrupted), again=self.again)
        self._write("summary.json", summary)

    def _account(self, number: int) -> Account:
        return Account(self.insistence, self._url, number)

    def _write(self, name: str, content: object) -> None:
        unfinished = self._folder / f"{name}.part"
        unfinished.write_bytes(msgspec.json.encode(content))
        unfinished.rename(self._folder / name)

    async def _client(self, number: int, shop: Shop, place: int) -> None:
        random = Random(number)
        wire = Wire(self._url)
        past: deque[Sold] = deque(maxlen=REMEMBERED)
        while not self.stopping.is_set():
            chance = random.random()
            if past and not self._only_sales and chance < SHARE_OF_RETURNS:
                await self._take_back(wire, shop, place, past.popleft())
            elif past and not self._only_sales and chance < SHARE_OF_RETURNS + SHARE_SENT_AGAIN:
                await self._send_again(wire, shop, random.choice(past))
            elif sold := await self._sell(wire, shop, place, random):
                past.append(sold)
        await wire.close()

    async def _sell(self, wire: Wire, shop: Shop, place: int, random: Random) -> Sold | None:
        products = shop.record.products
        lines = [(product, random.randint(1, 3)) for product in random.sample(range(len(products)), 3)]
        total = sum(products[product].price * units for product, units in lines)
        method = "cash" if random.random() < 0.8 else "nequi"
        identity: Identity = random.choice(("key", "key-and-id", "id"))
        body: dict[str, Any] = {
            "sessionId": shop.record.session,
            "lines": [{"productId": products[product].id, "quantity": str(units)} for product, units in lines],
            "payments": [{"method": method, "amount": str(total)}],
        }
        chosen = str(uuid7())
        if identity != "key":
            body["id"] = chosen
        key = uuid7().hex
        encoded = JSON.encode(body)
        began = time.perf_counter()
        answer, tries = await self._post(wire, shop, "/v1/sales", encoded, key, identity)
        milliseconds = (time.perf_counter() - began) * 1_000
        if answer.status not in {200, 201}:
            self._complain("sale", answer)
            return None
        sale = answer.json()
        if Decimal(sale["total"]) != total or (identity != "key" and sale["id"] != chosen):
            self.wrong.append(f"a sale of {total} under {chosen} was answered as {sale['id']} of {sale['total']}")
        record = Acknowledged(
            at=time.monotonic(),
            shop=place,
            kind="sale",
            id=sale["id"],
            key=key,
            total=sale["total"],
            method=method,
            lines=lines,
            milliseconds=milliseconds,
            tries=tries,
        )
        await self._writer.add(record)
        return Sold(encoded, key, identity, {"id": sale["id"], "line": sale["lines"][0]["id"]}, record)

    async def _take_back(self, wire: Wire, shop: Shop, place: int, sold: Sold) -> None:
        """One unit of the first line returns, by the tender it was paid with."""
        product = sold.record.lines[0][0]
        price = shop.record.products[product].price
        body = {
            "saleId": sold.sale["id"],
            "sessionId": shop.record.session,
            "lines": [{"saleLineId": sold.sale["line"], "quantity": "1"}],
            "refunds": [{"method": sold.record.method, "amount": str(price)}],
            "reason": "No era el tamaño",
        }
        key = uuid7().hex
        began = time.perf_counter()
        answer, tries = await self._post(wire, shop, "/v1/returns", JSON.encode(body), key, "key")
        if answer.status not in {200, 201}:
            self._complain("return", answer)
            return
        given = answer.json()
        record = Acknowledged(
            at=time.monotonic(),
            shop=place,
            kind="return",
            id=given["id"],
            key=key,
            total=given["total"],
            method=sold.record.method,
            lines=[(product, 1)],
            milliseconds=(time.perf_counter() - began) * 1_000,
            tries=tries,
        )
        await self._writer.add(record)

    async def _send_again(self, wire: Wire, shop: Shop, sold: Sold) -> None:
        """A till that did not hear the answer: the same request gets the same ticket, before and after a crash."""
        answer, _ = await self._post(wire, shop, "/v1/sales", sold.body, sold.key, sold.identity)
        if answer.status not in {200, 201}:
            self._complain("sale sent again", answer)
            return
        sale = answer.json()
        if (sale["id"], sale["total"]) != (sold.record.id, sold.record.total):
            self.wrong.append(f"sale {sold.record.id} sent again was answered as {sale['id']} of {sale['total']}")
        self.again += 1

    async def _post(
        self, wire: Wire, shop: Shop, path: str, body: bytes, key: str, identity: Identity
    ) -> tuple[Answer, int]:
        async def headers() -> dict[str, str]:
            return await shop.account.headers(uuid7().hex if identity == "id" else key)

        answer, tries = await self.insistence.send(wire, "POST", path, headers, body)
        if answer.status == 401:
            # The token ran out while the servers were away.
            shop.account.forget_token()
            answer, more = await self.insistence.send(wire, "POST", path, headers, body)
            tries += more
        return answer, tries

    async def _found_companies(self, seconds: float) -> None:
        """Each new company asks for a mail in the background: jobs under way at every kill."""
        while not self.stopping.is_set():
            account = self._account(0)
            began = time.perf_counter()
            tries = await account.sign_up()
            record = Acknowledged(
                at=time.monotonic(),
                shop=-1,
                kind="sign-up",
                id=account.tenant,
                key=account.email,
                milliseconds=(time.perf_counter() - began) * 1_000,
                tries=tries,
            )
            await self._writer.add(record)
            await account.close()
            try:
                async with asyncio.timeout(seconds):
                    await self.stopping.wait()
            except TimeoutError:
                continue

    def _complain(self, what: str, answer: Answer) -> None:
        self.wrong.append(f"{what}: {answer.status} {answer.body.decode(errors='replace')[:300]}")


async def main(words: list[str]) -> None:
    url, folder, clients, shops, sign_ups = words[:5]
    seller = Seller(url, Path(folder), "--only-sales" in words)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, seller.stopping.set)
    await seller.run(int(clients), int(shops), float(sign_ups))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1:]))
