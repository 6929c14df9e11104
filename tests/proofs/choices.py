"""How a random customer pays, and how money goes back."""

import random
from fractions import Fraction

from tests.proofs.model import ZERO, Ticket

OTHERS = ("nequi", "debit-card", "transfer", "voucher")


def payments_of(r: random.Random, total: Fraction) -> list[tuple[str, Fraction]]:
    payments: list[tuple[str, Fraction]] = []
    rest = total
    for method in r.sample(OTHERS, r.choice([0, 0, 1, 2])):
        amount = Fraction(r.randint(1, max(1, int(rest * 100))), 100)
        payments.append((method, amount))
        rest -= amount
    if r.random() < 0.05:
        return [*payments, ("nequi", total + 1)]
    if r.random() < 0.05 and rest > 1:
        return [*payments, ("cash", rest - 1)]
    if rest > 0:
        payments.append(("cash", rest + (Fraction(r.randint(0, 10_000)) if r.random() < 0.5 else ZERO)))
    return payments


def refunds_of(r: random.Random, ticket: Ticket, due: Fraction) -> dict[str, Fraction]:
    refunds: dict[str, Fraction] = {}
    rest = due
    for method, amount in ticket.paid.items():
        given = min(max(amount, ZERO), rest)
        if given and r.random() < 0.8:
            refunds[method] = given
            rest -= given
    if rest > 0:
        method = "cash" if r.random() < 0.9 else r.choice(OTHERS)
        refunds[method] = refunds.get(method, ZERO) + rest
    if r.random() < 0.04:
        refunds["cash"] = refunds.get("cash", ZERO) + 1
    return refunds
