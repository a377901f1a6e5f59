"""Tables as entities, on SQLite and on PostgreSQL: what is asked for becomes SQL, what is given stays a value."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import json
import socket
import ssl
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pki
import pytest
import sqlalchemy
from databases import KINDS, Prepared, sqlite

from apimgmt.connections.configuration import Configuration
from apimgmt.connections.connection import Connection
from apimgmt.connections.entities.filters import MOST_VALUES
from apimgmt.connections.entities.location import located
from apimgmt.connections.entities.refusal import refusal
from apimgmt.errors import CAUSES, ConnectionFailed, SettingInvalid
from apimgmt.reading import read
from apimgmt.settings import Settings

ADA = {"id": 1, "name": "Ada", "age": 36, "born": "1815-12-10", "balance": "10.50", "active": True}
BOB = {"id": 2, "name": "Bob", "age": 17, "born": None, "balance": None, "active": False}
EVE = {"id": 3, "name": "Eve", "age": None, "born": "2001-02-03", "balance": "0.00", "active": True}
HOSTILE = (
    "'; DROP TABLE customers; --",
    '" OR ""="',
    "1 OR 1=1",
    "' UNION SELECT 1,'x',3,null,null,true --",
    "\\'; DELETE FROM customers; --",
    "%(name)s",
    ":name",
    "?",
    "{0}",
    "$1",
    "/* x */ --",
    "Robert'); ATTACH DATABASE 'x' AS y; --",
    "ʼ OR ʼ1ʼ=ʼ1",
    "\u202e' --",
)


@pytest.fixture(params=list(KINDS))
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Prepared]:
    """A database with the tables of ``databases.py``."""
    with KINDS[request.param](tmp_path) as prepared:
        yield prepared


@pytest.fixture
def connection(database: Prepared) -> Iterator[Connection]:
    """A connection to a database that has three customers."""
    made = database.connection()
    made.entity("customers").create([ADA, BOB, EVE])
    yield made
    made.close()


def ids(connection: Connection, **asked: Any) -> list[int]:
    """The ids of the customers that are asked for."""
    return [row["id"] for row in connection.entity("customers").list(order="id", **asked)]


def test_a_row_comes_back_with_the_types_of_its_columns(connection: Connection) -> None:
    """Dates and exact numbers are written as texts in JSON, and read as what they are."""
    assert connection.entity("customers").get(1) == {
        "id": 1,
        "name": "Ada",
        "age": 36,
        "born": datetime.date(1815, 12, 10),
        "balance": decimal.Decimal("10.50"),
        "active": True,
    }


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        pytest.param({}, [1, 2, 3], id="everything"),
        pytest.param({"name": "Ada"}, [1], id="equals"),
        pytest.param({"where": {"age": {"ge": 17, "lt": 36}}}, [2], id="ge-lt"),
        pytest.param({"where": {"age": {"gt": 17, "le": 36}}}, [1], id="gt-le"),
        pytest.param({"where": {"name": {"ne": "Ada"}}}, [2, 3], id="ne"),
        pytest.param({"where": {"id": {"in": [1, 3, 9]}}}, [1, 3], id="in"),
        pytest.param({"id": [2, 3]}, [2, 3], id="a-list"),
        pytest.param({"id": []}, [], id="in-nothing"),
        pytest.param({"where": {"name": {"like": "%b%"}}}, [2], id="like"),
        pytest.param({"age": None}, [3], id="none"),
        pytest.param({"where": {"age": {"null": False}}}, [1, 2], id="not-null"),
        pytest.param({"where": {"age": {"ne": None}}}, [1, 2], id="ne-none"),
        pytest.param({"where": {"born": {"gt": "1900-01-01"}}}, [3], id="date"),
        pytest.param({"where": {"balance": {"ge": "10.50"}}}, [1], id="exact"),
        pytest.param({"where": {"active": "true"}}, [1, 3], id="boolean"),
        pytest.param({"where": {"active": True}, "name": "Eve"}, [3], id="both"),
        pytest.param({"limit": 2}, [1, 2], id="limit"),
        pytest.param({"limit": 0}, [], id="limit-0"),
        pytest.param({"limit": 2, "offset": 2}, [3], id="offset"),
    ],
)
def test_filters_are_answered_by_the_database(connection: Connection, asked: dict[str, Any], found: list[int]) -> None:
    """Each operator means what it says, null included."""
    assert ids(connection, **asked) == found


def test_rows_are_json(connection: Connection) -> None:
    """Their names are plain texts: the driver's own are of a class that no writer of JSON takes."""
    customers = connection.entity("customers")
    rows = [customers.create({"id": 70, "name": "Zoe"}), customers.get(70), *customers.list(fields=["id"])]
    assert {type(name) for row in rows for name in row} == {str}
    assert orjson.loads(orjson.dumps(rows[0], default=str))["name"] == "Zoe"


