"""Python functions as processes: found by name, called as they want to be, their results understood."""
