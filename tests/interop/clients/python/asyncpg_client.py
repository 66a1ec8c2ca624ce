"""asyncpg, with its pool: everything by named statements in binary; the pool resets a connection when it takes it back."""

import asyncio
import io
from decimal import Decimal

import asyncpg

from steps import TYPED_COLUMNS, TYPED_ROW, Steps, literal, samples


def rows(records):
    return [tuple(record) for record in records]


async def fetch(connection, text, *values):
    return rows(await connection.fetch(text, *values))


async def connecting():
    step = Steps("connect")
    connection = await asyncpg.connect()
    step("server version", lambda: connection.get_server_version().major)
    step(
        "settings",
        lambda: [getattr(connection.get_settings(), n) for n in ("client_encoding", "TimeZone", "DateStyle")],
    )
    await step.later("reset", connection.reset)
    await connection.close()

    async def with_settings():
        other = await asyncpg.connect(server_settings={"application_name": "interop", "statement_timeout": "7s"})
        shown = await other.fetchval("SHOW statement_timeout"), await other.fetchval("SHOW application_name")
        await other.close()
        return shown

    await step.later("server settings", with_settings)


async def pooling():
    step = Steps("pool")
    pool = await asyncpg.create_pool(min_size=2, max_size=4)

    async def eight():
        return sorted(await asyncio.gather(*(pool.fetchval("SELECT $1::int", i) for i in range(8))))

    async def in_a_transaction():
        async with pool.acquire() as connection:
            await connection.execute("BEGIN")

    async def reused():
        async with pool.acquire() as connection:
            return connection.is_in_transaction(), await connection.fetchval("SELECT 3")

    await step.later("eight over four", eight)
    await step.later("goes back in a transaction", in_a_transaction)
    await step.later("and is clean", reused)
    await step.later("closes", lambda: asyncio.wait_for(pool.close(), 10))


async def tables(connection):
    step = Steps("tables")
    await step.later("drop", lambda: connection.execute("DROP TABLE IF EXISTS ap_items"))
    await step.later(
        "create",
        lambda: connection.execute(
            "CREATE TABLE ap_items (id int PRIMARY KEY, name text NOT NULL, price numeric(10,2) DEFAULT 1.5)"
        ),
    )
    await step.later(
        "insert", lambda: connection.execute("INSERT INTO ap_items VALUES ($1, $2, $3)", 1, "one", Decimal("9.99"))
    )
    await step.later(
        "insert with a default",
        lambda: connection.execute("INSERT INTO ap_items (id, name) VALUES ($1, $2)", 2, "it's"),
    )
    await step.later(
        "upsert",
        lambda: connection.execute(
            "INSERT INTO ap_items VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET name = excluded.name", "uno"
        ),
    )
    await step.later("select", lambda: fetch(connection, "SELECT * FROM ap_items ORDER BY id"))
    await step.later("row", lambda: connection.fetchrow("SELECT name, price FROM ap_items WHERE id = $1", 1))
    await step.later(
        "update", lambda: connection.execute("UPDATE ap_items SET price = price * $2 WHERE id = $1", 2, Decimal(2))
    )
    await step.later(
        "several statements",
        lambda: connection.execute("INSERT INTO ap_items VALUES (8, 'a'); INSERT INTO ap_items VALUES (9, 'b')"),
    )
    await step.later("delete", lambda: connection.execute("DELETE FROM ap_items WHERE id > $1", 7))
    await step.later("limit", lambda: fetch(connection, "SELECT id FROM ap_items ORDER BY id LIMIT $1 OFFSET $2", 1, 1))


async def batches(connection):
    step = Steps("batches")
    await connection.execute("DROP TABLE IF EXISTS ap_batch")
    await connection.execute("CREATE TABLE ap_batch (id int PRIMARY KEY, v text)")
    await step.later(
        "executemany",
        lambda: connection.executemany(
            "INSERT INTO ap_batch VALUES ($1, $2)", [(i, None if i % 3 else str(i)) for i in range(500)]
        ),
    )
    await step.later(
        "duplicate in the middle",
        lambda: connection.executemany("INSERT INTO ap_batch VALUES ($1, $2)", [(i, "x") for i in (600, 601, 7, 602)]),
    )
    await step.later("nothing of it stayed", lambda: fetch(connection, "SELECT count(*), count(v) FROM ap_batch"))
    await step.later(
        "unnest",
        lambda: connection.execute(
            "INSERT INTO ap_batch SELECT * FROM unnest($1::int[], $2::text[])", list(range(1000, 1100)), ["u"] * 100
        ),
    )
    await step.later("fetchmany", lambda: fetch_many(connection))