def test_a_database_is_not_called_by_a_path(connection: Connection) -> None:
    """The error says what there is instead."""
    with pytest.raises(ConnectionFailed, match="use one of the entities"):
        connection.get("/customers")


def test_order_and_fields(connection: Connection) -> None:
    """The largest first with a minus; only the columns that are asked for come."""
    rows = connection.entity("customers").list(order=["-active", "-id"], fields=["name"])
    assert list(rows) == [{"name": "Eve"}, {"name": "Ada"}, {"name": "Bob"}]


def test_filters_travel_as_parameters_in_one_statement(connection: Connection) -> None:
    """What the database is sent has the filter, the order and the limit in it, and none of the values."""
    seen: list[tuple[str, Any]] = []
    customers = connection.entity("customers")
    engine = customers._database().engine
    sqlalchemy.event.listen(
        engine, "before_cursor_execute", lambda c, k, text, values, x, m: seen.append((text, values))
    )
    list(customers.list(where={"name": {"like": "Zed%"}, "age": {"gt": 4711}}, order="age", limit=7))
    ((text, values),) = seen
    assert "WHERE" in text and "LIKE" in text and "ORDER BY" in text and "LIMIT" in text
    assert "Zed" not in text and "4711" not in text
    assert {"Zed%", 4711, 7} <= set(values.values() if isinstance(values, dict) else values)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_value_stays_a_value(connection: Connection, database: Prepared, text: str) -> None:
    """It finds nothing that is not called so, it is stored and read as it is, and it harms nothing."""
    customers = connection.entity("customers")
    assert ids(connection, name=text) == []
    assert ids(connection, where={"name": {"in": [text], "ne": text}}) == []
    with pytest.raises(ConnectionFailed) as caught:
        ids(connection, age=text)
    assert caught.value.cause == "request"
    assert customers.create({"id": 4, "name": text})["name"] == text
    assert customers.update({"name": text + "!"}, name=text) == 1
    assert [row["id"] for row in customers.list(name=text + "!")] == [4]
    assert customers.delete(name=text + "!") == 1
    assert database.run("SELECT count(*) FROM customers") == [(3,)]


NO_COLUMNS = (*HOSTILE, "id; --", "customers.id", "Name", "", "id\x00")


@pytest.mark.parametrize("text", NO_COLUMNS, ids=range(len(NO_COLUMNS)))
def test_a_hostile_name_is_no_column(connection: Connection, text: str) -> None:
    """Names come from the reflected table alone, wherever a caller gives one."""
    customers = connection.entity("customers")
    for attempt in (
        lambda: list(customers.list(where={text: 1})),
        lambda: list(customers.list(order=[text or "-"])),
        lambda: list(customers.list(fields=[text])),
        lambda: list(customers.list(**{text: 1})),
        lambda: customers.create({"id": 9, text: 1}),
        lambda: customers.update({text: 1}, id=1),
        lambda: customers.delete(where={text: 1}),
        lambda: customers.get(**{text: 1}),
    ):
        with pytest.raises(ConnectionFailed) as caught:
            attempt()
        assert caught.value.cause == "request"


def test_text_in_the_statement_would_be_found(database: Prepared) -> None:
    """The naive way, values put into the text, fails on the hostile values that the entity withstands."""
    database.run("INSERT INTO customers (id, name) VALUES (1, 'Ada')")
    text = HOSTILE[3]
    naive = f"SELECT id, name, age, born, balance, active FROM customers WHERE name = '{text}'"
    assert database.run(naive) != []


