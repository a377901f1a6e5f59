"""Webhooks: events that we send, signed, repeated and recorded; and events that others send, checked and taken once.

Both follow Standard Webhooks 1.0: the signature is an HMAC-SHA256 over ``id.timestamp.body``.
"""
