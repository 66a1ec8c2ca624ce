//! tokio-postgres: named statements in binary, pipelined, with types that the server is asked for.

use std::error::Error;
use std::pin::pin;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, TryStreamExt};
use interop_clients::{say, url};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

type Outcome<T> = Result<T, tokio_postgres::Error>;

fn text_of(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(failure) => format!("error {}: {}", failure.code().code(), failure.message()),
        None => format!("client error: {error} {:?}", error.source().map(ToString::to_string)),
    }
}

fn step<T: std::fmt::Debug>(feature: &str, name: &str, outcome: Outcome<T>) {
    say(feature, name, outcome.map_err(|error| text_of(&error)));
}

async fn connect() -> Outcome<Client> {
    let (client, connection) = tokio_postgres::connect(&url(), NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Rows and tags of a simple query.
async fn simple(client: &Client, text: &str) -> Outcome<Vec<String>> {
    let messages = client.simple_query(text).await?;
    let shown = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            let values: Vec<&str> = (0..row.len()).map(|at| row.get(at).unwrap_or("NULL")).collect();
            Some(values.join("|"))
        }
        SimpleQueryMessage::CommandComplete(count) => Some(format!("done {count}")),
        _ => None,
    });
    Ok(shown.collect())
}

async fn statements(client: &Client, feature: &str, texts: &[&str]) {
    for (at, text) in texts.iter().enumerate() {
        step(feature, &format!("{at} {text}"), simple(client, text).await);
    }
}

async fn tables(client: &Client) {
    let texts = [
        "DROP TABLE IF EXISTS tp_items",
        "CREATE TABLE tp_items (id int PRIMARY KEY, name text NOT NULL, n float8)",
        "INSERT INTO tp_items VALUES (1, 'one', 1.5); SELECT * FROM tp_items",
    ];
    statements(client, "tables", &texts).await;
    let insert = client.execute("INSERT INTO tp_items VALUES ($1, $2, $3)", &[&2, &"two", &2.5]).await;
    step("tables", "insert", insert);
    let row = client.query_one("SELECT name, n FROM tp_items WHERE id = $1", &[&2]).await;
    step("tables", "row", row.map(|row| (row.get::<_, String>(0), row.get::<_, f64>(1))));
    let none = client.query_opt("SELECT name FROM tp_items WHERE id = $1", &[&9]).await;
    step("tables", "no row", none.map(|row| row.is_none()));
    step("tables", "wrong type", client.execute("DELETE FROM tp_items WHERE id = $1", &[&"x"]).await);
}

async fn batches(client: &mut Client) {
    let Ok(insert) = client.prepare("INSERT INTO tp_items VALUES ($1, $2, NULL)").await else { return };
    let ids: Vec<i32> = (100..200).collect();
    let all = ids.iter().map(|id| {
        let insert = &insert;
        let client = &*client;
        async move { client.execute(insert, &[id, &"batch"]).await }
    });
    let pipelined: Outcome<Vec<u64>> = futures_util::future::join_all(all).await.into_iter().collect();
    step("batches", "pipelined", pipelined.map(|counts| counts.iter().sum::<u64>()));
    let committed = async {
        let transaction = client.transaction().await?;
        for id in 300..320 {
            transaction.execute(&insert, &[&id, &"tx"]).await?;
        }
        transaction.commit().await
    };
    step("batches", "transaction", committed.await);
    step("batches", "rows", simple(client, "SELECT count(*), sum(id) FROM tp_items").await);
}

async fn errors(client: &mut Client) {
    let texts = ["INSERT INTO tp_items VALUES (1, 'again')", "INSERT INTO tp_items VALUES (3, NULL)", "SELEC 1", "SELECT 1 / 0"];
    statements(client, "errors", &texts).await;
    step("errors", "prepare of nonsense", client.prepare("SELECT nothing FROM tp_items").await.map(|_| ()));
    let aborted = async {
        let transaction = client.transaction().await?;
        let first = transaction.execute("SELECT 1 / $1::int", &[&0]).await.err();
        let second = transaction.execute("SELECT 1", &[]).await.err();
        transaction.rollback().await?;
        Ok([first, second].map(|error| error.map(|error| text_of(&error))))
    };
    step("errors", "in a transaction", aborted.await);
}

async fn savepoints(client: &mut Client) {
    let nested = async {
        let mut outer = client.transaction().await?;
        outer.execute("INSERT INTO tp_items VALUES (5000, 'kept')", &[]).await?;
        let inner = outer.savepoint("mark").await?;
        let failure = inner.execute("INSERT INTO tp_items VALUES (5000, 'again')", &[]).await.err();
        inner.rollback().await?;
        let row = outer.query_one("SELECT name FROM tp_items WHERE id = 5000", &[]).await?;
        outer.rollback().await?;
        Ok((failure.map(|error| text_of(&error)), row.get::<_, String>(0)))
    };
    step("savepoints", "nested", nested.await);
}

