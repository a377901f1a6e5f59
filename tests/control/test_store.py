"""The store: tables, one writer at a time, all or nothing."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import IntegrityError

from apimgmt.control.rows import ResourceRow, SnapshotRow, now
from apimgmt.control.store import Store
from apimgmt.control.tables import metadata
from apimgmt.errors import SettingInvalid
from apimgmt.settings import Settings


def _row(number: int) -> SnapshotRow:
    return SnapshotRow(number=number, digest="0" * 64, created="2030-01-01T00:00:00.000Z")


def test_migrations_make_the_tables_that_the_code_uses(store: Store) -> None:
    """After the migrations there is no difference between the database and ``tables``."""
    with store.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_second_start_goes_on_where_the_first_stopped(settings: Settings, store: Store) -> None:
    """Opening the same database again keeps what is in it."""
    with store.writing() as transaction:
        transaction.add_snapshot(_row(4))
    store.close()
    again = Store(settings)
    with again.reading() as transaction:
        assert transaction.next_number() == 5
    again.close()


def test_many_can_start_at_the_same_moment(settings: Settings) -> None:
    """Eight openings of an empty database at once: the migrations run once and none of them fails."""
    errors: list[BaseException] = []

    def start() -> None:
        try:
            Store(settings).close()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_block_that_raises_changes_nothing(store: Store) -> None:
    """A writing transaction is undone as a whole."""
    with pytest.raises(ZeroDivisionError), store.writing() as transaction:
        transaction.add_snapshot(_row(1))
        raise ZeroDivisionError
    with store.reading() as transaction:
        assert transaction.snapshot() is None


def test_a_reader_cannot_write(store: Store) -> None:
    """What is written in a reading transaction is not kept."""
    with store.reading() as transaction:
        transaction.add_snapshot(_row(1))
    with store.reading() as transaction:
        assert transaction.snapshot() is None


def test_writers_take_turns(store: Store) -> None:
    """Eight threads that read the next number and then write it lose no number and meet no error."""

    def write() -> None:
        for _ in range(5):
            with store.writing() as transaction:
                transaction.add_snapshot(_row(transaction.next_number()))

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.reading() as transaction:
        assert transaction.next_number() == 41


def test_sqlite_has_a_rollback_journal_and_full_sync(tmp_path: Path) -> None:
    """SQLite is not in WAL mode and syncs fully (reliability.md F18)."""
    store = Store(Settings(data=str(tmp_path)))
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    store.close()


@pytest.mark.parametrize("url", ["mysql://host/name", "no url at all"])
def test_an_unknown_database_is_refused(tmp_path: Path, url: str) -> None:
    """A database that we do not know is refused with the name of the setting."""
    with pytest.raises(SettingInvalid, match="database_url"):
        Store(Settings(data=str(tmp_path), database_url=url))


def test_the_password_of_the_database_is_not_shown(tmp_path: Path) -> None:
    """An unusable URL is not repeated in the error: it may hold a password."""
    with pytest.raises(SettingInvalid) as caught:
        Store(Settings(data=str(tmp_path), database_url="mysql://me:hunter2@host/name"))
    assert "hunter2" not in str(caught.value)


def test_an_error_shows_no_values(store: Store) -> None:
    """Errors of the database end in logs, and values are hashes of passwords and the like (T18)."""
    row = ResourceRow(id="user_1", kind="user", name="ann", content='"planted-secret"', version=1, created=now())
    with pytest.raises(IntegrityError) as caught, store.writing() as transaction:
        transaction.put_resource(row)
        transaction.put_resource(msgspec.structs.replace(row, id="user_2"))
    assert "planted-secret" not in str(caught.value)
