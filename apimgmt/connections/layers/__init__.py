"""What stands between a call and its requests: authentication, retries, budget, breaker, limit, debug log; no I/O."""