@pytest.mark.parametrize(
    ("call", "words"),
    [
        pytest.param(lambda e: list(e.list(where={"age": {"about": 3}})), "no operator", id="operator"),
        pytest.param(lambda e: list(e.list(where={"age": {}})), "filter of 'age' is empty", id="empty"),
        pytest.param(lambda e: list(e.list(where={"age": {"in": "12"}})), "is a list", id="in-text"),
        pytest.param(lambda e: list(e.list(where={"age": {"in": [1, None]}})), "use `null`", id="in-null"),
        pytest.param(lambda e: list(e.list(where={"age": {"null": "no"}})), "true or false", id="null-text"),
        pytest.param(lambda e: list(e.list(where={"name": {"like": 5}})), "is a text", id="like-number"),
        pytest.param(lambda e: list(e.list(where={"age": {"like": "1%"}})), "for texts", id="like-on-a-number"),
        pytest.param(lambda e: list(e.list(where={"age": {"gt": None}})), "nothing is gt null", id="gt-null"),
        pytest.param(lambda e: list(e.list(where=5)), "`where` is an object", id="where-number"),
        pytest.param(lambda e: list(e.list(fields=5)), "`fields` is a name", id="fields-number"),
        pytest.param(lambda e: list(e.list(order=["age", 5])), "`order` is a name", id="order-number"),
        pytest.param(lambda e: list(e.list(limit=-1)), "from 0", id="limit-negative"),
        pytest.param(lambda e: list(e.list(limit=True)), "from 0", id="limit-true"),
        pytest.param(lambda e: list(e.list(offset="5")), "from 0", id="offset-text"),
        pytest.param(lambda e: list(e.list(age={"eq": {"a": 1}})), "no INTEGER", id="object"),
        pytest.param(lambda e: list(e.list(born="soon")), "no DATE", id="no-date"),
        pytest.param(lambda e: list(e.list(name="a\x00b")), "NUL", id="nul"),
        pytest.param(lambda e: e.update({"age": 1}), "a filter is needed", id="update-all"),
        pytest.param(lambda e: e.delete(), "a filter is needed", id="delete-all"),
        pytest.param(lambda e: e.delete(where={}), "a filter is needed", id="delete-where-nothing"),
        pytest.param(lambda e: e.update({}, id=1), "nothing to change", id="no-values"),
        pytest.param(lambda e: e.create(["Ada"]), "a row is an object", id="row-text"),
        pytest.param(lambda e: e.get(), "the key of 'customers' is: id", id="no-key"),
        pytest.param(lambda e: e.get(1, 2), "the key of 'customers' is: id", id="two-keys"),
        pytest.param(lambda e: e.get(name="Ada"), "the key of 'customers' is: id", id="another-key"),
        pytest.param(lambda e: e.create({"id": 9, "name": "Ada"}), "there is such a row already", id="twice"),
        pytest.param(lambda e: e.create({"id": 9}), "a column needs a value", id="not-null"),
    ],
)
def test_what_cannot_be_asked_is_told(connection: Connection, database: Prepared, call: Any, words: str) -> None:
    """Every refusal says what is wrong, and nothing is changed."""
    with pytest.raises(ConnectionFailed, match=words) as caught:
        call(connection.entity("customers"))
    assert caught.value.cause == "request"
    assert database.run("SELECT count(*) FROM customers") == [(3,)]


def test_in_takes_its_most_values_and_not_one_more(connection: Connection) -> None:
    """The limit, and one past it."""
    assert ids(connection, id=list(range(2, MOST_VALUES + 2))) == [2, 3]
    with pytest.raises(ConnectionFailed, match=str(MOST_VALUES)):
        ids(connection, id=list(range(MOST_VALUES + 1)))


def test_several_rows_are_inserted_all_or_none(connection: Connection) -> None:
    """One transaction: the row that cannot be stored takes the others with it."""
    customers = connection.entity("customers")
    with pytest.raises(ConnectionFailed):
        customers.create([{"id": 4, "name": "Dan"}, {"id": 5, "name": "Ada"}])
    assert ids(connection) == [1, 2, 3]
    assert [row["id"] for row in customers.create([{"id": 4, "name": "Dan"}, {"id": 5, "name": "Fay"}])] == [4, 5]


def test_update_and_delete_say_how_many(connection: Connection) -> None:
    """The number of rows that the filter met."""
    customers = connection.entity("customers")
    assert customers.update({"balance": "1.25"}, where={"active": True}) == 2
    assert customers.update({"balance": "1.25"}, id=99) == 0
    assert customers.get(3)["balance"] == decimal.Decimal("1.25")
    assert customers.delete(where={"id": {"gt": 1}}) == 2
    assert customers.get(2) is None


