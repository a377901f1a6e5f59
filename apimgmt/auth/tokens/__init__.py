"""OAuth 2 access tokens: read, verified against the issuer's keys, kept while they are good.

The token never decides how it is checked: the algorithm belongs to the key, the key comes from the issuer that an
administrator registered, and members of the header that name keys or critical extensions are refused (T26, C3).
"""
