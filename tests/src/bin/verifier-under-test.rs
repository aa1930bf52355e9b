//! A verifier in a process of its own, for tests that kill it or speak to it from another language:
//! `verifier-under-test CONFIG ADDRESS_FILE [TIME]`.
//!
//! Writes its address to the file once it listens. With a time (RFC 3339) its clock stands there.

use std::path::Path;
use std::sync::Arc;

use evidence::UnixTime;
use telemetry::Exporter;
use tokio::net::TcpListener;
use verifier_service::{
    Clock, Config, LogLevel, ManualClock, Service, SystemClock, init_logging_with_traces,
};

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let (config, address_file) = (args.next().expect("config"), args.next().expect("file"));
    let clock: Arc<dyn Clock> = match args.next() {
        None => Arc::new(SystemClock),
        Some(time) => {
            let time = UnixTime::parse_rfc3339(&time).expect("an RFC 3339 time");
            Arc::new(ManualClock::new(time))
        }
    };
    let config = Config::load(Some(Path::new(&config))).expect("configuration");
    let traces = Exporter::open(&config.telemetry, "pogw-verifier", "0").expect("traces");
    // Nothing is logged by one that exports nothing: tests read no log of it.
    if traces.is_some() {
        init_logging_with_traces(LogLevel::Info, traces.as_ref());
    }
    let listener = TcpListener::bind(config.listen).await.expect("port");
    let address = listener.local_addr().expect("address");
    let service = Service::open(config, clock).await.expect("service");
    let unfinished = format!("{address_file}.new");
    std::fs::write(&unfinished, address.to_string()).expect("address file");
    std::fs::rename(&unfinished, &address_file).expect("address file");
    service
        .serve(listener, std::future::pending())
        .await
        .expect("service");
}
