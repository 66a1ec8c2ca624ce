//! Takes requests to ranges from other nodes: the handler of `Service::Range`.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use quorate_placement::topology::NodeId;

use crate::api::RangeError;
use crate::local_ranges::LocalRanges;
use crate::rpc::Handler;
use crate::wire::range::read_request;
use crate::wire::range_answer::write_answer;

/// Asks the local replicas for other nodes.
pub struct RangeService {
    ranges: Arc<dyn LocalRanges>,
}

impl RangeService {
    /// A service over these replicas.
    pub fn new(ranges: Arc<dyn LocalRanges>) -> Arc<Self> {
        Arc::new(Self { ranges })
    }
}

impl Handler for RangeService {
    fn handle(&self, from: NodeId, payload: Bytes) -> BoxFuture<'static, Bytes> {
        let ranges = Arc::clone(&self.ranges);
        Box::pin(async move {
            let answer = match read_request(payload) {
                Ok(request) => ranges.execute(request).await,
                Err(error) => Err(RangeError::Refused(format!("request of {from} cannot be read: {error}"))),
            };
            write_answer(&answer)
        })
    }
}
