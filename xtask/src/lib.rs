//! The one list of commands that a maintainer runs. `cargo xtask help` shows it.
//!
//! The checks here read the source as text and believe nothing else: what a page promises, what the code says it checks,
//! and what the tests call themselves must be the same list, or the command fails and says what misses where.
#![forbid(unsafe_code)]

mod budget;
mod ci;
mod examples;
mod figures;
mod fuzz;
mod ids;
mod links;
mod mutants;
mod nitro;
mod other_language;
mod pages;
mod program;
mod source;
mod threats;
mod tree;
mod vectors;

/// What a maintainer can ask for.
#[derive(clap::Parser)]
#[command(
    name = "cargo xtask",
    about = "Every command a maintainer of Cofferdam runs"
)]
pub enum Command {
    /// Everything that must be green before a change lands, in the order of cost.
    Ci(ci::Options),
    /// Formats the workspace.
    Fmt,
    /// Clippy over everything; a warning is an error.
    Lint,
    /// Code lines of the trusted base, crates in the enclave, lengths of files.
    Budget,
    /// Check ids: the same in pages, code and tests. Links from pages to tests lead somewhere.
    Ids,
    /// Writes the tables of codes, limits and contexts into the pages.
    Pages(pages::Options),
    /// Regenerates vectors/*.json from the source.
    Vectors(vectors::Options),
    /// Runs every fuzz target for a short while, over a corpus made from vectors/.
    Fuzz(fuzz::Options),
    /// Applies the small mutation of each threat to a copy of the source; its test must turn red.
    Mutants(mutants::Options),
    /// Runs the client of e2e/other-language, in Python, against a simulator.
    OtherLanguage(other_language::Options),
    /// Code lines by crate.
    Loc,
    /// Sizes of the shipped binaries.
    Figures,
    /// Builds the image that boots in an enclave, and says what it measures.
    Eif(nitro::EifOptions),
    /// Boots both images under QEMU's emulation of a Nitro enclave, and takes a key all the way.
    NitroQemu(nitro::QemuOptions),
}

impl Command {
    /// Does it; an error means "not good" as well as "could not be done".
    ///
    /// # Errors
    /// What was found, or why it could not be looked for.
    pub fn run(self) -> anyhow::Result<()> {
        let root = tree::root();
        match self {
            Command::Ci(options) => ci::run(&root, &options),
            Command::Fmt => {
                ci::cargo(&root, &["fmt", "--all"])?;
                ci::cargo(&root, ci::FMT_FUZZ)
            }
            Command::Lint => ci::cargo(&root, ci::LINT),
            Command::Budget => budget::check(&root),
            Command::Ids => {
                let ids = ids::check(&root);
                links::check(&root).and(ids)
            }
            Command::Pages(options) => pages::run(&root, &options),
            Command::Vectors(options) => vectors::run(&root, &options),
            Command::Fuzz(options) => fuzz::run(&root, &options),
            Command::Mutants(options) => mutants::run(&root, &options),
            Command::OtherLanguage(options) => other_language::run(&root, &options),
            Command::Loc => budget::print_lines(&root),
            Command::Figures => figures::print(&root),
            Command::Eif(options) => nitro::eif(&root, &options),
            Command::NitroQemu(options) => nitro::qemu(&root, &options),
        }
    }
}