def test_a_key_of_several_columns(connection: Connection) -> None:
    """In the order of the key, or by name."""
    places = connection.entity("places")
    places.create([{"region": "n", "number": 1, "label": "a"}, {"region": "n", "number": 2, "label": "b"}])
    assert places.get("n", 2)["label"] == places.get(number=2, region="n")["label"] == "b"
    with pytest.raises(ConnectionFailed, match="region, number"):
        places.get("n")


def test_a_view_is_read_and_says_that_it_is_not_written(connection: Connection) -> None:
    """Reading needs only that its key is named; writing is refused, even where the database would do it."""
    adults = connection.entity("adults")
    assert adults.get(1) == {"id": 1, "name": "Ada"}
    for write in (
        lambda: adults.create({"id": 7, "name": "Gus"}),
        lambda: adults.update({"name": "Gus"}, id=1),
        lambda: adults.delete(id=1),
    ):
        with pytest.raises(ConnectionFailed, match="a view is only read"):
            write()


def test_fields_of_an_entity_hide_the_other_columns(database: Prepared) -> None:
    """What is not named is neither shown, nor filtered by, nor written."""
    entity = {"table": "customers", "schema": database.schema, "fields": [{"name": "id"}, {"name": "name"}]}
    made = database.connection({"few": entity})
    assert made.entity("few").create({"id": 1, "name": "Ada"}) == {"id": 1, "name": "Ada"}
    for call in (lambda: list(made.entity("few").list(balance=1)), lambda: made.entity("few").create({"age": 1})):
        with pytest.raises(ConnectionFailed, match="no member"):
            call()
    made.close()


def test_an_unknown_table_is_told(database: Prepared) -> None:
    """When it is first used; nothing is dialled before."""
    made = database.connection({"gone": {"table": "gone", "schema": database.schema}})
    with pytest.raises(ConnectionFailed, match="no table or view 'gone'"):
        list(made.entity("gone").list())
    made.close()


def test_a_long_statement_is_ended(database: Prepared) -> None:
    """A cross join of many rows takes longer than the connection's timeout allows."""
    database.run(
        "INSERT INTO places (region, number, label) VALUES (:r, :n, '')", *({"r": "x", "n": n} for n in range(400))
    )
    database.run("CREATE VIEW slow AS SELECT count(*) AS n FROM places a, places b, places c, places d")
    if database.schema:
        database.run(f"GRANT SELECT ON slow TO {database.schema}")
    made = database.connection({"slow": {"table": "slow", "schema": database.schema}}, timeout=0.5)
    with pytest.raises(ConnectionFailed) as caught:
        list(made.entity("slow").list())
    assert caught.value.cause == "timeout"
    made.close()


def test_a_list_that_is_left_gives_its_session_back(connection: Connection) -> None:
    """More lists than there are sessions can be begun and left."""
    for _ in range(30):
        rows = connection.entity("customers").list()
        next(rows)
        rows.close()


def test_the_pool_ends(database: Prepared) -> None:
    """With every session in use the next one waits as long as the timeout says, and no longer."""
    made = database.connection(timeout=1)
    made.entity("customers").create([ADA])
    held = [made.entity("customers").list() for _ in range(10)]
    for rows in held:
        next(rows)
    with pytest.raises(ConnectionFailed, match="in use") as caught:
        list(made.entity("customers").list())
    assert caught.value.cause == "timeout"
    for rows in held:
        rows.close()
    assert len(list(made.entity("customers").list())) == 1
    made.close()


def test_threads_share_the_pool(connection: Connection) -> None:
    """Twenty threads insert and read at once; every row is there."""
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            connection.entity("customers").create({"id": number, "name": f"n{number}"})
            assert connection.entity("customers").get(number)["name"] == f"n{number}"
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(100, 120)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [] and len(ids(connection)) == 23


ROWS = 100_000
# the highest memory of this process alone: that of getrusage begins with the one of its parent
LISTING = f"""
import json, re, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from databases import *
def highest():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
members, folder, schema, naive = json.loads(sys.stdin.read())
made = Prepared(None, members, Settings(data=folder), schema).connection()
rows = made.entity("customers").list()
next(rows)
before = highest()
count = 1 + (len(list(rows)) if naive else sum(1 for _ in rows))
print(count, highest() - before)
"""


