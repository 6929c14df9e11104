"""Ways to pay at the counter."""

from typing import Final

METHODS: Final = ("cash", "debit-card", "credit-card", "transfer", "nequi", "daviplata", "check", "voucher")
"""As the contract names them. `credit` joins when receivables exist; until then it is refused by name."""

TENDER_COLUMNS: Final = {
    "cash": "cash",
    "debit-card": "debit_card",
    "credit-card": "credit_card",
    "transfer": "transfer",
    "nequi": "nequi",
    "daviplata": "daviplata",
    "check": "cheque",
    "voucher": "voucher",
    "rounding": "rounding",
}
"""Column of `cash_drawer` that keeps each tender's total; `check` is a reserved word in SQL."""

METHOD_NAMES: Final = {
    "cash": "Efectivo",
    "debit-card": "Tarjeta débito",
    "credit-card": "Tarjeta crédito",
    "transfer": "Transferencia",
    "nequi": "Nequi",
    "daviplata": "Daviplata",
    "check": "Cheque",
    "voucher": "Bono",
    "rounding": "Redondeo",
}
"""What a shop reads on tickets and reports."""
