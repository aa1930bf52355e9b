//! The command `attestation-agent`: arguments in, exit code out. All work is the library's.

mod cli;

use std::process::ExitCode;

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
    code
}
