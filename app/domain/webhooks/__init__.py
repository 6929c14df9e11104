"""Outgoing webhooks: what a company's other systems are told of, read off the audit chain and delivered by the worker.

Owns endpoints, their secrets, events, deliveries and their log.
"""
