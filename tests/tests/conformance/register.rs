//! Does the register tell the truth about the tests?

use std::path::Path;

use vpclab_tests::register::Register;

#[test]
fn spec_register_is_consistent() {
    let register = Register::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    let problems = register.problems();
    assert!(problems.is_empty(), "{}\n{}", problems.join("\n"), register.counts());
}
