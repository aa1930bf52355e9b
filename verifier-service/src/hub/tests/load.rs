//! What a thousand agents cost that wait for work. Prints figures; run alone:
//! `cargo test --release -p verifier-service --lib hub::tests::load -- --ignored --nocapture --test-threads 1`

use std::future::Future;
use std::task::{Context, Waker};

use axum::extract::{Path, State};
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const AGENTS: usize = 1000;

/// Memory of this process that is in RAM, in KiB.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}

/// Processor time this process has used, in ticks of 10 ms (proc_pid_stat(5), fields 14 and 15).
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<_> = rest.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// A long poll that finds nothing until it is woken.
async fn long_poll(State(hub): State<Hub>, Path(id): Path<String>) -> &'static str {
    let topic = Topic::Agent(AgentId::parse(&id).unwrap());
    let mut looks = 0;
    let look = || {
        looks += 1;
        let found = (looks > 1).then_some("work");
        async move { Ok::<_, TooManyWait>(found) }
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    hub.until(party(), topic, deadline, look)
        .await
        .unwrap()
        .unwrap_or("nothing")
}

#[tokio::test]
#[ignore = "prints figures"]
async fn what_a_waiter_costs_in_the_hub() {
    const WAITERS: usize = 50_000;
    let (_events, hub) = hub();
    let before = resident_kib();
    let mut waits: Vec<_> = (0..WAITERS)
        .map(|_| {
            let mut waiter = hub.wait_for(party(), Topic::Agent(agent())).unwrap();
            Box::pin(async move { waiter.until(late()).await })
        })
        .collect();
    let mut context = Context::from_waker(Waker::noop());
    for wait in &mut waits {
        assert!(wait.as_mut().poll(&mut context).is_pending());
    }
    let bytes = (resident_kib() - before) * 1024 / WAITERS as u64;
    println!("a waiter, with the future of its request: {bytes} bytes");
    assert!(bytes < 1024);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints figures"]
async fn a_thousand_agents_in_long_polls_over_http() {
    let events = Arc::<Written>::default();
    let hub = Hub::start(Arc::clone(&events) as Arc<dyn Events>);
    let agents: Vec<_> = (0..AGENTS).map(|_| agent()).collect();
    let router = axum::Router::new()
        .route("/{id}", get(long_poll))
        .with_state(hub.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let before = resident_kib();
    let mut connections = Vec::new();
    for id in &agents {
        let mut connection = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET /{} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            id.as_str()
        );
        connection.write_all(request.as_bytes()).await.unwrap();
        connections.push(connection);
    }
    while lock(&hub.waiters.places).taken < AGENTS {
        sleep(Duration::from_millis(10)).await;
    }
    let (waiting, asked, used) = (resident_kib(), events.asked(), ticks());
    sleep(Duration::from_secs(10)).await;
    let (used, asked) = (ticks() - used, events.asked() - asked);
    println!(
        "{AGENTS} agents: {} KiB more, {} KiB in all; 10 s: {} ms of processor time, {asked} questions to the store",
        waiting - before,
        waiting,
        used * 10,
    );
    assert!(waiting - before < 100 * 1024);
    assert!(asked <= 12);

    let started = Instant::now();
    for (number, id) in (1..).zip(&agents) {
        events.write(note(number, job(), Some(id.clone())));
    }
    for connection in &mut connections {
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("work"), "{answer}");
    }
    println!(
        "all woken by another verifier's events after {} ms",
        started.elapsed().as_millis()
    );
}
