use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use tokio_stream::{Stream, StreamExt};
use tonic::codegen::InterceptedService;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::Result;
use crate::failure::Failure;
use crate::twinpost::producer_service_client::ProducerServiceClient;
use crate::twinpost::{
    ProduceRequest, ProduceStreamRequest, ProduceStreamResponse, Record, RecordResult,
};

const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const TRIES_MAX: u32 = 5;

/// Calls twinpost over one channel, which is opened once and serves any number of calls; clones share it.
#[derive(Clone)]
pub struct Producer {
    client: ProducerServiceClient<InterceptedService<Channel, BasicAuth>>,
}

impl Producer {
    pub fn new(address: &str, user: &str, password: &str) -> Result<Self> {
        // For a gateway with TLS: https, and tonic's feature `tls-native-roots`.
        let channel = Endpoint::from_shared(format!("http://{address}"))?.connect_lazy();
        let token = BASE64_STANDARD.encode(format!("{user}:{password}"));
        let credentials = BasicAuth(format!("Basic {token}").parse()?);
        Ok(Self {
            client: ProducerServiceClient::with_interceptor(channel, credentials),
        })
    }

    /// Writes the records, sending again what is certainly not in the log and may succeed later. Where records may be
    /// in the log, sending again might store them twice: that is for the caller to decide.
    pub async fn produce(
        &mut self,
        call: &str,
        records: Vec<Record>,
    ) -> Result<Vec<RecordResult>, Failure> {
        for tries in 1.. {
            let mut request = Request::new(ProduceRequest {
                records: records.clone(),
            });
            request.set_timeout(CALL_TIMEOUT);
            let failure = match self.client.produce(request).await {
                Ok(answer) => return Ok(answer.into_inner().results),
                Err(status) => Failure::from(status),
            };
            if !failure.retriable || failure.delivered != "no" || tries == TRIES_MAX {
                return Err(failure);
            }
            println!(
                "{call}: waiting {:.3} s after {}",
                failure.retry_delay.as_secs_f64(),
                failure.known()
            );
            tokio::time::sleep(failure.retry_delay).await;
        }
        unreachable!("the last try returns")
    }

    /// Sends the steps, numbered from 1, without waiting for answers, and gives each answer to `take`. The steps are
    /// taken only as fast as the gateway has room. The `delivered` of a failure is about the steps without an answer.
    pub async fn produce_stream(
        &mut self,
        steps: impl Stream<Item = Vec<Record>> + Send + 'static,
        mut take: impl FnMut(ProduceStreamResponse) -> Result<()>,
    ) -> Result<()> {
        let mut sequence = 0;
        let requests = steps.map(move |records| {
            sequence += 1;
            ProduceStreamRequest { sequence, records }
        });
        // No deadline: it would bound the whole stream. The end of the requests half-closes.
        let mut answers = self
            .client
            .produce_stream(requests)
            .await
            .map_err(Failure::from)?
            .into_inner();
        while let Some(answer) = answers.message().await.map_err(Failure::from)? {
            take(answer)?;
        }
        Ok(())
    }
}

/// Sends HTTP Basic credentials with every call.
#[derive(Clone)]
struct BasicAuth(MetadataValue<Ascii>);

impl Interceptor for BasicAuth {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", self.0.clone());
        Ok(request)
    }
}
