"""Two revisions of an API compared: what is added, changed, removed, and what of it breaks callers."""
