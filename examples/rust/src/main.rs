//! Produces to Kafka through twinpost: a record, a batch, a stream, and what goes wrong.
//!
//! The gateway and the credentials come from GATEWAY_ADDRESS, GATEWAY_USER and GATEWAY_PASSWORD.

mod failure;
mod producer;

/// The stubs, from `proto/twinpost/v1`.
mod twinpost {
    tonic::include_proto!("twinpost.v1");
}

use std::collections::BTreeSet;
use std::env;
use std::process::ExitCode;

use failure::Failure;
use producer::Producer;
use twinpost::record_result::Result::{Error, Metadata};
use twinpost::{Header, Record, RecordResult};

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

const STEPS: u64 = 5;
const BAD_STEP: u64 = 3;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let setting = |name, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let mut producer = Producer::new(
        &setting("GATEWAY_ADDRESS", "127.0.0.1:8080"),
        &setting("GATEWAY_USER", "myuser"),
        &setting("GATEWAY_PASSWORD", "mypass"),
    )?;
    one(&mut producer).await?;
    batches(&mut producer).await?;
    stream(&mut producer).await?;
    invalid(&mut producer).await?;
    missing_partition(&mut producer).await
}

/// A record with everything: bytes for key, value and headers.
async fn one(producer: &mut Producer) -> Result<()> {
    let header = |key: &str, value: &[u8]| Header {
        key: key.to_owned(),
        value: Some(value.to_vec()),
    };
    let record = Record {
        topic: "greetings".to_owned(),
        key: Some(b"rust".to_vec()),
        value: Some(b"hello from rust".to_vec()),
        headers: vec![
            header("content-type", b"text/plain"),
            header("trace", &[0x00, 0xff]),
        ],
        ..Record::default()
    };
    all_stored("one", &producer.produce("one", vec![record]).await?)
}

/// Two requests of many records each, for two topics. `None` is a tombstone; `Some(vec![])` is an empty value.
async fn batches(producer: &mut Producer) -> Result<()> {
    for batch in 1..=2 {
        let call = format!("batch {batch}");
        let records = (1..=20).map(|i| Record {
            topic: if i % 2 == 0 { "cities" } else { "greetings" }.to_owned(),
            key: Some(format!("rust-{batch}-{i}").into_bytes()),
            value: (i % 10 != 0).then(|| format!("record {i}").into_bytes()),
            ..Record::default()
        });
        all_stored(&call, &producer.produce(&call, records.collect()).await?)?;
    }
    Ok(())
}

/// Steps that do not wait for each other; the third breaks a rule, and the stream goes on.
async fn stream(producer: &mut Producer) -> Result<()> {
    let record = |step, i| Record {
        topic: "cities".to_owned(),
        partition: (step == BAD_STEP && i == 2).then_some(-1),
        key: Some(b"rust".to_vec()),
        value: Some(format!("step {step} record {i}").into_bytes()),
        ..Record::default()
    };
    let steps = (1..=STEPS).map(move |step| (1..=3).map(|i| record(step, i)).collect());
    let mut unanswered: BTreeSet<u64> = (1..=STEPS).collect();
    producer
        .produce_stream(tokio_stream::iter(steps), |answer| {
            let sequence = answer.sequence;
            if !unanswered.remove(&sequence) {
                return Err(
                    format!("stream: an answer to {sequence}, which nothing waits for").into(),
                );
            }
            let stored = report(&format!("stream {sequence}"), &answer.results);
            let expected = if sequence == BAD_STEP {
                0
            } else {
                answer.results.len()
            };
            if stored != expected {
                return Err(format!(
                    "stream {sequence}: {stored} of {} records stored",
                    answer.results.len()
                )
                .into());
            }
            Ok(())
        })
        .await?;
    if !unanswered.is_empty() {
        return Err(format!("stream: it ended well with {unanswered:?} unanswered").into());
    }
    println!("stream: complete");
    Ok(())
}

/// The gateway names everything that is wrong with a request, and writes nothing of it.
async fn invalid(producer: &mut Producer) -> Result<()> {
    let record = |topic: &str, partition, timestamp| Record {
        topic: topic.to_owned(),
        partition,
        timestamp,
        value: Some(b"never".to_vec()),
        ..Record::default()
    };
    let records = vec![
        record("greetings", Some(-1), None),
        record("no/topic", None, Some(0)),
    ];
    expect_failure("invalid", "INVALID_RECORD", producer, records).await
}

/// Refused by what the cluster is like rather than by a rule, and equally as a whole.
async fn missing_partition(producer: &mut Producer) -> Result<()> {
    let record = |topic: &str, partition| Record {
        topic: topic.to_owned(),
        partition,
        value: Some(b"never".to_vec()),
        ..Record::default()
    };
    let records = vec![record("cities", None), record("greetings", Some(1000))];
    expect_failure(
        "missing partition",
        "PARTITION_OUT_OF_RANGE",
        producer,
        records,
    )
    .await
}

async fn expect_failure(
    call: &str,
    reason: &str,
    producer: &mut Producer,
    records: Vec<Record>,
) -> Result<()> {
    let Err(failure) = producer.produce(call, records).await else {
        return Err(format!("{call}: expected {reason}, but all is stored").into());
    };
    if failure.reason != reason {
        return Err(failure.into());
    }
    println!("{call}: failed {}", failure.known());
    for violation in failure.violations {
        println!(
            "{call}: violation {}: {}",
            violation.field, violation.description
        );
    }
    Ok(())
}

/// Prints what became of each record, and returns how many are stored.
fn report(call: &str, results: &[RecordResult]) -> usize {
    let mut stored = 0;
    for result in results {
        match &result.result {
            Some(Metadata(place)) => {
                stored += 1;
                println!(
                    "{call}: stored {} partition {} offset {}",
                    place.topic, place.partition, place.offset
                );
            }
            Some(Error(error)) => println!("{call}: failed {}", Failure::from(error).known()),
            None => {}
        }
    }
    stored
}

fn all_stored(call: &str, results: &[RecordResult]) -> Result<()> {
    let stored = report(call, results);
    if stored == results.len() {
        Ok(())
    } else {
        Err(format!("{call}: {stored} of {} records stored", results.len()).into())
    }
}
