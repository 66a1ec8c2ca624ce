"""Django's ORM on one table: what an application's models and views send, with savepoints from `atomic`."""

import os
from datetime import date, datetime, timezone
from decimal import Decimal

import django
from django.conf import settings
from django.db import DatabaseError, IntegrityError, connection, models, transaction

from steps import Steps

settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": os.environ["PGHOST"],
            "PORT": os.environ["PGPORT"],
            "USER": os.environ["PGUSER"],
            "NAME": os.environ["PGDATABASE"],
        }
    },
    INSTALLED_APPS=[],
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()


class Item(models.Model):
    """One table with its key from the server."""

    name = models.CharField(max_length=50)
    price = models.DecimalField(max_digits=10, decimal_places=2, default=Decimal("1.50"))
    count = models.IntegerField(default=0)
    active = models.BooleanField(default=True)
    added = models.DateField(null=True)
    changed = models.DateTimeField(null=True)

    class Meta:
        app_label = "interop"
        db_table = "dj_items"


class Label(models.Model):
    """A key of text: Django makes an index for LIKE beside it."""

    code = models.CharField(max_length=20, primary_key=True)

    class Meta:
        app_label = "interop"
        db_table = "dj_labels"


class Note(models.Model):
    """One table whose keys the application gives."""

    code = models.CharField(max_length=20, primary_key=True)
    text = models.TextField()
    score = models.FloatField(null=True)

    class Meta:
        app_label = "interop"
        db_table = "dj_notes"


def text_of(error):
    cause = error.__cause__
    code = getattr(cause, "sqlstate", None)
    if not code:
        return f"client error {type(error).__name__}: {error}"
    return f"error {code}: {cause.diag.message_primary}"


class DjangoSteps(Steps):
    """Steps whose errors are Django's, around those of the driver."""

    def __call__(self, name, action):
        def guarded():
            try:
                return action()
            except DatabaseError as error:
                return text_of(error)

        return super().__call__(name, guarded)


def statement(text):
    with connection.cursor() as cursor:
        cursor.execute(text)
        return cursor.fetchall() if cursor.description else "done"


def connecting():
    step = DjangoSteps("connect")
    step("connects", connection.ensure_connection)
    step("version", lambda: connection.pg_version // 10000)
    step("usable", connection.is_usable)


def tables():
    step = DjangoSteps("tables")
    step("drop", lambda: statement("DROP TABLE IF EXISTS dj_notes"))
    step(
        "create",
        lambda: statement("CREATE TABLE dj_notes (code varchar(20) PRIMARY KEY, text text NOT NULL, score float8)"),
    )
    step("create an object", lambda: Note.objects.create(code="a", text="first").code)
    step("get", lambda: Note.objects.get(code="a").text)
    step("does not exist", lambda: Note.objects.filter(code="zz").first())
    step("save again", lambda: save(Note(code="a", text="changed", score=1.5)))
    step("update", lambda: Note.objects.filter(code="a").update(score=models.F("score") + 1))
    step("values", lambda: list(Note.objects.values("code", "text", "score")))
    step("exists", lambda: Note.objects.filter(text__contains="chang").exists())
    step("delete", lambda: Note.objects.filter(code="a").delete())


def create(model):
    with connection.schema_editor() as editor:
        editor.create_model(model)


def save(note):
    note.save()
    return note.pk


def keys():
    step = DjangoSteps("keys")
    step("drop", lambda: statement("DROP TABLE IF EXISTS dj_items"))
    step("create", lambda: create(Item))
    step("id of a new object", lambda: Item.objects.create(name="one", added=date(2024, 2, 29)).pk > 0)
    step(
        "refresh",
        lambda: refreshed(
            Item(name="two", price=Decimal("3.25"), changed=datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone.utc))
        ),
    )
    step("get or create", lambda: Item.objects.get_or_create(name="one", defaults={"count": 5})[1])
    step("update or create", lambda: Item.objects.update_or_create(name="three", defaults={"count": 7})[1])
    step("order and slice", lambda: [item.name for item in Item.objects.order_by("-name")[:2]])
    step("last", lambda: Item.objects.last().name)


def refreshed(item):
    item.save()
    item.refresh_from_db()
    return item.name, item.price, item.changed


