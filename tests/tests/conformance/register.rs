//! Does the register tell the truth about the tests?

use std::path::Path;

use vpclab_tests::register::Register;

#[test]
fn spec_register_is_consistent() {
    let register = Register::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    let problems = register.problems();
    assert!(problems.is_empty(), "{}\n{}", problems.join("\n"), register.counts());
}

#[test]
fn the_behaviours_that_emulators_get_wrong_are_all_on_the_list() {
    let register = Register::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    let listed = register.behaviours();
    for number in (1..=33).chain([39, 40]) {
        assert!(listed.lines().any(|line| line.starts_with(&format!("{number}. "))), "{number}");
    }
}