async fn returning_and_keys(client: &Client) {
    let row = client.query("INSERT INTO tp_items VALUES ($1, 'r') RETURNING id, name", &[&6000]).await;
    let shown = row.map(|rows| rows.iter().map(|row| (row.get::<_, i32>(0), row.get::<_, String>(1))).collect::<Vec<_>>());
    step("returning", "insert", shown);
    let texts = [
        "DROP TABLE IF EXISTS tp_serial",
        "CREATE TABLE tp_serial (id bigserial PRIMARY KEY, v text)",
        "INSERT INTO tp_serial (v) VALUES ('a') RETURNING id > 0",
    ];
    statements(client, "keys", &texts).await;
}

async fn arrays(client: &Client) {
    let rows = client.query("SELECT id FROM tp_items WHERE id = ANY($1) ORDER BY id", &[&vec![1, 2, 9]]).await;
    step("arrays", "= ANY", rows.map(|rows| rows.iter().map(|row| row.get::<_, i32>(0)).collect::<Vec<_>>()));
    let back = client.query_one("SELECT $1::text[]", &[&vec![Some("a"), None, Some("b,c")]]).await;
    step("arrays", "both ways", back.map(|row| row.get::<_, Vec<Option<String>>>(0)));
}

async fn cursors(client: &mut Client) {
    let portal = async {
        let transaction = client.transaction().await?;
        let portal = transaction.bind("SELECT id FROM tp_items WHERE id >= $1 ORDER BY id", &[&100]).await?;
        let first = transaction.query_portal(&portal, 30).await?.len();
        let rest = transaction.query_portal(&portal, 0).await?.len();
        Ok((first, rest))
    };
    step("cursors", "portal", portal.await);
    let streamed = async {
        let none: [&(dyn ToSql + Sync); 0] = [];
        let rows = client.query_raw("SELECT id FROM tp_items ORDER BY id", none).await?;
        pin!(rows).try_fold(0_i64, |sum, row| async move { Ok(sum + i64::from(row.get::<_, i32>(0))) }).await
    };
    step("cursors", "stream", streamed.await);
}

async fn copy(client: &Client) {
    let text = async {
        let sink = client.copy_in("COPY tp_items (id, name) FROM STDIN").await?;
        let mut sink = pin!(sink);
        sink.send(Bytes::from_static(b"700\ta\n701\tb\n")).await?;
        sink.finish().await
    };
    step("copy", "text in", text.await);
    let binary = async {
        let sink = client.copy_in("COPY tp_items (id, name) FROM STDIN (FORMAT binary)").await?;
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &[Type::INT4, Type::TEXT]));
        writer.as_mut().write(&[&710, &"x"]).await?;
        writer.finish().await
    };
    step("copy", "binary in", binary.await);
    let out = async {
        let stream = client.copy_out("COPY (SELECT id, name FROM tp_items WHERE id >= 700 AND id < 710 ORDER BY id) TO STDOUT").await?;
        let parts: Vec<Outcome<Bytes>> = pin!(stream).collect().await;
        parts.into_iter().map(|part| part.map(|part| String::from_utf8_lossy(&part).into_owned())).collect::<Outcome<String>>()
    };
    step("copy", "text out", out.await);
}

async fn prepared(client: &Client) {
    let described = async {
        let statement = client.prepare("SELECT id, name, n, $2::numeric > 1 FROM tp_items WHERE id = $1").await?;
        let columns: Vec<_> = statement.columns().iter().map(|c| (c.name().to_owned(), c.type_().name().to_owned())).collect();
        Ok((statement.params().iter().map(|t| t.name().to_owned()).collect::<Vec<_>>(), columns))
    };
    step("prepared", "described", described.await);
    step("prepared", "unknown type", client.prepare("SELECT $1::hstore").await.map(|_| ()));
}

#[tokio::main]
async fn main() {
    let mut client = match connect().await {
        Ok(client) => client,
        Err(error) => return say::<()>("connect", "given up", Err(text_of(&error))),
    };
    step("connect", "connects", simple(&client, "SELECT 1").await);
    tables(&client).await;
    batches(&mut client).await;
    errors(&mut client).await;
    savepoints(&mut client).await;
    returning_and_keys(&client).await;
    arrays(&client).await;
    cursors(&mut client).await;
    copy(&client).await;
    prepared(&client).await;
}
