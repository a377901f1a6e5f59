"""A Connexion application: hello world in its three ways to answer."""

from connexion import NoContent, problem


def post_greeting(name: str, greeting: str = "Hello"):
    """A greeting; a status and a header where the caller wants another word."""
    if greeting != "Hello":
        return f"{greeting} {name}", 203, {"X-Word": greeting}
    return f"Hello {name}"


def get_nobody():
    """Nobody is there."""
    return NoContent, 204


def get_problem(reason=None):
    """A problem on purpose."""
    return problem(409, "Clash", reason or "it is so", type="urn:clash", ext={"more": 1})
