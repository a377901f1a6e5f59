"""The plan of a revision: four lists, and what happens to each binding."""

from __future__ import annotations

from apimgmt.control.plan import plan
from apimgmt.model import Binding, CompiledApi, Operation, Parameter

ECHO, MOCK = Binding(kind="echo"), Binding(kind="mock")


def _api(*operations: Operation) -> CompiledApi:
    return CompiledApi(title="t", version="1", specification="3.0", operations=operations)


def _operation(path: str, operation_id: str | None = None, *parameters: Parameter) -> Operation:
    return Operation(key=f"get {path}", method="get", path=path, operation_id=operation_id, parameters=parameters)


def test_every_operation_of_both_revisions_is_in_one_list() -> None:
    """Added, changed, removed and kept together are all operations, none of them twice."""
    limit = Parameter(name="limit", location="query", required=True)
    old = _api(_operation("/stays"), _operation("/changes"), _operation("/goes"))
    new = _api(_operation("/stays"), _operation("/changes", None, limit), _operation("/comes"))
    result = plan(old, new, {}, MOCK)
    assert [[entry.key for entry in entries] for entries in result] == [
        ["get /comes"],
        ["get /changes"],
        ["get /goes"],
        ["get /stays"],
    ]


def test_a_changed_operation_says_what_changed_and_whether_it_breaks_callers() -> None:
    """A new required parameter is a breaking change; the binding stays."""
    limit = Parameter(name="limit", location="query", required=True)
    (entry,) = plan(_api(_operation("/a")), _api(_operation("/a", None, limit)), {"get /a": ECHO}, MOCK).changed
    assert (entry.happens, entry.binding) == ("stays bound", {"kind": "echo"})
    assert [change["breaking"] for change in entry.changes] == [True]
    assert "limit" in entry.changes[0]["message"]


def test_each_entry_shows_the_binding_that_counts() -> None:
    """A bound operation shows its own binding, the others the default of the API, whether they stay or go."""
    old, new = _api(_operation("/a"), _operation("/b")), _api(_operation("/b"), _operation("/c"))
    result = plan(old, new, {"get /a": ECHO}, MOCK)
    assert [entries[0].binding["kind"] for entries in (result.added, result.removed, result.kept)] == [
        "mock",
        "echo",
        "mock",
    ]


def test_an_operation_that_returns_is_told_from_a_new_one() -> None:
    """A kept binding is announced, and so is an operationId that has moved to another path."""
    result = plan(
        _api(_operation("/a", "one")), _api(_operation("/b", "one"), _operation("/c")), {"get /c": ECHO}, MOCK
    )
    assert {entry.key: entry.happens for entry in result.added} == {
        "get /b": "new; has the operationId of get /a, but the binding does not move by itself: bind it",
        "get /c": "returns with the binding that was kept",
    }
    assert [entry.renamed for entry in result.removed] == ["get /b"]