async def fetch_many(connection):
    return rows(
        await connection.fetchmany("INSERT INTO ap_batch VALUES ($1, $2) RETURNING id", [(2000, "a"), (2001, "b")])
    )


async def errors(connection):
    step = Steps("errors")
    await connection.execute("DROP TABLE IF EXISTS ap_errors")
    await connection.execute("CREATE TABLE ap_errors (id int PRIMARY KEY, n int NOT NULL)")
    await connection.execute("INSERT INTO ap_errors VALUES (1, 1)")
    await step.later("duplicate key", lambda: connection.execute("INSERT INTO ap_errors VALUES ($1, 2)", 1))
    await step.later("null in NOT NULL", lambda: connection.execute("INSERT INTO ap_errors VALUES (2, $1)", None))
    await step.later("syntax", lambda: connection.fetch("SELEC $1", 1))
    await step.later("unknown table", lambda: connection.fetch("SELECT * FROM ap_nothing WHERE id = $1", 1))
    await step.later("unknown column", lambda: connection.fetch("SELECT nothing FROM ap_errors"))
    await step.later("division by zero", lambda: connection.fetch("SELECT 1 / $1::int", 0))
    await step.later("type that cannot be told", lambda: connection.fetch("SELECT $1 + $2", 1, 2))
    await step.later("argument of a wrong type", lambda: connection.fetch("SELECT * FROM ap_errors WHERE id = $1", "x"))
    await step.later("too many arguments", lambda: connection.fetch("SELECT 1", 1))
    transaction = connection.transaction()
    await step.later("begin", transaction.start)
    await step.later("a write before", lambda: connection.execute("INSERT INTO ap_errors VALUES (3, 3)"))
    await step.later("error inside a transaction", lambda: connection.fetch("SELEC 1"))
    await step.later("transaction is aborted", lambda: connection.fetch("SELECT 1"))
    await step.later("rollback", transaction.rollback)
    await step.later("nothing of it stayed", lambda: fetch(connection, "SELECT * FROM ap_errors"))


async def savepoints(connection):
    step = Steps("savepoints")
    await connection.execute("DROP TABLE IF EXISTS ap_save")
    await connection.execute("CREATE TABLE ap_save (id int PRIMARY KEY)")

    async def nested():
        async with connection.transaction():
            await connection.execute("INSERT INTO ap_save VALUES (1)")
            try:
                async with connection.transaction():
                    await connection.execute("INSERT INTO ap_save VALUES (2)")
                    async with connection.transaction():
                        await connection.execute("INSERT INTO ap_save VALUES (1)")
            except asyncpg.UniqueViolationError as error:
                await connection.execute("INSERT INTO ap_save VALUES (3)")
                return error.sqlstate, await fetch(connection, "SELECT * FROM ap_save ORDER BY id")

    await step.later("nested blocks", nested)
    await step.later("rows", lambda: fetch(connection, "SELECT * FROM ap_save ORDER BY id"))


async def returning(connection):
    step = Steps("returning")
    await connection.execute("DROP TABLE IF EXISTS ap_ret")
    await connection.execute("CREATE TABLE ap_ret (id int PRIMARY KEY, v text)")
    await step.later(
        "insert", lambda: fetch(connection, "INSERT INTO ap_ret VALUES ($1, 'a'), ($2, 'b') RETURNING *", 1, 2)
    )
    await step.later("value", lambda: connection.fetchval("INSERT INTO ap_ret VALUES (5, $1) RETURNING id", "e"))
    await step.later(
        "upsert",
        lambda: fetch(
            connection,
            "INSERT INTO ap_ret VALUES (2, $1) ON CONFLICT (id) DO UPDATE SET v = excluded.v RETURNING id, v || '!' AS shout",
            "c",
        ),
    )
    await step.later(
        "nothing done",
        lambda: fetch(connection, "INSERT INTO ap_ret VALUES (1, 'z') ON CONFLICT DO NOTHING RETURNING id"),
    )
    await step.later(
        "update", lambda: fetch(connection, "UPDATE ap_ret SET v = upper(v) WHERE id < $1 RETURNING id, v", 3)
    )
    await step.later("delete", lambda: fetch(connection, "DELETE FROM ap_ret WHERE id = $1 RETURNING v", 1))


