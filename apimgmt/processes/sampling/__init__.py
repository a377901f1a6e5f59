"""Values made from schemas: what a mock answers where a document has no example."""
