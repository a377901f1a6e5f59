"""Our own OAuth 2.0 authorization server (RFC 6749, 7009, 7636, 7662, 8414, 9068), composed from oauthlib's endpoints.

It runs beside the admin API and is reached through the gateway, which passes on what is below ``/oauth2/``. The
gateway verifies its tokens with the public keys in the snapshot, so they are accepted while the control plane is away.
"""
