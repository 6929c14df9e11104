"""A second, plain reading of what a file of real sales refuses: no code of the product, written from its rule alone.

Lines that bring units back look through everything sold before them, newest first, for the same product and customer
with that many units left.
"""

import csv
from collections import Counter
from decimal import Decimal
from pathlib import Path


def refusals_of(path: Path) -> list[tuple[int, str]]:
    """Line number in the file (the header is 1) and reason of each line that is refused."""
    refused: list[tuple[int, str]] = []
    sold: list[dict[str, object]] = []
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            units = int(row["Quantity"])
            if not row["InvoiceNo"].startswith("C"):
                if units <= 0:
                    refused.append((number, "quantity-not-positive"))
                elif Decimal(row["UnitPrice"]) < 0:
                    refused.append((number, "price-negative"))
                else:
                    sold.append({"what": (row["StockCode"], row["CustomerID"]), "left": units})
                continue
            if units >= 0:
                refused.append((number, "return-without-units"))
                continue
            for line in sold[::-1]:
                left = line["left"]
                assert isinstance(left, int)
                if line["what"] == (row["StockCode"], row["CustomerID"]) and left + units >= 0:
                    line["left"] = left + units
                    break
            else:
                refused.append((number, "no-sale-to-return"))
    return refused


def pesos_of(path: Path) -> Decimal:
    """What the file's sold lines come to at 5,000 pesos a pound, each line to the cent."""
    without = {number for number, _ in refusals_of(path)}
    with path.open(encoding="utf-8", newline="") as file:
        return sum(
            (
                (Decimal(row["UnitPrice"]) * 5000 * int(row["Quantity"])).quantize(Decimal("0.01"))
                for number, row in enumerate(csv.DictReader(file), start=2)
                if number not in without and not row["InvoiceNo"].startswith("C")
            ),
            start=Decimal("0.00"),
        )


def count_of(path: Path) -> Counter[str]:
    """Refusals by reason."""
    return Counter(reason for _, reason in refusals_of(path))
