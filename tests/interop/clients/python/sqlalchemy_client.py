"""SQLAlchemy core over psycopg 3, with its pool: tables as objects, compiled statements, reflection."""

import os
from datetime import date, datetime, timezone
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from steps import Steps

URL = "postgresql+psycopg://{PGUSER}@{PGHOST}:{PGPORT}/{PGDATABASE}".format(**os.environ)
metadata = sa.MetaData()
items = sa.Table(
    "sa_items",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(50), nullable=False),
    sa.Column("price", sa.Numeric(10, 2), server_default="1.5"),
    sa.Column("day", sa.Date),
    sa.Column("at", sa.DateTime(timezone=True)),
    sa.Column("ok", sa.Boolean),
)
serial = sa.Table("sa_serial", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("v", sa.Text))


class AlchemySteps(Steps):
    """Steps whose errors are SQLAlchemy's, around those of the driver."""

    def __call__(self, name, action):
        def guarded():
            try:
                return action()
            except sa.exc.DBAPIError as error:
                raise error.orig

        return super().__call__(name, guarded)


def rows(result):
    return [tuple(row) for row in result]


def connecting(engine):
    step = AlchemySteps("connect")

    def first():
        with engine.connect() as connection:
            return (
                connection.scalar(sa.text("SELECT 1")),
                engine.dialect.server_version_info[0],
                engine.dialect.default_schema_name,
            )

    def levels():
        with engine.connect() as connection:
            return (
                connection.get_isolation_level(),
                connection.execution_options(isolation_level="SERIALIZABLE").get_isolation_level(),
            )

    step("connects", first)
    step("isolation levels", levels)


def pooling(engine):
    step = AlchemySteps("pool")

    def two():
        with engine.connect() as a, engine.connect() as b:
            return a.scalar(sa.text("SELECT 1")), b.scalar(sa.text("SELECT 2"))

    def broken():
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT 1 / 0"))

    step("two at once", two)
    step("one goes back after an error", broken)
    step("and is clean", two)


def tables(engine):
    step = AlchemySteps("tables")

    def plainly():
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE IF EXISTS sa_items")
            connection.execute(sa.schema.CreateTable(items))

    step("has table", lambda: sa.inspect(engine).has_table("sa_nothing"))
    step("create", plainly)
    step("create all", lambda: metadata.create_all(engine, tables=[items]))
    with engine.connect() as connection:
        step(
            "insert",
            lambda: connection.execute(
                items.insert().values(id=1, name="one", price=Decimal("2.50"), day=date(2024, 2, 29))
            ).rowcount,
        )
        connection.commit()
        step("select", lambda: rows(connection.execute(sa.select(items).where(items.c.id == 1))))
        step("upsert", lambda: connection.execute(upsert(1, "uno")).rowcount)
        step(
            "update",
            lambda: connection.execute(
                items.update().where(items.c.name.like("u%")).values(price=items.c.price + 1)
            ).rowcount,
        )
        step(
            "functions",
            lambda: rows(
                connection.execute(
                    sa.select(sa.func.count(), sa.func.max(items.c.price), sa.func.upper(sa.literal("x"))).select_from(
                        items
                    )
                )
            ),
        )
        step("delete", lambda: connection.execute(items.delete().where(items.c.id.in_([5, 6]))).rowcount)
        connection.commit()


def upsert(key, name):
    statement = pg.insert(items).values(id=key, name=name)
    return statement.on_conflict_do_update(index_elements=["id"], set_={"name": statement.excluded.name})


def batches(engine):
    step = AlchemySteps("batches")
    with engine.connect() as connection:
        many = [
            {"id": i, "name": f"n{i}", "ok": i % 2 == 0, "at": datetime(2024, 1, 1, tzinfo=timezone.utc)}
            for i in range(100, 600)
        ]
        step("insert many", lambda: connection.execute(items.insert(), many).rowcount)
        connection.commit()
        step(
            "insert many that return",
            lambda: len(
                connection.execute(
                    items.insert().returning(items.c.id), [{"id": i, "name": "r"} for i in range(1000, 1050)]
                ).all()
            ),
        )
        connection.rollback()
        step(
            "group",
            lambda: rows(
                connection.execute(sa.select(items.c.ok, sa.func.count()).group_by(items.c.ok).order_by(items.c.ok))
            ),
        )
        step(
            "in",
            lambda: connection.scalar(
                sa.select(sa.func.count()).select_from(items).where(items.c.id.in_(range(100, 120)))
            ),
        )


