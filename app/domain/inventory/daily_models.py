"""Tables of stock by day: made of the movements by `daily`, so that an old day is looked up and not added up."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import DefaultBase, Money, Quantity, TenantOwned


def _of_shelf() -> tuple[ForeignKeyConstraint]:
    columns = ["tenant_id", "product_id", "warehouse_id"]
    return (ForeignKeyConstraint(columns, [f"stock.{name}" for name in columns]),)


class StockDay(TenantOwned, DefaultBase):
    """What lay on a shelf at the end of a day on which something moved: the balance of the last movement by then.

    The newest row of a shelf has its last movement that was folded in: `stock.moves` beyond it are not yet.
    """

    __tablename__ = "stock_day"
    __table_args__ = _of_shelf()

    product_id: Mapped[UUID] = mapped_column(primary_key=True)
    warehouse_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    position: Mapped[int]
    """Of the movement whose balance this is."""
    quantity: Mapped[Quantity]
    value: Mapped[Money]
    moved_quantity: Mapped[Quantity]
    """What transfers brought to this shelf, less what they took, since ever: less the sum over all shelves is under way."""
    moved_value: Mapped[Money]


class StockGap(TenantOwned, DefaultBase):
    """A time in which a shelf was empty: from the movement that took its last unit until the next one."""

    __tablename__ = "stock_gap"
    __table_args__ = _of_shelf()

    product_id: Mapped[UUID] = mapped_column(primary_key=True)
    warehouse_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Of the movement that emptied it."""
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    """None while nothing came after it, as far as is folded in."""
