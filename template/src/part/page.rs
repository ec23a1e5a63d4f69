//! The example page.

use super::Part;
use crate::cut::Cut;

pub(super) const PART: Part = Part {
    name: "page",
    what: "the example page that calls the service from a browser",
    needs: Some("web"),
    paths: &["user-server/examples/web", "user-server/tests/it/page.rs"],
    cuts: &[
        Cut::lines("user-server/tests/it/main.rs", "mod page;"),
        Cut::lines(".ci/run", "apt_install chromium chromium"),
    ],
};