def listed(database: Prepared, naive: bool) -> float:
    """The megabytes that listing all rows took more than the first one did; naively all of them are kept."""
    given = json.dumps([database.members, str(database.settings.root), database.schema, naive])
    done = subprocess.run([sys.executable, "-c", LISTING], input=given, capture_output=True, text=True, check=True)
    count, megabytes = done.stdout.split()
    assert int(count) == ROWS
    print(f"\n{count} rows: {float(megabytes):.1f} MB more{' if all are kept' if naive else ''}")
    return float(megabytes)


def test_many_rows_stream(database: Prepared) -> None:
    """100,000 rows of 200 bytes take less than 50 MB more memory than the first one did; kept, they take more."""
    if database.schema:
        fill = f"INSERT INTO customers (id, name) SELECT n, n || repeat('x', 200) FROM generate_series(1, {ROWS}) n"
        database.run(fill)
    else:
        rows = ({"id": number, "name": f"{number}{'x' * 200}"} for number in range(1, ROWS + 1))
        database.run("INSERT INTO customers (id, name) VALUES (:id, :name)", *rows)
    assert listed(database, naive=False) < 50 < listed(database, naive=True)


# ---- where a database may be --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////etc/passwd",
        "sqlite:///../secret.db",
        "sqlite:///a/b.db",
        "sqlite:///..",
        "sqlite:///.hidden",
        "sqlite:///file:x.db",
        "sqlite:///x.db?mode=memory",
        "sqlite:///x.db?",
        "sqlite:///:memory:",
        "sqlite://",
        "sqlite:///",
        "sqlite://host/x.db",
        "sqlite:///%2e%2e%2fsecret.db",
        "sqlite:///x.db#y",
        "sqlite+pysqlcipher:///x.db",
        "postgresql:///test",
        "postgresql://u:p@host/test",
        "postgresql://u@host/test",
        "postgresql://host",
        "postgresql://host/",
        "postgresql://host/a?host=/var/run/postgresql",
        "postgresql://host/a?options=-csearch_path%3Dx",
        "postgresql://host/a?service=x",
        "postgresql://host/a?sslmode=allow",
        "postgresql://host/a?sslmode=require&sslmode=disable",
        "postgresql://a,b/test",
        "postgresql://host/host%3D%2Fvar%2Frun",
        "postgresql://host:99999/test",
        "postgresql://host/a b",
        "mysql://host/test",
        "oracle://host/test",
        "http://host/test",
        "",
    ],
)
def test_only_two_kinds_of_places_are_databases(url: str) -> None:
    """Everything else is refused when the connection is made, before anything is opened or dialled."""
    members = {"type": "sql", "baseUrl": url, "authentication": {"kind": "basic", "username": "u", "password": "p"}}
    with pytest.raises(SettingInvalid) as caught:
        Connection("db", read(members, Configuration), {}, Settings())
    assert caught.value.pointer == "/baseUrl"


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        pytest.param({}, "/authentication/kind", id="nobody"),
        pytest.param({"proxy": {"url": "http://p:1"}}, "/proxy", id="proxy"),
    ],
)
def test_what_a_database_needs(members: dict[str, Any], pointer: str) -> None:
    """A user, and no HTTP proxy."""
    with pytest.raises(SettingInvalid) as caught:
        located(read({"type": "sql", "baseUrl": "postgresql://h/d", **members}, Configuration))
    assert caught.value.pointer == pointer


def test_a_file_that_leads_out_of_the_folder_is_not_opened(tmp_path: Path) -> None:
    """Neither a link, nor one that is absent: SQLite would make it."""
    with sqlite(tmp_path) as prepared:
        (tmp_path / "databases" / "link.db").symlink_to(tmp_path / "databases" / "crm.db")
        for name in ("link.db", "absent.db"):
            made = prepared.connection(baseUrl=f"sqlite:///{name}")
            with pytest.raises(ConnectionFailed, match="no file"):
                list(made.entity("customers").list())
            made.close()
        assert not (tmp_path / "databases" / "absent.db").exists()


