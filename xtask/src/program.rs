//! Other people's programs, and where they are kept: what they print goes to a log, and is shown when they fail.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};

/// Lines of a log that are shown.
const SHOWN: usize = 40;

/// Runs it to its end, without input.
pub(crate) fn run(command: &mut Command, log: &Path) -> anyhow::Result<()> {
    let out = File::options().create(true).append(true).open(log)?;
    let status = command
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .status()
        .with_context(|| format!("cannot run {}", name(command)))?;
    if !status.success() {
        let log = String::from_utf8_lossy(&std::fs::read(log)?).into_owned();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
        bail!("{} failed ({status}):\n{last}", name(command));
    }
    Ok(())
}

/// What it prints.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", name(command)))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed: {said}", name(command));
    Ok(output.stdout)
}

/// Whether the shell would find it.
pub(crate) fn is_there(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}

fn name(command: &Command) -> String {
    let first = command.get_args().next().unwrap_or(OsStr::new(""));
    format!("{} {}", command.get_program().display(), first.display())
}

/// The project's folder of this name among the user's caches, as the XDG base directories say.
pub(crate) fn cache(name: &str) -> anyhow::Result<PathBuf> {
    let named = |name| std::env::var_os(name).filter(|path| !path.is_empty());
    let caches = match named("XDG_CACHE_HOME") {
        Some(caches) => PathBuf::from(caches),
        None => {
            let home = named("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?;
            PathBuf::from(home).join(".cache")
        }
    };
    Ok(caches.join("cofferdam").join(name))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        shell
    }

    #[test]
    fn what_a_failing_program_said_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        run(&mut shell("echo one"), &log).unwrap();
        let failed = run(&mut shell("echo two; echo three >&2; exit 3"), &log).unwrap_err();
        let text = failed.to_string();
        assert!(text.contains("exit status: 3"), "{text}");
        assert!(text.ends_with("one\ntwo\nthree"), "{text}");
        assert_eq!(output(&mut shell("echo four")).unwrap(), b"four\n");
        let failed = output(&mut shell("echo five >&2; false")).unwrap_err();
        assert!(failed.to_string().contains("five"));
    }

    #[test]
    fn programs_are_found_as_the_shell_finds_them() {
        assert!(is_there("sh"));
        assert!(!is_there("no-program-has-this-name"));
    }
}
