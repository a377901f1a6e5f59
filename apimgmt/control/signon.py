"""Signing in to a connection: a person lets it act in their name at another system (C-016, C-017, S-47).

    POST /connections/{id}/authorize        a link, for a few minutes and once
    GET  /connections/authorize?ticket=     the link: marks the browser and leads it to the other system
    GET  /connections/callback?code=&state= where the other system leads it back to: our redirect URI

A state counts once, in the browser that was marked for it, and while the session of whoever began still lives. The
redirect URI comes from the settings, never from a request; the callback leads nowhere, it shows a page.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from apimgmt.connections.authentication.authorizationcode import SignedIn
from apimgmt.connections.authentication.tokenendpoint import REFUSALS
from apimgmt.connections.connection import Connection
from apimgmt.control.audit import acting
from apimgmt.control.authorization.server import is_safe
from apimgmt.control.connections import Connections
from apimgmt.control.pending import Pending
from apimgmt.control.publish import Publisher
from apimgmt.control.rows import ResourceRow, now
from apimgmt.control.sessions import Member
from apimgmt.control.store import Store
from apimgmt.control.transaction import Transaction
from apimgmt.digest import digest_of
from apimgmt.errors import ConnectionFailed, Problem
from apimgmt.settings import Settings

TICKET_SECONDS = 600.0
CALL_SECONDS = 60.0
START, CALLBACK = "/connections/authorize", "/connections/callback"
AGAIN = "Begin again with `apimgmt connections authorize` or POST /connections/{id}/authorize."


class SignOnRefused(Exception):
    """The browser is not led on; the message is shown to the person."""


class Departure(NamedTuple):
    """Where the browser is led, and the mark that it has to bring back, under a name of its own."""

    url: str
    name: str
    mark: str


class SignOn:
    """Begins, leads and ends sign-ins; ``clock`` gives Unix time."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        publisher: Publisher,
        connections: Connections,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._connections = connections
        self._clock = clock
        own = settings.admin_url.rstrip("/") or f"http://{_host(settings.admin_host)}:{settings.admin_port}"
        self._own = own
        self._tickets = Pending(settings, "signons", TICKET_SECONDS, clock)

    @property
    def redirect_uri(self) -> str:
        """Where the other system leads browsers back to; it has to be registered there, exactly so."""
        return f"{self._own}{CALLBACK}"

    @property
    def is_secure(self) -> bool:
        """Whether browsers come over https."""
        return self._own.startswith("https:")

    # ---- the admin API -------------------------------------------------------------------------------------------

    def begin(self, reference: str, member: Member) -> dict[str, Any]:
        """A link for the browser of whoever asks; raises Problem."""
        if not is_safe(self._own):
            detail = f"a code would cross the network in the clear: set admin_url to the https address of {self._own}"
            raise Problem("conflict", detail)
        with self._signed(reference) as (row, authentication):
            content = {
                "connection": row.id,
                "proof": authentication.proof,
                "who": member.name,
                "user": member.user,
                "login": member.login,
            }
        ticket, until = self._tickets.put({"step": "ticket", **content})
        url = f"{self._own}{START}?ticket={ticket}"
        return {"url": url, "redirectUri": self.redirect_uri, "expires": _time(until)}

    def view(self, reference: str) -> dict[str, Any]:
        """Whether somebody has signed in, and until when; raises Problem."""
        with self._signed(reference) as (_, authentication):
            token = authentication.token()
        lasts = token is not None and (token.refresh != "" or self._clock() < token.end)
        return {
            "redirectUri": self.redirect_uri,
            "signedIn": lasts,
            "since": _time(token.since) if token is not None and lasts else None,
            "expires": _time(token.expires) if token is not None and lasts and token.expires else None,
            "renewable": token is not None and token.refresh != "",
            "scopes": token.scopes if token is not None and lasts else "",
        }

    def end(self, reference: str) -> None:
        """Forget the tokens; every worker does so within a second. Raises Problem."""
        with self._signed(reference) as (row, authentication):
            authentication.discard()
        self._publish(row.id, "")

    # ---- the browser ---------------------------------------------------------------------------------------------

    def depart(self, ticket: str) -> Departure:
        """Where the holder of a ticket is led; raises SignOnRefused."""
        begun = self._tickets.take(ticket)
        if begun is None or begun["step"] != "ticket":
            raise SignOnRefused(f"This link was used already, or is older than ten minutes. {AGAIN}")
        self._check_session(begun)
        mark, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
        state, _ = self._tickets.put({**begun, "step": "state", "mark": digest_of(mark), "verifier": verifier})
        with self._present(begun) as authentication:
            url = authentication.authorize_url(self.redirect_uri, state, verifier)
        return Departure(url, mark_name(state), mark)

    def arrive(self, query: Mapping[str, list[str]], marks: Mapping[str, str]) -> str:
        """End a sign-in with what the browser brought back; the name of the connection. Raises SignOnRefused."""
        if any(len(values) > 1 for values in query.values()):
            raise SignOnRefused("A parameter came twice; nobody can say which one counts.")
        given = {name: values[0] for name, values in query.items()}
        state = given.get("state", "")
        # taken before anything is looked at: whatever comes of it, it counts no second time
        begun = self._tickets.take(state) if state else None
        if begun is None or begun["step"] != "state":
            raise SignOnRefused(f"This sign-in is not known: it ended already, or began too long ago. {AGAIN}")
        if not secrets.compare_digest(digest_of(marks.get(mark_name(state), "")), begun["mark"]):
            raise SignOnRefused(f"This sign-in was begun in another browser. {AGAIN}")
        self._check_session(begun)
        with self._present(begun) as authentication:
            _check_answer(given, authentication)
            with acting(begun["who"]):
                authentication.sign_in(given["code"], begun["verifier"], self.redirect_uri)
                return self._publish(begun["connection"], now()).name

    # ---- parts ---------------------------------------------------------------------------------------------------

    def _check_session(self, begun: Mapping[str, Any]) -> None:
        """Refuse if whoever began has logged out since; the administrator's token is no session."""
        if not begun["login"]:
            return
        with self._store.reading() as transaction:
            logins = transaction.logins(begun["user"])
        if not any(row.id == begun["login"] and self._clock() < row.expires for row in logins):
            raise SignOnRefused(f"The session in which this sign-in was begun has ended. Log in again. {AGAIN}")

    @contextmanager
    def _signed(self, reference: str) -> Iterator[tuple[ResourceRow, SignedIn]]:
        """The row of a connection that people sign in to, and its authentication; raises Problem."""
        with self._store.reading() as transaction:
            row = self._connections.found(transaction, reference)
        with self._opened(row.id) as authentication:
            if authentication is None:
                detail = f"nobody signs in to {row.name!r}: its authentication is not oauth2AuthorizationCode"
                raise Problem("conflict", detail)
            try:
                yield row, authentication
            except ConnectionFailed as failure:
                raise Problem("conflict", str(failure)) from None

    @contextmanager
    def _present(self, begun: Mapping[str, Any]) -> Iterator[SignedIn]:
        """The authentication of the connection that a sign-in was begun for, if it is still the same one."""
        try:
            with self._opened(begun["connection"]) as authentication:
                if authentication is None or authentication.proof != begun["proof"]:
                    raise SignOnRefused(f"The connection was changed after this sign-in was begun. {AGAIN}")
                yield authentication
        except Problem:
            raise SignOnRefused("The connection was removed after this sign-in was begun.") from None
        except ConnectionFailed as failure:
            raise SignOnRefused(f"The other system does not give out tokens: {failure}. {AGAIN}") from None

    @contextmanager
    def _opened(self, identity: str) -> Iterator[SignedIn | None]:
        connection: Connection = self._connections.opened(identity, CALL_SECONDS)
        try:
            authentication = connection.policy.authentication
            yield authentication if isinstance(authentication, SignedIn) else None
        finally:
            connection.close()

    def _publish(self, identity: str, signed_on: str) -> ResourceRow:
        """Let the gateway know, so that every worker takes up what is kept now."""

        def change(transaction: Transaction) -> ResourceRow:
            row = self._connections.found(transaction, identity)
            stored = msgspec.structs.replace(self._connections.stored(row), signed_on=signed_on)
            return self._connections.put(transaction, row, stored, row.name)

        row, _ = self._publisher.publish(change)
        return row


def _check_answer(given: Mapping[str, str], authentication: SignedIn) -> None:
    """Refuse what does not come from the server that the browser was led to, or is no code."""
    if not authentication.is_from(given.get("iss")):
        raise SignOnRefused("The answer comes from another server than the one that was asked (`issuer`).")
    error = given.get("error")
    if error is not None:
        known = f"{error}: {REFUSALS[error]}" if error in REFUSALS else "it does not say why"
        raise SignOnRefused(f"The other system has refused ({known}). {AGAIN}")
    if not given.get("code"):
        raise SignOnRefused(f"The other system has sent no code. {AGAIN}")


def mark_name(state: str) -> str:
    """The name of the cookie that belongs to a state: several sign-ins may go on in one browser."""
    return f"apimgmt-signon-{digest_of(state)[:16]}"


def _host(host: str) -> str:
    """An address on which is listened, as one that can be called."""
    if host in ("", "0.0.0.0", "::"):
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _time(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
