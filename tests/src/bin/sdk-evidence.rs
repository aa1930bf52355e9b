//! Forged evidence for clients in another language: `sdk-evidence FOLDER`.
//!
//! Writes roots, manifests, answers about revocation for the day (`ocsp`) and, as NVIDIA's Python SDK hands them over,
//! `gpu.json` (two GPUs) and `switch.json` (one); prints the nonce that all answer.

use std::path::PathBuf;

use serde_json::json;
use tests::forge::{Forged, NONCE};
use tests::nras;
use verifier_service::{Clock, SystemClock};

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("folder"));
    let (gpus, switch) = (nras::gpus(2), Forged::switch());
    let devices: Vec<_> = gpus.iter().chain([&switch]).collect();
    let _settings = nras::collateral(&folder, &devices);
    let now = SystemClock.now();
    let answers = folder.join("ocsp");
    std::fs::create_dir(&answers).expect("folder");
    let ders = devices.iter().flat_map(|device| device.filed_answers(now));
    for (number, der) in ders.enumerate() {
        std::fs::write(answers.join(format!("{number}.der")), der).expect("answer");
    }
    let write = |name: &str, devices: &[Forged]| {
        let list: Vec<_> = devices.iter().map(nras::evidence).collect();
        std::fs::write(folder.join(name), json!(list).to_string()).expect("evidence");
    };
    write("gpu.json", &gpus);
    write("switch.json", &[switch]);
    println!("{}", hex::encode(NONCE));
}