async def arrays(connection):
    step = Steps("arrays")
    await connection.execute("DROP TABLE IF EXISTS ap_arr")
    await connection.execute("CREATE TABLE ap_arr (id int PRIMARY KEY)")
    await connection.execute("INSERT INTO ap_arr VALUES (1), (2), (3), (4)")
    await step.later(
        "= ANY", lambda: fetch(connection, "SELECT id FROM ap_arr WHERE id = ANY($1) ORDER BY id", [2, 4, 9])
    )
    await step.later(
        "= ANY with a cast",
        lambda: fetch(connection, "SELECT id FROM ap_arr WHERE id = ANY($1::int[]) ORDER BY id", [2, 4, 9]),
    )
    await step.later(
        "<> ALL", lambda: fetch(connection, "SELECT id FROM ap_arr WHERE id <> ALL($1::int[]) ORDER BY id", [2, 4])
    )
    await step.later("empty", lambda: fetch(connection, "SELECT id FROM ap_arr WHERE id = ANY($1::int[])", []))
    await step.later(
        "both ways",
        lambda: fetch(connection, "SELECT $1::int8[], $2::text[], $3::float8[]", [1, None], ["a", "b,c"], [1.5]),
    )
    await step.later("two dimensions", lambda: fetch(connection, "SELECT $1::int[]", [[1, 2], [3, 4]]))
    await step.later(
        "column", lambda: connection.execute("CREATE TABLE IF NOT EXISTS ap_tags (id int PRIMARY KEY, tags text[])")
    )
    await step.later(
        "upsert",
        lambda: connection.execute(
            "INSERT INTO ap_tags VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET tags = excluded.tags", ["x", "y"]
        ),
    )
    await step.later("select", lambda: fetch(connection, "SELECT tags, tags[1], array_length(tags, 1) FROM ap_tags"))


async def keys(connection):
    step = Steps("keys")
    await connection.execute("DROP TABLE IF EXISTS ap_serial")
    await step.later(
        "identity",
        lambda: connection.execute(
            "CREATE TABLE ap_serial (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, v text)"
        ),
    )
    await step.later(
        "insert", lambda: connection.fetchval("INSERT INTO ap_serial (v) VALUES ($1) RETURNING id > 0", "a")
    )
    await step.later(
        "a value of its own", lambda: connection.fetchval("INSERT INTO ap_serial VALUES (1000000, 'b') RETURNING id")
    )
    await step.later("uuid", lambda: connection.fetchval("SELECT length(gen_random_uuid()::text)"))


async def cursors(connection):
    step = Steps("cursors")
    await connection.execute("DROP TABLE IF EXISTS ap_cur")
    await connection.execute("CREATE TABLE ap_cur (id int PRIMARY KEY)")
    await connection.executemany("INSERT INTO ap_cur VALUES ($1)", [(i,) for i in range(250)])

    async def iterate():
        async with connection.transaction():
            return sum(
                [
                    record[0]
                    async for record in connection.cursor("SELECT id FROM ap_cur WHERE id >= $1", 10, prefetch=100)
                ]
            )

    async def step_by_step():
        async with connection.transaction():
            cursor = await connection.cursor("SELECT id FROM ap_cur ORDER BY id")
            first, skipped = rows(await cursor.fetch(2)), await cursor.forward(5)
            return first, skipped, await cursor.fetchrow()

    await step.later("iterate", iterate)
    await step.later("step by step", step_by_step)


async def types(connection):
    step = Steps("types")
    for kind, text in samples():

        async def both_ways():
            value = await connection.fetchval(f"SELECT {literal(text)}::{kind}")
            same = await connection.fetchval(f"SELECT ($1::{kind})::text = {literal(text)}::{kind}::text", value)
            return repr(value), same

        await step.later(f"{kind} {text}", both_ways)
    await connection.execute("DROP TABLE IF EXISTS ap_typed")
    await connection.execute(f"CREATE TABLE ap_typed ({TYPED_COLUMNS})")
    marks = ", ".join(f"${i + 1}" for i in range(len(TYPED_ROW)))
    await step.later("insert", lambda: connection.execute(f"INSERT INTO ap_typed VALUES ({marks})", *TYPED_ROW))
    await step.later(
        "insert of nulls", lambda: connection.execute(f"INSERT INTO ap_typed VALUES ({marks})", 2, *(None,) * 13)
    )
    await step.later("out of range", lambda: connection.execute("UPDATE ap_typed SET s = $1", 40000))
    await step.later("rows", lambda: fetch(connection, "SELECT * FROM ap_typed ORDER BY id"))


