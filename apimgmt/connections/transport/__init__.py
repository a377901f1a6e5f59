"""How a call goes out and its answer comes in: over ``requests`` where code may block, over ``aiohttp`` on the loop."""
