"""The operator's staff as other domains ask for them."""

from uuid import UUID

from sqlalchemy import select

from app.db.session import Database
from app.domain.provider.models import ProviderUser


async def find_person(database: Database, user_id: UUID) -> ProviderUser | None:
    """Somebody of the staff, active or not."""
    async with database.platform_transaction() as session:
        found: ProviderUser | None = await session.scalar(select(ProviderUser).where(ProviderUser.id == user_id))
    return found


async def active_people(database: Database) -> list[ProviderUser]:
    """Everybody who is in, by name."""
    async with database.platform_transaction() as session:
        found = await session.scalars(
            select(ProviderUser).where(ProviderUser.is_active).order_by(ProviderUser.name, ProviderUser.id)
        )
        return list(found)
