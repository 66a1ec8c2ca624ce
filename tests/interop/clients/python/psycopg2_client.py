"""psycopg2: parameters are put into the text by the client, all results are text; the driver of most Python code there is."""

import io
from decimal import Decimal

import psycopg2
import psycopg2.extras
import psycopg2.pool

from steps import TYPED_COLUMNS, TYPED_ROW, Steps, literal, samples


def connect():
    return psycopg2.connect("")


def run(connection, text, values=None):
    """Rows where there are any, else the command tag and the count."""
    with connection.cursor() as cursor:
        cursor.execute(text, values)
        return cursor.fetchall() if cursor.description else f"{cursor.statusmessage} ({cursor.rowcount})"


def connecting():
    step = Steps("connect")
    step("connects", lambda: connect().closed)
    connection = connect()
    step("server version", lambda: connection.server_version // 10000)
    step("encoding", lambda: connection.encoding)
    step(
        "parameter status",
        lambda: [
            connection.get_parameter_status(n)
            for n in ("DateStyle", "TimeZone", "integer_datetimes", "standard_conforming_strings")
        ],
    )
    step("isolation level is set", lambda: connection.set_session(isolation_level="SERIALIZABLE", readonly=False))
    step("isolation level", lambda: run(connection, "SHOW transaction_isolation"))
    connection.rollback()
    step("options", lambda: run(psycopg2.connect("", options="-c statement_timeout=7s"), "SHOW statement_timeout"))
    step("hstore look-up", lambda: psycopg2.extras.HstoreAdapter.get_oids(connection))
    step("reset", connection.reset)


def pooling():
    step = Steps("pool")
    pool = psycopg2.pool.ThreadedConnectionPool(1, 3, "")
    first, second = pool.getconn(), pool.getconn()
    step("two at once", lambda: (run(first, "SELECT 1"), run(second, "SELECT 2")))
    step("one goes back in a transaction", lambda: pool.putconn(first))
    again = pool.getconn()
    step(
        "and is clean",
        lambda: (again is first, again.status == psycopg2.extensions.STATUS_READY, run(again, "SELECT 3")),
    )
    pool.closeall()


def tables(connection):
    step = Steps("tables", connection.rollback)
    step("drop", lambda: run(connection, "DROP TABLE IF EXISTS p2_items"))
    connection.commit()
    step(
        "create",
        lambda: run(
            connection,
            "CREATE TABLE p2_items (id int PRIMARY KEY, name text NOT NULL, price numeric(10,2) DEFAULT 1.5)",
        ),
    )
    connection.commit()
    step("insert", lambda: run(connection, "INSERT INTO p2_items VALUES (%s, %s, %s)", (1, "one", Decimal("9.99"))))
    step(
        "insert with a default",
        lambda: run(connection, "INSERT INTO p2_items (id, name) VALUES (%(id)s, %(name)s)", {"id": 2, "name": "it's"}),
    )
    step(
        "upsert",
        lambda: run(
            connection, "INSERT INTO p2_items VALUES (1, 'uno') ON CONFLICT (id) DO UPDATE SET name = excluded.name"
        ),
    )
    step("select", lambda: run(connection, "SELECT * FROM p2_items ORDER BY id"))
    step("update", lambda: run(connection, "UPDATE p2_items SET price = price * 2 WHERE id = %s", (2,)))
    step(
        "IN over a tuple",
        lambda: run(connection, "SELECT id, price FROM p2_items WHERE id IN %s ORDER BY id", ((1, 2, 3),)),
    )
    step("delete", lambda: run(connection, "DELETE FROM p2_items WHERE name LIKE %s", ("it%",)))
    step("commit", connection.commit)
    step("count", lambda: run(connection, "SELECT count(*) FROM p2_items"))


def batches(connection):
    step = Steps("batches", connection.rollback)
    step("drop", lambda: run(connection, "DROP TABLE IF EXISTS p2_batch"))
    step("create", lambda: run(connection, "CREATE TABLE p2_batch (id int PRIMARY KEY, v text)"))
    connection.commit()
    cursor = connection.cursor()
    step(
        "executemany",
        lambda: cursor.executemany("INSERT INTO p2_batch VALUES (%s, %s)", [(i, str(i)) for i in range(100)]),
    )
    step(
        "execute_batch",
        lambda: psycopg2.extras.execute_batch(
            cursor, "INSERT INTO p2_batch VALUES (%s, %s)", [(i, None) for i in range(100, 300)]
        ),
    )
    step(
        "execute_values",
        lambda: psycopg2.extras.execute_values(
            cursor, "INSERT INTO p2_batch VALUES %s", [(i, "v") for i in range(300, 800)]
        ),
    )
    step(
        "execute_values that returns",
        lambda: len(
            psycopg2.extras.execute_values(
                cursor, "INSERT INTO p2_batch VALUES %s RETURNING id", [(i, "r") for i in range(800, 900)], fetch=True
            )
        ),
    )
    step("rows", lambda: run(connection, "SELECT count(*), count(v), sum(id) FROM p2_batch WHERE id < 800"))
    connection.commit()


def errors(connection):
    step = Steps("errors", connection.rollback)
    step("drop", lambda: run(connection, "DROP TABLE IF EXISTS p2_errors"))
    step("create", lambda: run(connection, "CREATE TABLE p2_errors (id int PRIMARY KEY, n int NOT NULL)"))
    step("commit of it", connection.commit)
    step("first row", lambda: run(connection, "INSERT INTO p2_errors VALUES (1, 1)"))
    connection.commit()
    step("duplicate key", lambda: run(connection, "INSERT INTO p2_errors VALUES (1, 2)"))
    step("null in NOT NULL", lambda: run(connection, "INSERT INTO p2_errors VALUES (2, NULL)"))
    step("syntax", lambda: run(connection, "SELEC 1"))
    step("unknown table", lambda: run(connection, "SELECT * FROM p2_nothing"))
    step("unknown column", lambda: run(connection, "SELECT nothing FROM p2_errors"))
    step("division by zero", lambda: run(connection, "SELECT 1 / %s", (0,)))
    step("out of range", lambda: run(connection, "INSERT INTO p2_errors VALUES (%s, 1)", (2**40,)))
    step("no integer", lambda: run(connection, "SELECT %s::int", ("x",)))
    failing = Steps("errors")
    failing("a write before", lambda: run(connection, "INSERT INTO p2_errors VALUES (3, 3)"))
    failing("error inside a transaction", lambda: run(connection, "SELECT 1 / 0"))
    failing("transaction is aborted", lambda: run(connection, "SELECT 1"))
    failing("commit of it", connection.commit)
    failing("nothing of it stayed", lambda: run(connection, "SELECT * FROM p2_errors"))
    connection.rollback()


def savepoints(connection):
    step = Steps("savepoints")
    run(connection, "DROP TABLE IF EXISTS p2_save")
    run(connection, "CREATE TABLE p2_save (id int PRIMARY KEY)")
    connection.commit()
    for text in (
        "INSERT INTO p2_save VALUES (1)",
        "SAVEPOINT a",
        "INSERT INTO p2_save VALUES (2)",
        "SAVEPOINT b",
        "INSERT INTO p2_save VALUES (1)",
        "SELECT 1",
        "ROLLBACK TO SAVEPOINT b",
        "SELECT * FROM p2_save ORDER BY id",
        "ROLLBACK TO a",
        "INSERT INTO p2_save VALUES (3)",
        "RELEASE SAVEPOINT a",
        "ROLLBACK TO a",
    ):
        step(text, lambda: run(connection, text))
    connection.rollback()
    step("all gone", lambda: run(connection, "SELECT count(*) FROM p2_save"))
    connection.rollback()


def returning(connection):
    step = Steps("returning", connection.rollback)
    run(connection, "DROP TABLE IF EXISTS p2_ret")
    run(connection, "CREATE TABLE p2_ret (id int PRIMARY KEY, v text)")
    connection.commit()
    step("insert", lambda: run(connection, "INSERT INTO p2_ret VALUES (1, 'a'), (2, 'b') RETURNING *"))
    step(
        "upsert",
        lambda: run(
            connection,
            "INSERT INTO p2_ret VALUES (2, 'c'), (3, 'd') ON CONFLICT (id) DO UPDATE SET v = excluded.v RETURNING id, v || '!' AS shout",
        ),
    )
    step(
        "nothing done",
        lambda: run(connection, "INSERT INTO p2_ret VALUES (1, 'z') ON CONFLICT DO NOTHING RETURNING id"),
    )
    step("update", lambda: run(connection, "UPDATE p2_ret SET v = upper(v) WHERE id < 3 RETURNING id, v"))
    step("delete", lambda: run(connection, "DELETE FROM p2_ret WHERE id = 1 RETURNING v"))
    connection.rollback()


def arrays(connection):
    step = Steps("arrays", connection.rollback)
    run(connection, "DROP TABLE IF EXISTS p2_arr")
    run(connection, "CREATE TABLE p2_arr (id int PRIMARY KEY)")
    run(connection, "INSERT INTO p2_arr VALUES (1), (2), (3), (4)")
    connection.commit()
    step(
        "= ANY of a list", lambda: run(connection, "SELECT id FROM p2_arr WHERE id = ANY(%s) ORDER BY id", ([2, 4, 9],))
    )
    step(
        "<> ALL of a list", lambda: run(connection, "SELECT id FROM p2_arr WHERE id <> ALL(%s) ORDER BY id", ([2, 4],))
    )
    step("an empty list", lambda: run(connection, "SELECT id FROM p2_arr WHERE id = ANY(%s::int[])", ([],)))
    step("a list comes back", lambda: run(connection, "SELECT %s, %s::text[]", ([1, 2], ["a", None, "b,c"])))
    step(
        "functions",
        lambda: run(connection, "SELECT (ARRAY[5,6,7])[2], array_length(ARRAY[1,2], 1), cardinality('{}'::int[])"),
    )
    step("unnest", lambda: run(connection, "INSERT INTO p2_arr SELECT * FROM unnest(%s::int[])", ([10, 11],)))
    step("column of arrays", lambda: run(connection, "CREATE TABLE p2_tags (id int PRIMARY KEY, tags text[])"))
    step("insert", lambda: run(connection, "INSERT INTO p2_tags VALUES (1, %s)", (["x", "y"],)))
    step("select", lambda: run(connection, "SELECT tags, tags[2] FROM p2_tags WHERE 'x' = ANY(tags)"))
    connection.rollback()


def keys(connection):
    step = Steps("keys", connection.rollback)
    run(connection, "DROP TABLE IF EXISTS p2_serial")
    connection.commit()
    step("serial", lambda: run(connection, "CREATE TABLE p2_serial (id serial PRIMARY KEY, v text)"))
    connection.commit()
    step("insert", lambda: run(connection, "INSERT INTO p2_serial (v) VALUES ('a'), ('b')"))
    step("ids rise", lambda: run(connection, "SELECT count(DISTINCT id), min(id) > 0 FROM p2_serial"))
    step(
        "lastval is the largest",
        lambda: run(connection, "SELECT max(id) = lastval(), max(id) = currval('p2_serial_id_seq') FROM p2_serial"),
    )
    connection.commit()
    step(
        "identity",
        lambda: run(
            connection, "CREATE TABLE p2_identity (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text)"
        ),
    )
    step("a value for ALWAYS", lambda: run(connection, "INSERT INTO p2_identity VALUES (7, 'x')"))
    step("sequence", lambda: run(connection, "CREATE SEQUENCE p2_seq START 100"))
    step("nextval", lambda: run(connection, "SELECT nextval('p2_seq') >= 100"))
    step("uuid", lambda: run(connection, "SELECT length(gen_random_uuid()::text)"))
    connection.rollback()


def cursors(connection):
    step = Steps("cursors", connection.rollback)
    run(connection, "DROP TABLE IF EXISTS p2_cur")
    run(connection, "CREATE TABLE p2_cur (id int PRIMARY KEY)")
    psycopg2.extras.execute_values(connection.cursor(), "INSERT INTO p2_cur VALUES %s", [(i,) for i in range(500)])
    connection.commit()

    def stream():
        with connection.cursor(name="stream") as cursor:
            cursor.itersize = 100
            cursor.execute("SELECT id FROM p2_cur ORDER BY id")
            return sum(row[0] for row in cursor)

    def scroll():
        with connection.cursor(name="scroll", scrollable=True) as cursor:
            cursor.execute("SELECT id FROM p2_cur ORDER BY id")
            first = cursor.fetchmany(3)
            cursor.scroll(-2)
            return first, cursor.fetchone()

    def hold():
        with connection.cursor(name="held", withhold=True) as cursor:
            cursor.execute("SELECT id FROM p2_cur ORDER BY id")
            return cursor.fetchone()

    step("stream", stream)
    step("scroll back", scroll)
    step("with hold", hold)
    connection.rollback()


def types(connection):
    step = Steps("types", connection.rollback)
    for kind, text in samples():

        def both_ways():
            value = run(connection, f"SELECT {literal(text)}::{kind}")[0][0]
            sent = psycopg2.extras.Json(value) if kind.startswith("json") else value
            quoted = literal(text).replace("%", "%%")
            same = run(connection, f"SELECT (%s)::{kind}::text = {quoted}::{kind}::text", (sent,))[0][0]
            return repr(bytes(value) if isinstance(value, memoryview) else value), same

        step(f"{kind} {text}", both_ways)
    run(connection, "DROP TABLE IF EXISTS p2_typed")
    connection.commit()
    step("table", lambda: run(connection, f"CREATE TABLE p2_typed ({TYPED_COLUMNS})"))
    connection.commit()
    marks = ", ".join(["%s"] * len(TYPED_ROW))
    step("insert", lambda: run(connection, f"INSERT INTO p2_typed VALUES ({marks})", TYPED_ROW))
    step("insert of nulls", lambda: run(connection, f"INSERT INTO p2_typed VALUES ({marks})", (2,) + (None,) * 13))
    step("rows", lambda: run(connection, "SELECT * FROM p2_typed ORDER BY id"))
    connection.rollback()


def prepared(connection):
    step = Steps("prepared", connection.rollback)
    step("prepare", lambda: run(connection, "PREPARE p2_plan (int, text) AS SELECT $1 + 1, $2 || '!'"))
    step("execute", lambda: run(connection, "EXECUTE p2_plan (%s, %s)", (1, "a")))
    step("again", lambda: run(connection, "EXECUTE p2_plan (%s, %s)", (2, None)))
    step("deallocate", lambda: run(connection, "DEALLOCATE p2_plan"))
    step("gone", lambda: run(connection, "EXECUTE p2_plan (1, 'a')"))


def copying(connection):
    step = Steps("copy", connection.rollback)
    run(connection, "DROP TABLE IF EXISTS p2_copy")
    run(connection, "CREATE TABLE p2_copy (id int PRIMARY KEY, v text, n float8)")
    connection.commit()
    cursor = connection.cursor()
    step("copy_from", lambda: cursor.copy_from(io.StringIO("1\ta\t1.5\n2\t\\N\t2\n"), "p2_copy"))
    step(
        "csv",
        lambda: cursor.copy_expert(
            "COPY p2_copy FROM STDIN WITH (FORMAT csv, HEADER)", io.StringIO('id,v,n\n3,"x,""y",3\n')
        ),
    )
    connection.commit()

    def out(text):
        target = io.StringIO()
        cursor.copy_expert(text, target)
        return target.getvalue()

    step("copy_to", lambda: out("COPY p2_copy TO STDOUT"))
    step(
        "csv out",
        lambda: out("COPY (SELECT id, v FROM p2_copy WHERE id > 1 ORDER BY id) TO STDOUT WITH (FORMAT csv, HEADER)"),
    )
    step("bad line", lambda: cursor.copy_from(io.StringIO("9\tz\tnumber\n"), "p2_copy"))
    step("duplicate", lambda: cursor.copy_from(io.StringIO("1\tz\t1\n"), "p2_copy"))
    connection.rollback()


def columns(connection):
    step = Steps("columns", connection.rollback)
    run(connection, "DROP TABLE IF EXISTS p2_cols")
    run(connection, f"CREATE TABLE p2_cols ({TYPED_COLUMNS})")
    connection.commit()

    def described(text):
        with connection.cursor() as cursor:
            cursor.execute(text)
            return [(c.name, c.type_code, c.internal_size, c.precision, c.scale) for c in cursor.description]

    step("table", lambda: described("SELECT * FROM p2_cols"))
    step("expressions", lambda: described("SELECT 1, 'x', 1.5, count(*), now(), 1 = 1 AS same, max(n) FROM p2_cols"))
    step("origin", lambda: origin(connection))
    connection.rollback()


def origin(connection):
    """Whether columns tell the table that they come from."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, id + 1 FROM p2_cols")
        return [(c.table_oid is not None, c.table_column) for c in cursor.description]


def ddl(connection):
    step = Steps("ddl", connection.rollback)
    run(connection, "DROP TABLE IF EXISTS p2_ddl")
    connection.commit()
    step("create in a transaction", lambda: run(connection, "CREATE TABLE p2_ddl (id int PRIMARY KEY)"))
    step("used by it", lambda: run(connection, "INSERT INTO p2_ddl VALUES (1)"))
    connection.rollback()
    step("gone with it", lambda: run(connection, "SELECT * FROM p2_ddl"))
    run(connection, "CREATE TABLE p2_ddl (id int PRIMARY KEY)")
    connection.commit()
    step("truncate", lambda: run(connection, "TRUNCATE TABLE p2_ddl"))
    connection.rollback()
    step("drop", lambda: run(connection, "DROP TABLE p2_ddl"))
    connection.rollback()
    step("is back", lambda: run(connection, "SELECT count(*) FROM p2_ddl"))
    connection.rollback()


def catalog(connection):
    step = Steps("catalog", connection.rollback)
    step(
        "tables",
        lambda: run(
            connection,
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_name = 'p2_items'",
        ),
    )
    step(
        "columns",
        lambda: run(
            connection,
            "SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_name = 'p2_items' ORDER BY ordinal_position",
        ),
    )
    step(
        "types",
        lambda: run(connection, "SELECT oid, typname FROM pg_type WHERE typname IN ('int4', 'text') ORDER BY oid"),
    )
    step(
        "class", lambda: run(connection, "SELECT relname, relkind FROM pg_catalog.pg_class WHERE relname = 'p2_items'")
    )


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
        connection = connect()
        try:
            feature(connection)
        except Exception as error:
            Steps(feature.__name__).say("given up", f"{type(error).__name__}: {error}")
        connection.close()


main()
