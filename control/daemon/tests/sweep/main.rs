//! Does a lab that starts remove the dead labs of others? In a program of its own: whoever does that would take from
//! other tests the labs that they leave dead for a moment.
//!
//! Needs root and `/dev/net/tun`, as the live tests do.
// Clippy knows test functions by their attribute; the helpers they share are test code just as well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../live/fixture.rs"]
#[expect(dead_code, reason = "the live tests use more of it")]
mod fixture;
#[path = "../../../../tests/tests/live/skip.rs"]
mod skip;

use fixture::{Inhabitant, Lab, live, topology, wait_until};

#[test]
fn a_dead_lab_where_nobody_lives_is_removed_by_the_next_of_another_name() {
    if !live() {
        return;
    }
    let (mut empty, mut inhabited) = (Lab::up(&topology()), Lab::up(&topology()));
    let _inhabitant = Inhabitant::of(&inhabited.netns("a"));
    empty.kill();
    inhabited.kill();
    let modest = Lab::up(&topology());
    assert!(!empty.remains().is_empty(), "whoever does not do that leaves it alone");
    let _other = Lab::start(&topology(), &["sweep"]);
    wait_until("the empty lab is removed", || empty.remains().is_empty());
    assert_eq!(inhabited.remains().len(), 5, "a lab where somebody lives is left alone");
    assert!(modest.pings("a", "10.7.1.11"), "and so is one that runs");
}
