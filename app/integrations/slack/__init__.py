"""Slack's incoming webhooks; knows no domain."""

from app.integrations.webhook import post_json


async def say(url: str, text: str) -> None:
    """Write a line into the channel of an incoming webhook. Raises `NotDelivered`."""
    # Slack reads these three as markup.
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    await post_json(url, {"text": escaped})