def test_a_sqlite_opens_no_other_file(tmp_path: Path) -> None:
    """ATTACH is out of reach even for whoever could run SQL."""
    with sqlite(tmp_path) as prepared:
        made = prepared.connection()
        engine = made.entity("customers")._database().engine
        with engine.connect() as session, pytest.raises(sqlalchemy.exc.OperationalError, match="too many attached"):
            session.exec_driver_sql("ATTACH DATABASE ':memory:' AS other")
        made.close()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """It is told as what it is."""
    with sqlite(tmp_path) as prepared:
        (tmp_path / "databases" / "text.db").write_text("hello, this is not a database, and it is long enough to see")
        made = prepared.connection(baseUrl="sqlite:///text.db")
        with pytest.raises(ConnectionFailed, match="not a SQLite database"):
            list(made.entity("customers").list())
        made.close()


def postgresql_at(port: int, **members: Any) -> Connection:
    """A connection to a PostgreSQL on this machine."""
    given = {
        "type": "sql",
        "baseUrl": f"postgresql://localhost:{port}/test",
        "authentication": {"kind": "basic", "username": "u", "password": "s3cret-w0rd"},
        "timeout": 5,
        **members,
    }
    return Connection("db", read(given, Configuration), {"t": {"table": "t"}}, Settings())


def test_the_guard_stands_before_a_database() -> None:
    """An internal host that is not listed is not dialled: the listener sees nobody."""
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        made = postgresql_at(listener.getsockname()[1])
        with pytest.raises(ConnectionFailed) as caught:
            list(made.entity("t").list())
        assert caught.value.cause == "forbidden-address"
        with pytest.raises(TimeoutError):
            listener.accept()
        made.close()


def test_nobody_listens() -> None:
    """A refused connection is told as refused, without the password."""
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    made = postgresql_at(port, internalHosts=["localhost"])
    with pytest.raises(ConnectionFailed) as caught:
        list(made.entity("t").list())
    assert caught.value.cause == "refused"
    made.close()


