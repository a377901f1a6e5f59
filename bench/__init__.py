"""How fast the product is, beside its peers: ``python -m bench`` (see bench/README.md)."""