def errors(engine):
    step = AlchemySteps("errors")
    with engine.connect() as connection:
        step.recover = connection.rollback
        step("duplicate key", lambda: connection.execute(items.insert().values(id=1, name="x")))
        step("null in NOT NULL", lambda: connection.execute(items.insert().values(id=2, name=None)))
        step("syntax", lambda: connection.execute(sa.text("SELEC 1")))
        step("goes on", lambda: connection.scalar(sa.select(items.c.name).where(items.c.id == 1)))


def savepoints(engine):
    step = AlchemySteps("savepoints")

    def nested():
        with engine.connect() as connection, connection.begin():
            connection.execute(items.insert().values(id=5000, name="kept"))
            try:
                with connection.begin_nested():
                    connection.execute(items.insert().values(id=5001, name="lost"))
                    connection.execute(items.insert().values(id=5000, name="again"))
            except sa.exc.IntegrityError as error:
                return error.orig.sqlstate, rows(connection.execute(sa.select(items.c.id).where(items.c.id >= 5000)))

    step("nested", nested)


def returning(engine):
    step = AlchemySteps("returning")
    with engine.connect() as connection:
        step.recover = connection.rollback
        step(
            "update",
            lambda: rows(
                connection.execute(
                    items.update().where(items.c.id == 1).values(name="x").returning(items.c.id, items.c.name)
                )
            ),
        )
        step("delete", lambda: rows(connection.execute(items.delete().where(items.c.id == 1).returning(items))))
        connection.rollback()


def keys(engine):
    step = AlchemySteps("keys")

    def create():
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE IF EXISTS sa_serial")
            connection.execute(sa.schema.CreateTable(serial))

    step("create", create)
    with engine.connect() as connection:
        step.recover = connection.rollback
        step("key comes back", lambda: connection.execute(serial.insert().values(v="a")).inserted_primary_key[0] > 0)
        step(
            "many keys come back",
            lambda: len(
                connection.execute(serial.insert().returning(serial.c.id), [{"v": str(i)} for i in range(20)]).all()
            ),
        )
        connection.commit()


def cursors(engine):
    step = AlchemySteps("cursors")

    def stream():
        with engine.connect() as connection:
            result = connection.execution_options(stream_results=True, yield_per=100).execute(
                sa.select(items.c.id).where(items.c.id < 600).order_by(items.c.id)
            )
            return sum(len(part) for part in result.partitions())

    step("stream", stream)


def arrays(engine):
    step = AlchemySteps("arrays")
    with engine.connect() as connection:
        step.recover = connection.rollback
        step(
            "any",
            lambda: rows(
                connection.execute(
                    sa.select(items.c.id)
                    .where(items.c.id == sa.any_(sa.bindparam("ids", [101, 103], pg.ARRAY(sa.Integer))))
                    .order_by(items.c.id)
                )
            ),
        )
        step("array", lambda: connection.scalar(sa.select(pg.array([1, 2, 3]))))


def ddl(engine):
    step = AlchemySteps("ddl")
    step("drop all", lambda: metadata.drop_all(engine, tables=[items]))
    step("create all", lambda: metadata.create_all(engine))


def catalog(engine):
    step = AlchemySteps("catalog")
    inspector = sa.inspect(engine)
    step("table names", lambda: "sa_items" in inspector.get_table_names())
    step("columns", lambda: [(c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns("sa_items")])
    step("primary key", lambda: inspector.get_pk_constraint("sa_items")["constrained_columns"])


def main():
    engine = sa.create_engine(URL, pool_size=2, pool_pre_ping=True)
    for feature in (
        connecting,
        pooling,
        tables,
        batches,
        errors,
        savepoints,
        returning,
        keys,
        cursors,
        arrays,
        ddl,
        catalog,
    ):
        try:
            feature(engine)
        except Exception as error:
            Steps({"connecting": "connect", "pooling": "pool"}.get(feature.__name__, feature.__name__)).say(
                "given up", f"{type(error).__name__}: {str(error).splitlines()[0]}"
            )
    engine.dispose()


main()
