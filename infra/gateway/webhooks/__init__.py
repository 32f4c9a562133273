"""Webhooks out: signed as Standard Webhooks says, in order, at least once, for a day."""
