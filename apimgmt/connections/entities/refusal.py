"""What databases and their drivers raise, as causes: by SQLSTATE (PostgreSQL, appendix A) or by type; never their text.

Their texts hold values of rows; what is passed on is the kind of the fault and the names of a constraint or a column.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from apimgmt.errors import ConnectionFailed

# SQLSTATE, or its class, the longest that fits
_STATES = {
    "08": ("unreachable", "the connection to the database broke off"),
    "22": ("request", "a value does not fit its column"),
    "23502": ("request", "a column needs a value"),
    "23503": ("request", "a row that is referred to is absent, or is still referred to"),
    "23505": ("request", "there is such a row already"),
    "23514": ("request", "a check of the table is not met"),
    "23": ("request", "a constraint of the table is not met"),
    "28": ("credential", "the database does not accept user and password"),
    "3D000": ("request", "there is no such database"),
    "40": ("database", "the database gave up because of another transaction; nothing was changed"),
    "42501": ("credential", "the user may not do this with the table"),
    "42": ("request", "the table or view does not allow this, or looks otherwise than it did"),
    "53": ("database", "the database has no room or no session left"),
    "55": ("database", "the table cannot be changed now"),
    "57014": ("timeout", "the database took longer than the connection's timeout"),
    "57": ("unreachable", "the database is shutting down or starting"),
}
# what libpq says before there is a SQLSTATE
_TEXTS = (
    ("password authentication failed", "credential", "the database does not accept user and password"),
    ("no password supplied", "credential", "the database asks for a password"),
    ("pg_hba.conf", "credential", "the database does not let this user in from here"),
    ("does not exist", "request", "there is no such database or user"),
    ("certificate verify failed", "certificate", "the certificate of the database is not trusted"),
    ("server certificate for", "certificate", "the certificate of the database is one for another host"),
    ("root certificate", "certificate", "there is no authority to check the certificate of the database with"),
    ("does not support SSL", "tls", "the database does not speak TLS"),
    ("SSL error", "tls", "TLS could not be agreed on"),
    ("Connection refused", "refused", "nothing listens there, or it may not be reached"),
    ("timeout expired", "timeout", "there was no answer in time"),
    ("No route to host", "unreachable", "there is no way to the host"),
    ("Network is unreachable", "unreachable", "there is no way to the host"),
    ("server closed the connection", "reset", "the database cut the connection off"),
    ("too many connections", "database", "the database has no session left"),
    ("starting up", "unreachable", "the database is shutting down or starting"),
    # the rest of the text may be in any language
    ("FATAL", "credential", "the database does not let this user in"),
)
_SQLITE = {
    "SQLITE_INTERRUPT": ("timeout", "the database took longer than the connection's timeout"),
    "SQLITE_BUSY": ("database", "somebody else writes to the database; nothing was changed"),
    "SQLITE_READONLY": ("credential", "the database may not be written to"),
    "SQLITE_FULL": ("database", "the disk of the database is full"),
    "SQLITE_NOTADB": ("request", "the file is not a SQLite database"),
    "SQLITE_CORRUPT": ("database", "the database is damaged"),
    "SQLITE_CONSTRAINT_UNIQUE": ("request", "there is such a row already"),
    "SQLITE_CONSTRAINT_PRIMARYKEY": ("request", "there is such a row already"),
    "SQLITE_CONSTRAINT_NOTNULL": ("request", "a column needs a value"),
    "SQLITE_CONSTRAINT_FOREIGNKEY": ("request", "a row that is referred to is absent, or is still referred to"),
    "SQLITE_CONSTRAINT": ("request", "a constraint of the table is not met"),
    "SQLITE_MISMATCH": ("request", "a value does not fit its column"),
}


def refusal(error: BaseException) -> ConnectionFailed:
    """The ConnectionFailed for an exception of SQLAlchemy, psycopg or sqlite3."""
    if isinstance(error, ConnectionFailed):
        return error
    if isinstance(error, sqlite3.Error):
        name = getattr(error, "sqlite_errorname", "") or ""
        for prefix in sorted(_SQLITE, key=len, reverse=True):
            if name.startswith(prefix):
                return ConnectionFailed(*_SQLITE[prefix])
        if isinstance(error, sqlite3.InterfaceError | sqlite3.ProgrammingError | sqlite3.DataError):
            return ConnectionFailed("request", "a value is of a kind that the database does not take")
        return ConnectionFailed("database", "the database could not do it")
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        return _by_state(error, state)
    text = str(error)
    for words, cause, detail in _TEXTS:
        if words in text:
            return ConnectionFailed(cause, detail)
    if type(error).__name__ == "TimeoutError":
        return ConnectionFailed("timeout", "all sessions with the database are in use")
    if type(error).__name__ in ("StatementError", "DataError", "ProgrammingError", "InterfaceError"):
        return ConnectionFailed("request", "a value does not fit its column")
    return ConnectionFailed("database", "the database could not do it")


def _by_state(error: Any, state: str) -> ConnectionFailed:
    for prefix in sorted(_STATES, key=len, reverse=True):
        if state.startswith(prefix):
            cause, detail = _STATES[prefix]
            diagnosis = getattr(error, "diag", None)
            name = getattr(diagnosis, "constraint_name", None) or getattr(diagnosis, "column_name", None)
            return ConnectionFailed(cause, f"{detail} ({name})" if name else detail)
    return ConnectionFailed("database", f"the database could not do it (SQLSTATE {state})")
