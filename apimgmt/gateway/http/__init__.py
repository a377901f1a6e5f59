"""HTTP/1.1 as bytes: framing, connections, exchanges and their deadlines. Nothing here knows what an API is."""
