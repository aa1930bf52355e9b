//! Receipts a second over HTTP: one verifier on SQLite, one and two on one PostgreSQL, each a process of its own.
//!
//! ```sh
//! tests/postgres/with cargo bench -p tests --bench receipts      # without PostgreSQL: over SQLite alone
//! ```
//!
//! A software device's bundles are handed in by a fixed number of clients that keep their connections; challenges are asked
//! for and bundles signed before, which is not timed with it. The set-ups take turns, round after round, and each stands for
//! its median round. Clients, verifiers and database share the machine: on a machine of few processors the figure is that
//! of all of them together, and a second verifier has nothing to run on. What is the verifiers' own, whatever else runs,
//! is the processor time that they took for each receipt, in the second column.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tests::market::new_database;
use tests::process::Verifier;
use tests::scene::{AS_OF, Scene, gemm};
use tests::served::{AUDIENCE, ISSUER, Requests};

/// Requests at one time.
const CLIENTS: usize = 16;
/// Receipts of one round.
const RECEIPTS: usize = 400;
const ROUNDS: usize = 5;

/// Verifiers on one database.
struct Setup {
    name: &'static str,
    verifiers: Vec<Verifier>,
    clients: Vec<Requests>,
    rates: Vec<Rate>,
    _folder: TempDir,
}

/// What one round showed.
#[derive(Clone, Copy)]
struct Rate {
    challenges_a_second: f64,
    receipts_a_second: f64,
    /// Processor time of the verifiers.
    ms_for_each: f64,
}

#[tokio::main]
async fn main() {
    let scene = Scene::new();
    let mut setups = vec![Setup::open("SQLite, one verifier", &scene, None, 1).await];
    for (name, verifiers) in [
        ("PostgreSQL, one verifier", 1),
        ("PostgreSQL, two verifiers", 2),
    ] {
        if let Some(url) = new_database() {
            setups.push(Setup::open(name, &scene, Some(&url), verifiers).await);
        }
    }
    // The first round warms caches and connections.
    for round in 0..=ROUNDS {
        for setup in &mut setups {
            let rate = setup.round(&scene).await;
            if round > 0 {
                setup.rates.push(rate);
            }
        }
    }
    print(&setups);
}

fn print(setups: &[Setup]) {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    println!("{CLIENTS} clients, {processors} processors for them, verifiers and database");
    println!(
        "{:<28}{:>12}{:>8}{:>14}{:>14}",
        "", "receipts/s", "ratio", "CPU each", "challenges/s"
    );
    let unit = setups[0].median(|rate| rate.receipts_a_second);
    for setup in setups {
        let receipts = setup.median(|rate| rate.receipts_a_second);
        let cpu = setup.median(|rate| rate.ms_for_each);
        let challenges = setup.median(|rate| rate.challenges_a_second);
        println!(
            "{:<28}{receipts:>12.0}{:>8.2}{cpu:>11.2} ms{challenges:>14.0}",
            setup.name,
            receipts / unit,
        );
    }
}

impl Setup {
    async fn open(name: &'static str, scene: &Scene, url: Option<&str>, verifiers: usize) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let settings = settings(folder.path(), scene, url);
        let program = env!("CARGO_BIN_EXE_verifier-under-test");
        let mut started = Vec::new();
        for n in 0..verifiers {
            let name = format!("verifier-{n}");
            let mut verifier = Verifier::new(program, folder.path(), &name, &settings, Some(AS_OF));
            verifier.start().await;
            started.push(verifier);
        }
        let clients = started.iter().map(|verifier| Requests::new(&verifier.url));
        Self {
            name,
            clients: clients.collect(),
            verifiers: started,
            rates: Vec::new(),
            _folder: folder,
        }
    }

    async fn round(&self, scene: &Scene) -> Rate {
        let job = gemm(16, "[]");
        let begun = Instant::now();
        let mut challenges = Vec::new();
        for client in self.clients.iter().cycle().take(RECEIPTS) {
            challenges.push(client.challenge(scene, &job).await);
        }
        let challenged = begun.elapsed();
        let bundles = challenges.iter().map(|challenge| {
            let unsigned = scene.unsigned(job.clone(), challenge.value);
            scene.sign(unsigned).1
        });
        let bundles: Arc<Vec<_>> = Arc::new(bundles.collect());
        let cpu = self.processor_time();
        let begun = Instant::now();
        hand_in(&self.clients, &bundles).await;
        let took = begun.elapsed();
        let cpu = self.processor_time().saturating_sub(cpu);
        let receipts = f64::from(u32::try_from(RECEIPTS).expect("few"));
        Rate {
            challenges_a_second: receipts / challenged.as_secs_f64(),
            receipts_a_second: receipts / took.as_secs_f64(),
            ms_for_each: cpu.as_secs_f64() * 1e3 / receipts,
        }
    }

    fn processor_time(&self) -> Duration {
        self.verifiers.iter().map(Verifier::processor_time).sum()
    }

    fn median(&self, of: impl Fn(&Rate) -> f64) -> f64 {
        let mut all: Vec<_> = self.rates.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    }
}

/// Each client takes the next bundle that nobody has taken, and hands it in at the next verifier.
async fn hand_in(clients: &[Requests], bundles: &Arc<Vec<Vec<u8>>>) {
    let next = Arc::new(AtomicUsize::new(0));
    let all = (0..CLIENTS).map(|n| {
        let client = clients[n % clients.len()].clone();
        let (bundles, next) = (Arc::clone(bundles), Arc::clone(&next));
        tokio::spawn(async move {
            while let Some(bundle) = bundles.get(next.fetch_add(1, Ordering::Relaxed)) {
                let answer = client.submit(bundle.clone()).await;
                assert_eq!(answer.status(), 201);
                drop(answer.bytes().await.expect("a receipt"));
            }
        })
    });
    for one in all.collect::<Vec<_>>() {
        one.await.expect("a client");
    }
}

fn settings(folder: &Path, scene: &Scene, url: Option<&str>) -> String {
    let collateral = scene.collateral_dir();
    let store = url.map(|url| format!("[store]\nurl = {url:?}\n"));
    format!(
        "state_dir = {:?}\nissuer = \"{ISSUER}\"\naudience = [\"{AUDIENCE}\"]\nlog_level = \"warn\"\n\
         max_open_challenges_per_agent = 10000\n{}\
         [appraisal]\nrim_dir = {collateral:?}\nsimulated_anchors = [{:?}]\n[appraisal.ocsp]\ndir = {:?}\n",
        folder.join("state"),
        store.unwrap_or_default(),
        collateral.join("anchors.toml"),
        collateral.join("ocsp"),
    )
}
