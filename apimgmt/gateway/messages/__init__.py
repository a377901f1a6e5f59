"""Results become responses: by Accept, as an envelope says, or as a problem; then compressed."""
