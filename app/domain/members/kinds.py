"""Acts that somebody may have to have approved, and the permission that approves each."""

from typing import Final

from app.domain.members.schemas import ApprovalKind

APPROVES: Final[dict[ApprovalKind, str]] = {
    "void": "sales:approve",
    "cash-difference": "cash:approve",
    "discount": "sales:approve",
    "below-cost": "sales:approve",
}
"""Who holds the permission approves others' acts, and needs nobody for their own."""

FIELDS: Final[dict[ApprovalKind, tuple[str, ...]]] = {
    "void": ("sale_id",),
    "cash-difference": ("session_id", "counted_cash"),
    "discount": ("session_id", "discount"),
    "below-cost": ("session_id", "product_ids", "total"),
}
"""What of the subject names the act."""
