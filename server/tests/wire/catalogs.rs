//! The system catalogs through a driver, which takes values in their binary form.

use crate::local::server::Server;

#[tokio::test]
async fn catalogs_have_the_types_that_drivers_expect() {
    let server = Server::start().await;
    let client = server.client().await;
    client.batch_execute("CREATE TABLE t (a INT PRIMARY KEY, b TEXT)").await.unwrap();

    let sql = "SELECT oid, relname, relkind, relpersistence, relnatts, reltuples, relhasindex, relpartbound \
               FROM pg_catalog.pg_class WHERE relname = $1";
    let row = client.query_one(sql, &[&"t"]).await.unwrap();
    let oid: u32 = row.get(0);
    assert_eq!(row.get::<_, &str>(1), "t");
    assert_eq!(row.get::<_, i8>(2), i8::try_from(b'r').unwrap());
    assert_eq!((row.get::<_, i16>(4), row.get::<_, f32>(5), row.get::<_, bool>(6)), (2, -1.0, true));

    let sql = "SELECT attname, atttypid, attidentity FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 ORDER BY attnum";
    let rows = client.query(sql, &[&oid]).await.unwrap();
    let columns: Vec<(&str, u32, i8)> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    assert_eq!(columns, [("a", 23, 0), ("b", 25, 0)]);

    let sql = "SELECT column_name, ordinal_position, is_nullable FROM information_schema.columns WHERE table_name = $1 ORDER BY 2";
    let rows = client.query(sql, &[&"t"]).await.unwrap();
    let columns: Vec<(&str, i32, &str)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    assert_eq!(columns, [("a", 1, "NO"), ("b", 2, "YES")]);

    let statement =
        client.prepare("SELECT 't'::regclass, 'int4'::regtype, 't'::regclass::oid").await.unwrap();
    let types: Vec<u32> = statement.columns().iter().map(|column| column.type_().oid()).collect();
    assert_eq!(types, [2205, 2206, 26]);
    let row = client.query_one(&statement, &[]).await.unwrap();
    assert_eq!(row.get::<_, u32>(2), oid);
}

#[tokio::test]
async fn catalogs_of_very_many_tables_are_read_in_parts() {
    let server = Server::start().await;
    let client = server.client().await;
    for number in 0..250 {
        client.batch_execute(&format!("CREATE TABLE t{number} (a INT PRIMARY KEY, b TEXT)")).await.unwrap();
    }
    let sql = "SELECT count(*) FROM pg_attribute WHERE attrelid > 20000 AND attname = 'b'";
    assert_eq!(client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 250);
    let sql = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 2200 ORDER BY relname DESC LIMIT 1";
    assert_eq!(client.query_one(sql, &[]).await.unwrap().get::<_, &str>(0), "t99");
}
