//! The command `attestation-agent`: arguments in, exit code out. All work is the library's.

mod cli;

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    if cli.is_supervisor() {
        return attestation_agent::command::supervise::supervise();
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::from(3);
        }
    };
    let code = runtime.block_on(cli::main(cli));
    // What still hangs now is a name server or a driver, and nobody waits for it.
    runtime.shutdown_background();
    if attestation_agent::driver_hangs() {
        end_anyway();
    }
    code
}

/// Ends the process by a signal if it has not ended after a moment: what a hanging driver registered for the end may hang
/// as well. The reason is printed by now.
fn end_anyway() {
    const MOMENT: Duration = Duration::from_secs(3);
    thread::spawn(|| {
        thread::sleep(MOMENT);
        // There is no other way to go on if this fails.
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    });
}
