//! sqlx, with its pool: named statements that it keeps, types by their numbers in the catalog, migrations left out.

use futures_util::TryStreamExt;
use interop_clients::{say, url};
use sqlx::postgres::{PgArguments, PgPoolCopyExt, PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::{Acquire, Column, Executor, PgPool, Postgres, Row, Statement, TypeInfo};

type Outcome<T> = Result<T, sqlx::Error>;

fn text_of(error: &sqlx::Error) -> String {
    match error.as_database_error() {
        Some(failure) => format!("error {}: {}", failure.code().unwrap_or_default(), failure.message()),
        None => format!("client error: {error}"),
    }
}

fn step<T: std::fmt::Debug>(feature: &str, name: &str, outcome: Outcome<T>) {
    say(feature, name, outcome.map_err(|error| text_of(&error)));
}

fn insert(id: i32, name: &str) -> Query<'_, Postgres, PgArguments> {
    sqlx::query("INSERT INTO sx_items VALUES ($1, $2)").bind(id).bind(name)
}

async fn statements(pool: &PgPool, feature: &str, texts: &[&'static str]) {
    for (at, text) in texts.iter().enumerate() {
        let done = sqlx::query(text).execute(pool).await;
        step(feature, &format!("{at} {text}"), done.map(|done| done.rows_affected()));
    }
}

async fn tables(pool: &PgPool) {
    let texts = ["DROP TABLE IF EXISTS sx_items", "CREATE TABLE sx_items (id int PRIMARY KEY, name text)"];
    statements(pool, "tables", &texts).await;
    step("tables", "insert", insert(1, "one").execute(pool).await.map(|done| done.rows_affected()));
    let row: Outcome<(i32, Option<String>)> = sqlx::query_as("SELECT * FROM sx_items WHERE id = $1").bind(1).fetch_one(pool).await;
    step("tables", "row", row);
    let none: Outcome<Option<i64>> = sqlx::query_scalar("SELECT id::bigint FROM sx_items WHERE id = $1").bind(9).fetch_optional(pool).await;
    step("tables", "no row", none);
    step("tables", "several statements", pool.execute("SELECT 1; SELECT 2").await.map(|done| done.rows_affected()));
    let nulls = sqlx::query("UPDATE sx_items SET name = $1 WHERE id = 1").bind(None::<String>).execute(pool).await;
    step("tables", "null", nulls.map(|done| done.rows_affected()));
}

async fn batches(pool: &PgPool) {
    let many = async {
        let mut transaction = pool.begin().await?;
        for id in 100..200 {
            insert(id, "batch").execute(&mut *transaction).await?;
        }
        transaction.commit().await
    };
    step("batches", "transaction", many.await);
    let ids: Vec<i32> = (300..330).collect();
    let unnest = sqlx::query("INSERT INTO sx_items SELECT * FROM unnest($1::int[], $2::text[])");
    let done = unnest.bind(&ids).bind(vec!["u"; ids.len()]).execute(pool).await;
    step("batches", "unnest", done.map(|done| done.rows_affected()));
    let count: Outcome<i64> = sqlx::query_scalar("SELECT count(*) FROM sx_items WHERE id < 300").fetch_one(pool).await;
    step("batches", "rows", count);
}

async fn errors(pool: &PgPool) {
    step("errors", "duplicate key", insert(1, "again").execute(pool).await.map(|_| ()));
    statements(pool, "errors", &["SELEC 1", "SELECT * FROM sx_nothing", "SELECT 1 / 0"]).await;
    let dropped = async {
        let mut transaction = pool.begin().await?;
        insert(400, "lost").execute(&mut *transaction).await?;
        drop(transaction);
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM sx_items WHERE id = 400").fetch_one(pool).await
    };
    step("errors", "transaction that is dropped", dropped.await);
}

async fn savepoints(pool: &PgPool) {
    let nested = async {
        let mut outer = pool.begin().await?;
        insert(5000, "kept").execute(&mut *outer).await?;
        let mut inner = outer.begin().await?;
        let failure = insert(5000, "again").execute(&mut *inner).await.err();
        inner.rollback().await?;
        let name: Option<String> = sqlx::query_scalar("SELECT name FROM sx_items WHERE id = 5000").fetch_one(&mut *outer).await?;
        outer.rollback().await?;
        Ok((failure.map(|error| text_of(&error)), name))
    };
    step("savepoints", "nested", nested.await);
}

async fn returning_and_keys(pool: &PgPool) {
    let row: Outcome<(i32, Option<String>)> =
        sqlx::query_as("INSERT INTO sx_items VALUES ($1, 'r') RETURNING *").bind(6000).fetch_one(pool).await;
    step("returning", "insert", row);
    statements(pool, "keys", &["DROP TABLE IF EXISTS sx_serial", "CREATE TABLE sx_serial (id bigserial PRIMARY KEY, v text)"]).await;
    let id: Outcome<i64> = sqlx::query_scalar("INSERT INTO sx_serial (v) VALUES ('a') RETURNING id").fetch_one(pool).await;
    step("keys", "id comes back", id.map(|id| id > 0));
}

async fn arrays(pool: &PgPool) {
    let ids: Outcome<Vec<i32>> =
        sqlx::query_scalar("SELECT id FROM sx_items WHERE id = ANY($1) ORDER BY id").bind(vec![1, 100, 9]).fetch_all(pool).await;
    step("arrays", "= ANY", ids);
    let back: Outcome<Vec<Option<String>>> = sqlx::query_scalar("SELECT $1::text[]").bind(vec![Some("a"), None]).fetch_one(pool).await;
    step("arrays", "both ways", back);
}

async fn cursors(pool: &PgPool) {
    let mut rows = sqlx::query("SELECT id FROM sx_items ORDER BY id").fetch(pool);
    let summed = async {
        let mut sum = 0_i64;
        while let Some(row) = rows.try_next().await? {
            sum += i64::from(PgRow::get::<i32, _>(&row, 0));
        }
        Ok(sum)
    };
    step("cursors", "stream", summed.await.map(|sum| sum > 0));
}

async fn copy(pool: &PgPool) {
    let copied = async {
        let mut sink = pool.copy_in_raw("COPY sx_items FROM STDIN").await?;
        sink.send(b"700\ta\n701\t\\N\n".as_slice()).await?;
        sink.finish().await
    };
    step("copy", "in", copied.await);
    let out = async {
        let parts: Vec<_> = pool.copy_out_raw("COPY sx_items TO STDOUT").await?.try_collect().await?;
        Ok(parts.iter().map(|part: &bytes::Bytes| part.len()).sum::<usize>() > 0)
    };
    step("copy", "out", out.await);
}

async fn prepared(pool: &PgPool) {
    let described = async {
        let statement = pool.prepare("SELECT id, name, count(*) FROM sx_items WHERE id > $1 GROUP BY id, name").await?;
        let columns: Vec<_> = statement.columns().iter().map(|c| (c.name().to_owned(), c.type_info().name().to_owned())).collect();
        Ok(columns)
    };
    step("prepared", "described", described.await);
    let query_described = pool.describe("INSERT INTO sx_items (id, name) VALUES ($1, $2)").await;
    step("prepared", "described with nullability", query_described.map(|d| format!("{:?}", d.parameters.map(|_| ()))));
}

#[tokio::main]
async fn main() {
    let pool = match PgPoolOptions::new().max_connections(3).connect(&url()).await {
        Ok(pool) => pool,
        Err(error) => return say::<()>("connect", "given up", Err(text_of(&error))),
    };
    let one: Outcome<i32> = sqlx::query_scalar("SELECT $1::int").bind(1).fetch_one(&pool).await;
    step("connect", "connects", one);
    let several = futures_util::future::try_join_all((0..8_i32).map(|i| {
        let pool = &pool;
        async move { sqlx::query_scalar::<_, i32>("SELECT $1::int").bind(i).fetch_one(pool).await }
    }));
    step("pool", "eight over three", several.await);
    tables(&pool).await;
    batches(&pool).await;
    errors(&pool).await;
    savepoints(&pool).await;
    returning_and_keys(&pool).await;
    arrays(&pool).await;
    cursors(&pool).await;
    copy(&pool).await;
    prepared(&pool).await;
}
