"""What a company's own people should know of their shop: rules with thresholds, alerts with their life, mails by preference.

Looked at every five minutes by the worker. Owns `company_alert*`; what is asked of other domains is asked through them.
"""
