"""`mostrador bounce`: a report of the mail server on standard input marks the mailing that did not arrive.

For the alias of the address in MAIL_FROM, as `|mostrador bounce`. What is no report about a mailing of ours is passed over
with 0: a mail server would otherwise report about the report.
"""

import argparse
import asyncio
import os
import sys

from app.db.session import Database
from app.domain.invoicing.bounces import mailing_of, mark_bounced
from app.integrations.mail.bounces import LARGEST, read_bounce
from app.lib.jobs import Bell
from app.lib.redis import connect_redis
from app.settings import Settings, read_settings


def run(_arguments: argparse.Namespace) -> int:
    settings = read_settings(os.environ)
    print(asyncio.run(take(settings, sys.stdin.buffer.read(LARGEST))))
    return 0


async def take(settings: Settings, content: bytes) -> str:
    """Answers what was done with it."""
    bounce = read_bounce(content)
    found = None if bounce is None else mailing_of(bounce.message_id)
    if bounce is None or found is None:
        return "no report about a mailing of ours"
    tenant_id, delivery_id = found
    redis = connect_redis(settings)
    database = Database(settings, Bell(redis))
    try:
        async with database.job_transaction(tenant_id) as work:
            marked = await mark_bounced(work, delivery_id, bounce.reason)
    finally:
        await database.close()
        await redis.aclose()
    return (
        f"mailing {delivery_id} did not arrive"
        if marked
        else f"mailing {delivery_id} is unknown, or known to have failed"
    )
