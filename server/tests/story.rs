//! The main story: three processes, real data loaded with psql, the same answers from every node.

use crate::support::{Cluster, TABLES, load_sample, quorate, rows_of, sample, text_of};

#[test]
fn uninitialised_node_waits_and_names_the_init_command() {
    let mut cluster = Cluster::prepare();
    cluster.start_all();
    for node in &cluster.nodes {
        node.await_http("/health", 200);
        assert_eq!(node.http_get("/ready").expect("answer").0, 503);
        let output = node.psql().args(["-c", "SELECT 1"]).output().expect("psql");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains("quorate init --host"), "{error}");
        assert!(node.log().contains("quorate init --host"), "{}", node.log());
    }
    cluster.init();
    cluster.await_ready();
    let again = quorate().args(["init", "--host", &cluster.nodes[1].host()]).output().expect("init");
    assert!(!again.status.success(), "a second init must be refused: {}", text_of(&again));
    assert!(text_of(&again).contains("already"), "{}", text_of(&again));
}

#[tokio::test(flavor = "multi_thread")]
async fn sample_gives_postgresqls_answers_on_every_node() {
    let cluster = Cluster::running();
    load_sample(&cluster);
    let reads_before =
        cluster.metric("quorate_router_requests_total", &["kind=\"read\"", "where=\"remote\""]);
    check_queries(&cluster);
    let reads = cluster.metric("quorate_router_requests_total", &["kind=\"read\"", "where=\"remote\""]);
    assert!(reads > reads_before, "queries through nodes that do not lead must read remotely");
    let writes = cluster.metric("quorate_router_requests_total", &["kind=\"write\"", "where=\"remote\""]);
    assert!(writes > 0.0, "tables were loaded through nodes that do not lead them");
    check_ranges(&cluster).await;
    check_explain_analyze(&cluster).await;
    check_shell_and_status(&cluster);
}

/// Every query of the sample with PostgreSQL's answer, on all three nodes.
pub(crate) fn check_queries(cluster: &Cluster) {
    let mut queries = 0;
    for entry in std::fs::read_dir(sample().join("expected")).expect("expected answers") {
        let path = entry.expect("entry").path();
        if path.extension().is_none_or(|extension| extension != "sql") {
            continue;
        }
        queries += 1;
        let query = std::fs::read_to_string(&path).expect("query");
        let expected = std::fs::read_to_string(path.with_extension("sample.tsv")).expect("answer");
        for node in cluster.nodes.iter().filter(|node| node.is_running()) {
            assert_eq!(node.psql_run(&query), expected, "{} on n{}", path.display(), node.number);
        }
    }
    assert!(queries >= 20, "only {queries} queries were found");
}

/// Each table has a range of its own, on three nodes, and leaders are spread.
async fn check_ranges(cluster: &Cluster) {
    let client = cluster.nodes[2].connect().await;
    let mut leaders = [0_u32; 4];
    for table in TABLES {
        let rows =
            rows_of(client.simple_query(&format!("SHOW RANGES FROM TABLE {table}")).await.expect("ranges"));
        assert_eq!(rows.len(), 1, "{table}: {rows:?}");
        let [range_id, start, end, size, leader, zone, replicas] = &rows[0][..] else { panic!("{rows:?}") };
        assert!(range_id.parse::<u64>().expect("id") > 1 && !start.is_empty() && !end.is_empty(), "{rows:?}");
        assert!(size.parse::<u64>().is_ok(), "{rows:?}");
        assert_eq!(replicas.matches(['1', '2', '3']).count(), 3, "{rows:?}");
        let leader: usize = leader.parse().expect("a leader");
        assert_eq!(zone, ["", "a", "b", "c"][leader], "{rows:?}");
        leaders[leader] += 1;
    }
    let status = quorate().args(["status", "--host", &cluster.nodes[1].host()]).output().expect("status");
    assert!(status.status.success(), "{}", text_of(&status));
    // Range 1 counts too: six ranges on three nodes are two each.
    let (least, most) = (leaders[1..].iter().min(), leaders[1..].iter().max());
    let (least, most) = (least.expect("some"), most.expect("some"));
    assert!(most - least <= 1, "leaders of the tables per node: {leaders:?}");
}

/// A filter of about one in a hundred is applied where the rows are.
async fn check_explain_analyze(cluster: &Cluster) {
    for node in &cluster.nodes {
        let client = node.connect().await;
        let count = "SELECT count(*) FROM flights";
        let total = number_of(&rows_of(client.simple_query(count).await.expect("count")));
        let filter = "SELECT flight FROM flights WHERE dep_delay > 200";
        let kept = rows_of(client.simple_query(filter).await.expect("filter")).len() as u64;
        assert!(kept > 0 && kept * 50 < total, "{kept} of {total}");
        let plan = rows_of(client.simple_query(&format!("EXPLAIN ANALYZE {filter}")).await.expect("explain"));
        let plan = plan.concat().join("\n");
        let words: Vec<&str> = plan.split(|letter: char| !letter.is_ascii_alphanumeric()).collect();
        for wanted in [total, kept] {
            assert!(words.contains(&wanted.to_string().as_str()), "{wanted} rows are not named in\n{plan}");
        }
    }
}

fn number_of(rows: &[Vec<String>]) -> u64 {
    rows[0][0].parse().expect("a number")
}

fn check_shell_and_status(cluster: &Cluster) {
    let statement = "SELECT carrier, name FROM airlines WHERE carrier IN ('AA', 'UA') ORDER BY carrier";
    for node in &cluster.nodes {
        let output = quorate().args(["sql", &node.url(), "-e", statement]).output().expect("sql");
        assert!(output.status.success(), "{}", text_of(&output));
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "AA\tAmerican Airlines Inc.\nUA\tUnited Air Lines Inc.\n"
        );
    }
    let output = quorate().args(["status", "--host", &cluster.nodes[0].host()]).output().expect("status");
    let text = text_of(&output);
    assert!(output.status.success() && text.contains("HEALTHY"), "{text}");
    for zone in ["zone=a", "zone=b", "zone=c"] {
        assert!(text.contains(zone), "{text}");
    }
}
