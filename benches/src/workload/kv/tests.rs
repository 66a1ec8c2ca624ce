//! A system that forgets, and one that does not: the check must tell them apart.

use std::collections::BTreeMap;

use super::*;
use crate::keys::{Distribution, KeySpace};

type Rows = Arc<Mutex<BTreeMap<u64, String>>>;

/// A map; drops each write whose number is divisible by `forgets`.
struct MapClient {
    rows: Rows,
    forgets: Option<u64>,
    puts: u64,
}

#[async_trait]
impl KvClient for MapClient {
    async fn put(&mut self, key: u64, value: &str) -> Result<(), OpError> {
        self.puts += 1;
        if self.forgets.is_none_or(|forgets| !self.puts.is_multiple_of(forgets)) {
            self.rows.lock().insert(key, value.to_owned());
        }
        Ok(())
    }

    async fn load(&mut self, rows: &[(u64, String)]) -> Result<(), OpError> {
        self.rows.lock().extend(rows.iter().cloned());
        Ok(())
    }

    async fn get(&mut self, key: u64) -> Result<Option<String>, OpError> {
        Ok(self.rows.lock().get(&key).cloned())
    }

    async fn scan(&mut self, from: u64, limit: usize) -> Result<Vec<(u64, String)>, OpError> {
        Ok(self.rows.lock().range(from..).take(limit).map(|(key, value)| (*key, value.clone())).collect())
    }
}

async fn run(rows: &Rows, forgets: Option<u64>, ops: &[(KvOp, usize)]) -> Arc<KvRecord> {
    let record = KvRecord::new(2_500, 64);
    let client = |forgets| Box::new(MapClient { rows: Arc::clone(rows), forgets, puts: 0 });
    record.load(client(None).as_mut(), |_| {}).await.unwrap();
    let keys = KeySpace::new(2_500, Distribution::Uniform, 1);
    for (op, count) in ops {
        let mut worker = KvWorker {
            client: client(forgets),
            op: *op,
            keys: keys.of_client(0),
            record: Arc::clone(&record),
        };
        for _ in 0..*count {
            worker.step().await.unwrap();
        }
    }
    record
}

#[tokio::test]
async fn verify_finds_nothing_wrong_with_a_map() {
    let rows = Rows::default();
    let record = run(&rows, None, &[(KvOp::Put, 5_000), (KvOp::Get, 5_000)]).await;
    let mut client = MapClient { rows, forgets: None, puts: 0 };
    assert_eq!(record.verify(&mut client).await.unwrap(), 2_500);
    assert_eq!(record.wrongs(), (0, Vec::new()));
}

#[tokio::test]
async fn verify_finds_a_lost_write() {
    let rows = Rows::default();
    let record = run(&rows, Some(1_000), &[(KvOp::Put, 1_000)]).await;
    let mut client = MapClient { rows, forgets: None, puts: 0 };
    record.verify(&mut client).await.unwrap();
    let (count, words) = record.wrongs();
    assert_eq!(count, 1, "{words:?}");
    assert!(words[0].contains("replaced before"), "{words:?}");
}

#[tokio::test]
async fn verify_finds_missing_and_damaged_rows() {
    let rows = Rows::default();
    let record = run(&rows, None, &[]).await;
    rows.lock().remove(&1_000);
    rows.lock().remove(&2_499);
    rows.lock().entry(7).and_modify(|value| value.push('x'));
    let mut client = MapClient { rows, forgets: None, puts: 0 };
    assert_eq!(record.verify(&mut client).await.unwrap(), 2_498);
    let (count, words) = record.wrongs();
    assert_eq!(count, 3, "{words:?}");
    assert!(words.iter().any(|word| word.contains("key 1000 was written, and is not there")), "{words:?}");
}

#[tokio::test]
async fn get_notices_an_old_value() {
    let rows = Rows::default();
    let record = run(&rows, Some(2), &[(KvOp::Put, 2_000), (KvOp::Get, 2_000)]).await;
    assert!(record.wrongs().0 > 100, "half of the writes were forgotten");
}
