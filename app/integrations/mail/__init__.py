"""Sending mail by SMTP, and the messages' templates; knows no domain."""

from app.integrations.mail.sender import Mail, MailRefused, MailSender, MailUnavailable

__all__ = ["Mail", "MailRefused", "MailSender", "MailUnavailable"]
