//! `sidegate completions` and `sidegate man`: what shells and `man` are given of the commands.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use clap_complete::{Shell, generate};

use super::{Exit, command};

const NAME: &str = "sidegate";

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// The directory to write into, such as /usr/local/share/man/man1
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// Prints the script.
pub(super) fn completions(args: &CompletionsArgs) -> Exit {
    let mut out = io::stdout().lock();
    let printed = out.write_all(&script(args.shell)).and_then(|()| out.flush());
    super::printed(printed.map(|()| Exit::Fine), &mut io::stderr().lock())
}

/// Made before it is printed: the generator panics where it cannot write.
fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    generate(shell, &mut command(), NAME, &mut script);
    script
}

/// Writes a page a command.
pub(super) fn man(args: &ManArgs) -> Exit {
    match clap_mangen::generate_to(command(), &args.directory) {
        Ok(()) => Exit::Fine,
        Err(error) => {
            let why = super::trouble(&error);
            eprintln!("{}: cannot be written: {why}", args.directory.display());
            Exit::Broke
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_is_told_of_every_command() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell)).unwrap();
            for subcommand in command().get_subcommands() {
                assert!(
                    script.contains(subcommand.get_name()),
                    "{shell}: {}",
                    subcommand.get_name()
                );
            }
            assert!(script.contains("deny-warnings"), "{shell}");
        }
    }

    #[test]
    fn a_page_is_written_for_each_command() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(man(&ManArgs { directory: folder.path().to_owned() }), Exit::Fine);
        let page = std::fs::read_to_string(folder.path().join("sidegate-key-create.1")).unwrap();
        assert!(page.contains(".TH") && page.contains("svc\\-deploy"), "{page}");
        for subcommand in command().get_subcommands() {
            let path = folder.path().join(format!("sidegate-{}.1", subcommand.get_name()));
            assert!(path.exists(), "{}", path.display());
        }
        let missing = ManArgs { directory: folder.path().join("none") };
        assert_eq!(man(&missing), Exit::Broke);
    }
}