class Asking:
    """A PostgreSQL that asks whoever comes for a password, keeps what it is told, and refuses (protocol version 3);
    with a ``certificate`` it speaks TLS."""

    def __init__(self, certificate: Path | None = None) -> None:
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if certificate else None
        if self._tls is not None and certificate is not None:
            self._tls.load_cert_chain(certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.startups: list[bytes] = []
        self.passwords: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                session, _ = self._listener.accept()
                with contextlib.suppress(OSError, struct.error), session:
                    self._greet(session)

    def _greet(self, session: socket.socket) -> None:
        start = session.recv(8, socket.MSG_WAITALL)
        if struct.unpack(">II", start)[1] == 80877103:  # SSLRequest
            session.sendall(b"S" if self._tls else b"N")
            if self._tls is not None:
                with self._tls.wrap_socket(session, server_side=True) as secure:
                    stream = secure.makefile("rwb")
                    self._talk(stream, stream.read(8))
                return
            start = session.recv(8, socket.MSG_WAITALL)
        self._talk(session.makefile("rwb"), start)

    def _talk(self, session: Any, start: bytes) -> None:
        length, _ = struct.unpack(">II", start)
        self.startups.append(session.read(length - 8))
        session.write(b"R" + struct.pack(">II", 8, 3))
        session.flush()
        _, length = struct.unpack(">cI", session.read(5))
        self.passwords.append(session.read(length - 4))
        fields = b"SFATAL\0C28P01\0Mplanted-detail of the server\0\0"
        session.write(b"E" + struct.pack(">I", 4 + len(fields)) + fields)
        session.flush()

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def asking() -> Iterator[Asking]:
    """A server that asks for a password."""
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    server = Asking()
    yield server
    server.close()


def test_user_and_password_are_those_of_the_connection(asking: Asking) -> None:
    """They are what is sent; a refusal is a fault of the credential, and says neither of them."""
    made = postgresql_at(asking.port, internalHosts=["localhost"])
    with pytest.raises(ConnectionFailed) as caught:
        list(made.entity("t").list())
    made.close()
    assert caught.value.cause == "credential"
    assert "s3cret" not in str(caught.value) and "planted" not in str(caught.value)
    assert b"user\0u\0" in asking.startups[0] and asking.passwords[0] == b"s3cret-w0rd\0"


@pytest.mark.parametrize(
    ("mode", "trusted", "cause"),
    [
        pytest.param("verify-full", "own", "credential", id="trusted"),
        pytest.param("verify-full", "other", "certificate", id="untrusted"),
        pytest.param("verify-full", "", "certificate", id="public-authorities-only"),
        pytest.param("verify-ca", "other", "certificate", id="verify-ca"),
        pytest.param("require", "", "credential", id="encrypted"),
    ],
)
def test_certificates_are_checked_before_the_password_is_sent(
    tmp_path: Path, mode: str, trusted: str, cause: str
) -> None:
    """A database whose certificate is not trusted learns neither user nor password."""
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    authorities = {"own": pki.authority("Own CA"), "other": pki.authority("Other CA")}
    asking = Asking(pki.server(authorities["own"]).save(tmp_path / "server.pem"))
    made = postgresql_at(
        asking.port,
        internalHosts=["localhost"],
        baseUrl=f"postgresql://localhost:{asking.port}/test?sslmode={mode}",
        tls={"authorities": authorities[trusted].pem if trusted else ""},
    )
    with pytest.raises(ConnectionFailed) as caught:
        list(made.entity("t").list())
    made.close()
    asking.close()
    assert caught.value.cause == cause
    assert bool(asking.passwords) is (cause == "credential")


def test_a_database_without_tls_is_refused_where_it_is_required(asking: Asking) -> None:
    """Nothing is sent to it."""
    url = f"postgresql://localhost:{asking.port}/test?sslmode=require"
    made = postgresql_at(asking.port, internalHosts=["localhost"], baseUrl=url)
    with pytest.raises(ConnectionFailed) as caught:
        list(made.entity("t").list())
    made.close()
    assert caught.value.cause == "tls" and asking.passwords == []


def test_the_environment_says_nothing(asking: Asking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PGHOST, PGUSER, PGOPTIONS and the like of whoever runs this are not looked at, nor is a file of passwords."""
    passwords = tmp_path / "pgpass"
    passwords.write_text("*:*:*:*:planted-password\n")
    passwords.chmod(0o600)
    for name, value in {
        "PGHOST": "192.0.2.1",
        "PGHOSTADDR": "192.0.2.1",
        "PGPORT": "1",
        "PGUSER": "planted",
        "PGDATABASE": "planted",
        "PGOPTIONS": "-c search_path=planted",
        "PGPASSWORD": "planted",
        "PGPASSFILE": str(passwords),
        "PGSSLMODE": "verify-full",
        "PGAPPNAME": "planted",
        "PGREQUIREAUTH": "scram-sha-256",
    }.items():
        monkeypatch.setenv(name, value)
    nobody = {"kind": "basic", "username": "u", "password": ""}
    for members in ({}, {"authentication": nobody}):
        made = postgresql_at(asking.port, internalHosts=["localhost"], **members)
        with pytest.raises(ConnectionFailed) as caught:
            list(made.entity("t").list())
        assert caught.value.cause == "credential"
        made.close()
    assert asking.passwords[0] == b"s3cret-w0rd\0"
    assert len(asking.startups) > 1 and not any(b"planted" in one for one in asking.startups + asking.passwords)


def test_a_user_without_the_right_is_told(database: Prepared) -> None:
    """What the database does not allow is a fault of the credential; SQLite: of the file."""
    if not database.schema:
        pytest.skip("SQLite knows no users")
    database.run(f"REVOKE DELETE ON customers FROM {database.schema}")
    made = database.connection()
    with pytest.raises(ConnectionFailed, match="may not do this") as caught:
        made.entity("customers").delete(id=1)
    assert caught.value.cause == "credential"
    made.close()


def test_messages_hold_no_values(connection: Connection) -> None:
    """Neither the row that was refused nor the statement: both could be anybody's."""
    with pytest.raises(ConnectionFailed) as caught:
        connection.entity("customers").create({"id": 1, "name": "planted-value"})
    assert "planted" not in str(caught.value) and "INSERT" not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


@pytest.mark.parametrize("error", [ValueError("x"), sqlalchemy.exc.ArgumentError("x"), RuntimeError("timeout expired")])
def test_every_fault_has_a_cause(error: Exception) -> None:
    """Whatever a driver may raise, there is a cause for it."""
    assert refusal(error).cause in CAUSES
