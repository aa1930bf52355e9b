//! A verifier in a process of its own, for tests that kill it: `verifier-under-test CONFIG ADDRESS_FILE`.
//!
//! Writes its address to the file once it listens.

use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;
use verifier_service::{Config, Service, SystemClock};

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let (config, address_file) = (args.next().expect("config"), args.next().expect("file"));
    let config = Config::load(Some(Path::new(&config))).expect("configuration");
    let listener = TcpListener::bind(config.listen).await.expect("port");
    let address = listener.local_addr().expect("address");
    let service = Service::open(config, Arc::new(SystemClock))
        .await
        .expect("service");
    let unfinished = format!("{address_file}.new");
    std::fs::write(&unfinished, address.to_string()).expect("address file");
    std::fs::rename(&unfinished, &address_file).expect("address file");
    service
        .serve(listener, std::future::pending())
        .await
        .expect("service");
}
