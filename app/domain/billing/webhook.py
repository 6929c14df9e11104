"""The door of the provider's events."""

import time
from typing import Any

import msgspec
import structlog
from litestar import Controller, Request, post
from litestar.status_codes import HTTP_200_OK

from app.domain.billing.events import read_event, take
from app.integrations.stripe.signature import BadSignature, check_signature
from app.lib import clock
from app.lib.errors import Malformed, NotFound
from app.lib.schemas import Output
from app.settings import Settings

_LOG = structlog.stdlib.get_logger("mostrador.billing")


class ReceivedOut(Output):
    """That an event was taken."""

    received: bool


class StripeWebhookController(Controller):
    path = "/billing/webhooks/stripe"
    tags = ["Suscripción"]
    security = [{}]

    @post(operation_id="ReceiveStripeEvent", status_code=HTTP_200_OK)
    async def receive(self, request: Request[Any, Any, Any]) -> ReceivedOut:
        """Eventos firmados de Stripe: se guardan una sola vez y se atienden después."""
        settings: Settings = request.app.state.settings
        if not settings.stripe_webhook_secrets:
            raise NotFound("Esta instalación no cobra suscripciones.")
        body = await request.body()
        try:
            # Stripe's own clock, and so the real one: development moves ours.
            now = time.time() if settings.clock_file is None else clock.now().timestamp()
            check_signature(body, request.headers.get("stripe-signature", ""), settings.stripe_webhook_secrets, now)
        except BadSignature as refused:
            _LOG.warning("event refused", reason=str(refused))
            raise Malformed("La firma del evento no es válida.", code="bad-signature") from refused
        try:
            event = read_event(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            _LOG.warning("event unreadable", reason=str(error))
            raise Malformed("El evento no se puede leer.", code="malformed-event") from error
        await take(request.app.state.database, event)
        return ReceivedOut(received=True)
