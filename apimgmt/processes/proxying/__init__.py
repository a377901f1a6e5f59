"""What the process kind ``proxy`` is made of: expressions, the request that is sent, the answer that comes back."""
