//! The `coffer` command.

fn main() -> std::process::ExitCode {
    cofferdam::cli::run(std::env::args_os())
}
