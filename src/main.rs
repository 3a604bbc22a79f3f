//! The `sidegate` binary: everything it does is in the library's `cli` room.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    sidegate::cli::main()
}