async def prepared(connection):
    step = Steps("prepared")
    await connection.execute("DROP TABLE IF EXISTS ap_prep")
    await connection.execute("CREATE TABLE ap_prep (id int PRIMARY KEY, v text)")

    async def twice():
        statement = await connection.prepare("SELECT $1::int + 1, $2 || '!'")
        kinds = [p.name for p in statement.get_parameters()], [a.type.name for a in statement.get_attributes()]
        return kinds, rows(await statement.fetch(1, "a")), rows(await statement.fetch(None, None))

    async def changed_under_it():
        statement = await connection.prepare("SELECT * FROM ap_prep WHERE id = $1")
        first = rows(await statement.fetch(1))
        await connection.execute("DROP TABLE ap_prep")
        await connection.execute("CREATE TABLE ap_prep (id int PRIMARY KEY, v text, w int)")
        return first, rows(await statement.fetch(1))

    await step.later("used twice", twice)
    await step.later("the table became another", changed_under_it)
    await step.later("look again", lambda: fetch(connection, "SELECT * FROM ap_prep WHERE id = $1", 1))


async def copying(connection):
    step = Steps("copy")
    await connection.execute("DROP TABLE IF EXISTS ap_copy")
    await connection.execute("CREATE TABLE ap_copy (id int PRIMARY KEY, v text)")
    await step.later("text in", lambda: connection.copy_to_table("ap_copy", source=io.BytesIO(b"1\ta\n2\t\\N\n")))
    await step.later("records in", lambda: connection.copy_records_to_table("ap_copy", records=[(10, "x"), (11, None)]))

    async def out():
        target = io.BytesIO()
        return (
            await connection.copy_from_query(
                "SELECT * FROM ap_copy WHERE id < $1 ORDER BY id", 10, output=target, format="csv"
            ),
            target.getvalue(),
        )

    await step.later("csv out", out)


async def columns(connection):
    step = Steps("columns")
    await connection.execute("DROP TABLE IF EXISTS ap_cols")
    await connection.execute(f"CREATE TABLE ap_cols ({TYPED_COLUMNS})")

    async def described(text):
        return [(a.name, a.type.name, a.type.oid) for a in (await connection.prepare(text)).get_attributes()]

    async def parameters(text):
        return [p.name for p in (await connection.prepare(text)).get_parameters()]

    await step.later("table", lambda: described("SELECT * FROM ap_cols"))
    await step.later(
        "expressions", lambda: described("SELECT 1, 'x', 1.5, count(*), sum(l), avg(i), max(day), now() FROM ap_cols")
    )
    await step.later(
        "parameters of insert",
        lambda: parameters("INSERT INTO ap_cols (id, b, n, day, atz) VALUES ($1, $2, $3, $4, $5)"),
    )
    await step.later(
        "parameters of where",
        lambda: parameters("SELECT 1 FROM ap_cols WHERE l > $1 AND t LIKE $2 AND at BETWEEN $3 AND $4 LIMIT $5"),
    )


async def ddl(connection):
    step = Steps("ddl")
    await connection.execute("DROP TABLE IF EXISTS ap_ddl")
    transaction = connection.transaction()
    await transaction.start()
    await step.later("create in a transaction", lambda: connection.execute("CREATE TABLE ap_ddl (id int PRIMARY KEY)"))
    await step.later("used by it", lambda: connection.execute("INSERT INTO ap_ddl VALUES ($1)", 1))
    await transaction.rollback()
    await step.later("gone with it", lambda: connection.fetch("SELECT * FROM ap_ddl"))


async def catalog(connection):
    step = Steps("catalog")
    await step.later("type of an unknown oid", lambda: connection.set_type_codec("hstore", encoder=str, decoder=str))
    await step.later(
        "json codec", lambda: connection.set_type_codec("json", schema="pg_catalog", encoder=str, decoder=str)
    )
    await step.later("version", lambda: connection.fetchval("SELECT left(pg_catalog.version(), 12)"))


async def main():
    await connecting()
    await pooling()
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
        connection = await asyncpg.connect()
        try:
            await feature(connection)
        except Exception as error:
            Steps({"copying": "copy"}.get(feature.__name__, feature.__name__)).say(
                "given up", f"{type(error).__name__}: {error}"
            )
        await connection.close()


asyncio.run(main())
