"""psycopg 3, sync, with its pool: parameters by the extended protocol, text and binary, prepared after some uses, pipelines."""

from decimal import Decimal

import psycopg
from psycopg.types.json import Json
from psycopg_pool import ConnectionPool

from steps import TYPED_COLUMNS, TYPED_ROW, Steps, literal, samples


def run(connection, text, values=None, **how):
    """Rows where there are any, else the command tag."""
    cursor = connection.execute(text, values, **how)
    return cursor.fetchall() if cursor.description else cursor.statusmessage


def connecting():
    step = Steps("connect")
    connection = psycopg.connect("")
    step("connects", lambda: connection.info.status.name)
    step("server version", lambda: connection.info.server_version // 10000)
    step(
        "parameter status",
        lambda: [
            connection.info.parameter_status(n) for n in ("DateStyle", "TimeZone", "server_encoding", "client_encoding")
        ],
    )
    step("isolation level", lambda: run_serializable(connection))
    step("options", lambda: run(psycopg.connect("", options="-c statement_timeout=7s"), "SHOW statement_timeout"))
    step("type look-up", lambda: psycopg.types.TypeInfo.fetch(connection, "hstore"))
    step("two statements", lambda: run(connection, "SELECT 1; SELECT 2"))
    connection.close()
    step("application name", lambda: run(psycopg.connect("", application_name="interop"), "SHOW application_name"))


def run_serializable(connection):
    connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
    level = run(connection, "SHOW transaction_isolation")
    connection.rollback()
    return level


def pooling():
    step = Steps("pool")
    with ConnectionPool("", min_size=1, max_size=3, open=True, timeout=10) as pool:
        pool.wait(10)

        def two():
            with pool.connection() as first, pool.connection() as second:
                return run(first, "SELECT 1"), run(second, "SELECT 2")

        def broken():
            with pool.connection() as connection:
                run(connection, "SELECT 1 / 0")

        def check():
            with pool.connection() as connection:
                ConnectionPool.check_connection(connection)
                return run(connection, "SELECT 3"), connection.info.transaction_status.name

        step("two at once", two)
        step("one goes back after an error", broken)
        step("and is clean", check)


def tables(connection):
    step = Steps("tables", connection.rollback)
    step("drop", lambda: run(connection, "DROP TABLE IF EXISTS p3_items"))
    step(
        "create",
        lambda: run(
            connection,
            "CREATE TABLE p3_items (id int PRIMARY KEY, name text NOT NULL, price numeric(10,2) DEFAULT 1.5)",
        ),
    )
    connection.commit()
    step("insert", lambda: run(connection, "INSERT INTO p3_items VALUES (%s, %s, %s)", (1, "one", Decimal("9.99"))))
    step(
        "insert with a default",
        lambda: run(connection, "INSERT INTO p3_items (id, name) VALUES (%(id)s, %(name)s)", {"id": 2, "name": "it's"}),
    )
    step(
        "upsert",
        lambda: run(
            connection, "INSERT INTO p3_items VALUES (1, 'uno') ON CONFLICT (id) DO UPDATE SET name = excluded.name"
        ),
    )
    step("select", lambda: run(connection, "SELECT * FROM p3_items ORDER BY id"))
    step("select in binary", lambda: run(connection, "SELECT * FROM p3_items ORDER BY id", binary=True))
    step("update", lambda: run(connection, "UPDATE p3_items SET price = price * 2 WHERE id = %s", (2,)))
    step("parameter without a type", lambda: run(connection, "SELECT %s", ("x",)))
    step("parameter of an expression", lambda: run(connection, "SELECT id + %s FROM p3_items ORDER BY 1", (1,)))
    step("limit", lambda: run(connection, "SELECT id FROM p3_items ORDER BY id LIMIT %s OFFSET %s", (1, 1)))
    step("delete", lambda: run(connection, "DELETE FROM p3_items WHERE name LIKE %s", ("it%",)))
    connection.commit()
    step("count", lambda: run(connection, "SELECT count(*) FROM p3_items"))


def batches(connection):
    step = Steps("batches", connection.rollback)
    run(connection, "DROP TABLE IF EXISTS p3_batch")
    run(connection, "CREATE TABLE p3_batch (id int PRIMARY KEY, v text)")
    connection.commit()
    cursor = connection.cursor()

    def many():
        cursor.executemany("INSERT INTO p3_batch VALUES (%s, %s)", [(i, str(i)) for i in range(200)])
        return cursor.rowcount

    def many_returning():
        cursor.executemany(
            "INSERT INTO p3_batch VALUES (%s, %s) RETURNING id", [(i, "r") for i in range(200, 205)], returning=True
        )
        ids = [cursor.fetchone()]
        while cursor.nextset():
            ids.append(cursor.fetchone())
        return ids

    def pipeline():
        with connection.pipeline():
            results = [connection.execute("INSERT INTO p3_batch VALUES (%s, %s)", (i, None)) for i in range(300, 400)]
            total = connection.execute("SELECT count(*) FROM p3_batch WHERE id >= 300")
        return sum(r.rowcount for r in results), total.fetchone()

    def broken_pipeline():
        with connection.pipeline():
            connection.execute("INSERT INTO p3_batch VALUES (1000, 'x')")
            connection.execute("INSERT INTO p3_batch VALUES (1000, 'y')")
            connection.execute("INSERT INTO p3_batch VALUES (1001, 'z')")

    step("executemany", many)
    step("executemany returning", many_returning)
    step("pipeline", pipeline)
    connection.commit()
    step("error in a pipeline", broken_pipeline)
    step(
        "rows", lambda: run(connection, "SELECT count(*), count(v), sum(id) FROM p3_batch WHERE id < 200 OR id >= 300")
    )
    connection.rollback()


def errors(connection):
    step = Steps("errors", connection.rollback)
    run(connection, "DROP TABLE IF EXISTS p3_errors")
    run(connection, "CREATE TABLE p3_errors (id int PRIMARY KEY, n int NOT NULL)")
    run(connection, "INSERT INTO p3_errors VALUES (1, 1)")
    connection.commit()
    step("duplicate key", lambda: run(connection, "INSERT INTO p3_errors VALUES (%s, 2)", (1,)))
    step("its details", lambda: details(connection))
    step("null in NOT NULL", lambda: run(connection, "INSERT INTO p3_errors VALUES (2, %s)", (None,)))
    step("syntax", lambda: run(connection, "SELEC 1"))
    step("unknown table", lambda: run(connection, "SELECT * FROM p3_nothing WHERE id = %s", (1,)))
    step("unknown column", lambda: run(connection, "SELECT nothing FROM p3_errors"))
    step("unknown function", lambda: run(connection, "SELECT nothing(1)"))
    step("division by zero", lambda: run(connection, "SELECT 1 / %s", (0,)))
    step("out of range", lambda: run(connection, "INSERT INTO p3_errors VALUES (%s, 1)", (2**40,)))
    step("text where a number is wanted", lambda: run(connection, "SELECT * FROM p3_errors WHERE id = %s", ("x",)))
    step("no such operator", lambda: run(connection, "SELECT id || id FROM p3_errors"))
    failing = Steps("errors")
    failing("a write before", lambda: run(connection, "INSERT INTO p3_errors VALUES (3, 3)"))
    failing("error inside a transaction", lambda: run(connection, "SELECT 1 / 0"))
    failing("status", lambda: connection.info.transaction_status.name)
    failing("transaction is aborted", lambda: run(connection, "SELECT 1"))
    failing("commit of it", connection.commit)
    failing("nothing of it stayed", lambda: run(connection, "SELECT * FROM p3_errors"))
    connection.rollback()


def details(connection):
    """What a driver tells of an error beside its text."""
    try:
        run(connection, "INSERT INTO p3_errors VALUES (1, 2)")
    except psycopg.Error as error:
        connection.rollback()
        d = error.diag
        return type(error).__name__, d.severity, d.message_detail, d.schema_name, d.table_name, d.constraint_name
    return None


def savepoints(connection):
    step = Steps("savepoints", connection.rollback)
    run(connection, "DROP TABLE IF EXISTS p3_save")
    run(connection, "CREATE TABLE p3_save (id int PRIMARY KEY)")
    connection.commit()

    def nested():
        with connection.transaction():
            run(connection, "INSERT INTO p3_save VALUES (1)")
            try:
                with connection.transaction():
                    run(connection, "INSERT INTO p3_save VALUES (2)")
                    with connection.transaction("inner"):
                        run(connection, "INSERT INTO p3_save VALUES (1)")
            except psycopg.errors.UniqueViolation as error:
                run(connection, "INSERT INTO p3_save VALUES (3)")
                return error.sqlstate, run(connection, "SELECT * FROM p3_save ORDER BY id")

    def taken_back():
        with connection.transaction() as outer:
            run(connection, "DELETE FROM p3_save")
            raise psycopg.Rollback(outer)

    step("nested blocks", nested)
    step("block that is taken back", taken_back)
    step("rows", lambda: run(connection, "SELECT * FROM p3_save ORDER BY id"))
    connection.rollback()


def returning(connection):
    step = Steps("returning", connection.rollback)
    run(connection, "DROP TABLE IF EXISTS p3_ret")
    run(connection, "CREATE TABLE p3_ret (id int PRIMARY KEY, v text)")
    connection.commit()
    step("insert", lambda: run(connection, "INSERT INTO p3_ret VALUES (%s, 'a'), (%s, 'b') RETURNING *", (1, 2)))
    step(
        "upsert",
        lambda: run(
            connection,
            "INSERT INTO p3_ret VALUES (2, 'c') ON CONFLICT (id) DO UPDATE SET v = excluded.v RETURNING id, v || '!' AS shout",
        ),
    )
    step(
        "nothing done",
        lambda: run(connection, "INSERT INTO p3_ret VALUES (1, 'z') ON CONFLICT DO NOTHING RETURNING id"),
    )
    step(
        "update in binary",
        lambda: run(connection, "UPDATE p3_ret SET v = upper(v) WHERE id < %s RETURNING id, v", (3,), binary=True),
    )
    step("delete", lambda: run(connection, "DELETE FROM p3_ret WHERE id = 1 RETURNING v"))
    connection.rollback()


def arrays(connection):
    step = Steps("arrays", connection.rollback)
    run(connection, "DROP TABLE IF EXISTS p3_arr")
    run(connection, "CREATE TABLE p3_arr (id int PRIMARY KEY)")
    run(connection, "INSERT INTO p3_arr VALUES (1), (2), (3), (4)")
    connection.commit()
    for name, how in (("text", "%s"), ("binary", "%b")):
        step(
            f"= ANY of a list, {name}",
            lambda: run(connection, f"SELECT id FROM p3_arr WHERE id = ANY({how}) ORDER BY id", ([2, 4, 9],)),
        )
        step(
            f"<> ALL of a list, {name}",
            lambda: run(connection, f"SELECT id FROM p3_arr WHERE id <> ALL({how}) ORDER BY id", ([2, 4],)),
        )
        step(f"texts, {name}", lambda: run(connection, f"SELECT {how}::text[]", (["a", None, "b,c"],)))
    step("an empty list", lambda: run(connection, "SELECT id FROM p3_arr WHERE id = ANY(%s)", ([],)))
    step("a list in binary", lambda: run(connection, "SELECT %s::int8[], %s::bool[]", ([1, 2], [True]), binary=True))
    step("unnest", lambda: run(connection, "INSERT INTO p3_arr SELECT * FROM unnest(%s::int[])", ([10, 11],)))
    connection.rollback()


def keys(connection):
    step = Steps("keys", connection.rollback)
    run(connection, "DROP TABLE IF EXISTS p3_serial")
    connection.commit()
    step("bigserial", lambda: run(connection, "CREATE TABLE p3_serial (id bigserial PRIMARY KEY, v text DEFAULT 'd')"))
    connection.commit()
    step("insert", lambda: run(connection, "INSERT INTO p3_serial (v) VALUES (%s), (DEFAULT)", ("a",)))
    step("default values", lambda: run(connection, "INSERT INTO p3_serial DEFAULT VALUES"))
    step(
        "id comes back", lambda: run(connection, "INSERT INTO p3_serial (v) VALUES ('x') RETURNING id > 0 AS positive")
    )
    step(
        "ids are distinct",
        lambda: run(connection, "SELECT count(DISTINCT id) = count(*), max(id) = lastval() FROM p3_serial"),
    )
    connection.rollback()


def cursors(connection):
    step = Steps("cursors", connection.rollback)
    run(connection, "DROP TABLE IF EXISTS p3_cur")
    run(connection, "CREATE TABLE p3_cur (id int PRIMARY KEY, v text)")
    connection.cursor().executemany("INSERT INTO p3_cur VALUES (%s, %s)", [(i, "x" * (i % 7)) for i in range(250)])
    connection.commit()

    def stream(binary):
        with connection.cursor(name="stream", binary=binary) as cursor:
            cursor.itersize = 100
            cursor.execute("SELECT id, v FROM p3_cur WHERE id >= %s ORDER BY id", (10,))
            return sum(row[0] + len(row[1]) for row in cursor), [c.name for c in cursor.description]

    def single_rows():
        return sum(row[0] for row in connection.cursor().stream("SELECT id FROM p3_cur"))

    step("stream", lambda: stream(False))
    step("stream in binary", lambda: stream(True))
    step("row by row", single_rows)
    connection.rollback()


def types(connection):
    step = Steps("types", connection.rollback)
    for kind, text in samples():
        for name, mark, binary in (("text", "%t", False), ("binary", "%b", True)):

            def both_ways():
                value = connection.execute(f"SELECT {literal(text)}::{kind}", binary=binary).fetchone()[0]
                sent = Json(value) if kind.startswith("json") else value
                quoted = literal(text).replace("%", "%%")
                same = run(connection, f"SELECT ({mark}::{kind})::text = {quoted}::{kind}::text", (sent,))
                return repr(value), same

            step(f"{kind} {text}, {name}", both_ways)
    run(connection, "DROP TABLE IF EXISTS p3_typed")
    run(connection, f"CREATE TABLE p3_typed ({TYPED_COLUMNS})")
    connection.commit()
    marks = ", ".join(["%s"] * len(TYPED_ROW))
    step("insert", lambda: run(connection, f"INSERT INTO p3_typed VALUES ({marks})", TYPED_ROW))
    step(
        "insert in binary",
        lambda: run(connection, f"INSERT INTO p3_typed VALUES ({marks.replace('%s', '%b')})", (2,) + TYPED_ROW[1:]),
    )
    step("insert of nulls", lambda: run(connection, f"INSERT INTO p3_typed VALUES ({marks})", (3,) + (None,) * 13))
    step("rows", lambda: run(connection, "SELECT * FROM p3_typed ORDER BY id"))
    step("rows in binary", lambda: run(connection, "SELECT * FROM p3_typed ORDER BY id", binary=True))
    connection.rollback()


def prepared(connection):
    step = Steps("prepared", connection.rollback)
    run(connection, "DROP TABLE IF EXISTS p3_prep")
    run(connection, "CREATE TABLE p3_prep (id int PRIMARY KEY, v text)")
    connection.commit()
    step("used ten times", lambda: [run(connection, "SELECT %s::int + 1", (i,))[0][0] for i in range(10)])
    step(
        "prepared at once",
        lambda: [run(connection, "INSERT INTO p3_prep VALUES (%s, %s)", (i, "x"), prepare=True) for i in range(3)],
    )
    step(
        "with other types",
        lambda: [run(connection, "SELECT %s", (v,), prepare=True) for v in (1, "x", None, 1.5, Decimal("2"))],
    )
    connection.commit()
    run(connection, "DROP TABLE p3_prep")
    run(connection, "CREATE TABLE p3_prep (id text PRIMARY KEY)")
    connection.commit()
    step(
        "after the table became another",
        lambda: run(connection, "INSERT INTO p3_prep VALUES (%s, %s)", (7, "x"), prepare=True),
    )
    step("what is prepared", lambda: run(connection, "SELECT count(*) > 0 FROM pg_prepared_statements"))
    step("deallocate all", lambda: run(connection, "DEALLOCATE ALL"))
    connection.rollback()


def copying(connection):
    step = Steps("copy", connection.rollback)
    run(connection, "DROP TABLE IF EXISTS p3_copy")
    run(connection, "CREATE TABLE p3_copy (id int PRIMARY KEY, v text, n float8)")
    connection.commit()
    cursor = connection.cursor()

    def rows():
        with cursor.copy("COPY p3_copy FROM STDIN") as copy:
            for i in range(100):
                copy.write_row((i, f"v\t{i}" if i % 2 else None, i / 4))
        return cursor.rowcount

    def binary():
        with cursor.copy("COPY p3_copy FROM STDIN WITH (FORMAT binary)") as copy:
            copy.set_types(["int4", "text", "float8"])
            copy.write_row((200, "b", 1.0))
        return cursor.rowcount

    def out(text):
        with cursor.copy(text) as copy:
            return [row for row in copy.rows()]

    def stopped():
        with cursor.copy("COPY p3_copy FROM STDIN") as copy:
            copy.write("300\tx\t1\n")
            raise ValueError("on purpose")

    step("rows in", rows)
    connection.commit()
    step("rows in, binary", binary)
    connection.commit()
    step("rows out", lambda: out("COPY (SELECT * FROM p3_copy WHERE id < 4 ORDER BY id) TO STDOUT"))
    step("stopped by the client", stopped)
    step("nothing of it stayed", lambda: run(connection, "SELECT count(*) FROM p3_copy WHERE id = 300"))
    connection.rollback()


def columns(connection):
    step = Steps("columns", connection.rollback)
    run(connection, "DROP TABLE IF EXISTS p3_cols")
    run(connection, f"CREATE TABLE p3_cols ({TYPED_COLUMNS})")
    connection.commit()

    def described(text):
        cursor = connection.execute(text)
        return [
            (c.name, c.type_code, c.display_size, c.internal_size, c.precision, c.scale) for c in cursor.description
        ]

    step("table", lambda: described("SELECT * FROM p3_cols"))
    step(
        "expressions",
        lambda: described(
            "SELECT 1, 'x', 1.5, 1 = 1 AS same, CASE WHEN true THEN 'x' END, coalesce(1, 2), id::text, upper(t), n + 1 FROM p3_cols"
        ),
    )
    step(
        "aggregates",
        lambda: described("SELECT count(*), sum(s), sum(i), sum(l), avg(i), avg(d), min(day), max(n) FROM p3_cols"),
    )


def ddl(connection):
    step = Steps("ddl", connection.rollback)
    run(connection, "DROP TABLE IF EXISTS p3_ddl")
    connection.commit()

    def rolled_back():
        with connection.transaction(force_rollback=True):
            run(connection, "CREATE TABLE p3_ddl (id int PRIMARY KEY)")
            run(connection, "INSERT INTO p3_ddl VALUES (1)")
            return run(connection, "SELECT * FROM p3_ddl")

    step("create, taken back", rolled_back)
    step("gone", lambda: run(connection, "SELECT * FROM p3_ddl"))
    connection.rollback()


def catalog(connection):
    step = Steps("catalog", connection.rollback)
    step("type by name", lambda: vars_of(psycopg.types.TypeInfo.fetch(connection, "int4")))
    step(
        "three-part name",
        lambda: run(
            connection, "SELECT pg_catalog.pg_class.relname FROM pg_catalog.pg_class WHERE relname = 'p3_items'"
        ),
    )
    step("current", lambda: run(connection, "SELECT current_database(), current_schema(), current_user"))


def vars_of(info):
    return info and (info.name, info.oid, info.array_oid, info.regtype)


def main():
    connecting()
    pooling()
    for feature in (
        tables,
        batches,
        errors,
        savepoints,
        returning,
        arrays,
        keys,
        cursors,
        types,
        prepared,
        copying,
        columns,
        ddl,
        catalog,
    ):
        connection = psycopg.connect("")
        try:
            feature(connection)
        except Exception as error:
            Steps({"copying": "copy"}.get(feature.__name__, feature.__name__)).say(
                "given up", f"{type(error).__name__}: {error}"
            )
        connection.close()


main()
