//! Prints how much of the documented behaviour is tested, and fails when register and tests disagree.

use std::path::Path;
use std::process::ExitCode;

use vpclab_tests::register::Register;

#[allow(clippy::print_stdout, reason = "this is what the program is for")]
fn main() -> ExitCode {
    let register = Register::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    if std::env::args().any(|word| word == "--behaviours") {
        print!("{}", register.behaviours());
        return ExitCode::SUCCESS;
    }
    print!("{}{}", register.counts(), register.unproven_behaviours());
    let problems = register.problems();
    for problem in &problems {
        println!("{problem}");
    }
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