def batches():
    step = DjangoSteps("batches")
    step(
        "bulk create with keys",
        lambda: len(Note.objects.bulk_create([Note(code=f"n{i:03}", text=str(i), score=i / 2) for i in range(200)])),
    )
    step(
        "bulk create that ignores",
        lambda: len(Note.objects.bulk_create([Note(code="n001", text="again")], ignore_conflicts=True)),
    )
    step(
        "bulk create that updates",
        lambda: len(
            Note.objects.bulk_create(
                [Note(code="n001", text="new")], update_conflicts=True, unique_fields=["code"], update_fields=["text"]
            )
        ),
    )
    step(
        "bulk create with ids from the server",
        lambda: all(i.pk for i in Item.objects.bulk_create([Item(name=f"b{n}") for n in range(10)])),
    )
    step(
        "bulk update",
        lambda: Note.objects.bulk_update([Note(code="n002", text="x"), Note(code="n003", text="y")], ["text"]),
    )
    step("aggregate", lambda: Note.objects.aggregate(models.Count("pk"), models.Sum("score"), models.Max("text")))
    step(
        "group",
        lambda: list(
            Note.objects.filter(code__lt="n006").values("score").annotate(n=models.Count("code")).order_by("score")[:3]
        ),
    )
    step("in", lambda: Note.objects.filter(code__in=["n001", "n005", "none"]).count())
    step(
        "iexact, startswith, range",
        lambda: (
            Note.objects.filter(code__iexact="N007").count(),
            Note.objects.filter(code__startswith="n01").count(),
            Note.objects.filter(score__range=(1, 2)).count(),
        ),
    )
    step(
        "exclude and Q", lambda: Note.objects.exclude(models.Q(code__gt="n100") | models.Q(score__isnull=True)).count()
    )
    step("distinct", lambda: Note.objects.values_list("score", flat=True).distinct().count())
    step("in bulk", lambda: sorted(Note.objects.in_bulk(["n001", "n002"])))


def errors():
    step = DjangoSteps("errors")
    step("duplicate key", lambda: Note.objects.create(code="n001", text="x"))
    step("after it", lambda: Note.objects.count() > 0)
    step("no such table", lambda: statement("SELECT * FROM dj_nothing"))

    def aborted():
        with transaction.atomic():
            try:
                statement("SELECT 1 / 0")
            except DatabaseError:
                pass
            return Note.objects.count()

    step("query in a broken transaction", aborted)


def savepoints():
    step = DjangoSteps("savepoints")

    def nested():
        with transaction.atomic():
            Note.objects.create(code="s1", text="kept")
            try:
                with transaction.atomic():
                    Note.objects.create(code="s2", text="lost")
                    Note.objects.create(code="s1", text="again")
            except IntegrityError as error:
                return text_of(error), sorted(Note.objects.filter(code__startswith="s").values_list("code", flat=True))

    def by_hand():
        with transaction.atomic():
            mark = transaction.savepoint()
            Note.objects.create(code="s3", text="x")
            transaction.savepoint_rollback(mark)
            mark = transaction.savepoint()
            Note.objects.create(code="s4", text="x")
            transaction.savepoint_commit(mark)
        return Note.objects.filter(code__in=["s3", "s4"]).count()

    step("nested atomic", nested)
    step("by hand", by_hand)


def cursors():
    step = DjangoSteps("cursors")

    def iterate():
        return sum(1 for _ in Note.objects.filter(code__startswith="n").iterator(chunk_size=50))

    def iterate_in_a_transaction():
        with transaction.atomic():
            return iterate()

    step("iterator", iterate)
    step("iterator in a transaction", iterate_in_a_transaction)


def catalog():
    step = DjangoSteps("catalog")
    step("tables", lambda: "dj_notes" in connection.introspection.table_names())

    def described():
        with connection.cursor() as cursor:
            return [
                (f.name, f.type_code, f.null_ok)
                for f in connection.introspection.get_table_description(cursor, "dj_notes")
            ]

    step("description", described)


def ddl():
    step = DjangoSteps("ddl")
    step("drop", lambda: statement("DROP TABLE IF EXISTS dj_labels"))
    # Last: where the index fails, Django leaves its connection within the failed transaction.
    step("create with an index for LIKE", lambda: create(Label))


def main():
    for feature in (connecting, tables, keys, batches, errors, savepoints, cursors, catalog, ddl):
        feature()
    connection.close()


main()
