"""What may be called: nothing but the public internet, unless an administrator lists the host (T43)."""
