//! The Tiltfile.

use super::Part;
use crate::cut::Cut;

pub(super) const PART: Part = Part {
    name: "tilt",
    what: "the Tiltfile, and its tests",
    needs: None,
    paths: &["Tiltfile", ".ci/tilt", ".ci/tiltfile"],
    cuts: &[
        Cut::lines(".ci/run", "step 'the Tiltfile'\npart .ci/tilt\n\n"),
        Cut::lines(
            "ARCHITECTURE.md",
            "| `Dockerfile`, `Tiltfile` | the images, and the development loop | – |",
        )
        .instead("| `Dockerfile` | the images | – |\n"),
        Cut::lines("ARCHITECTURE.md", "| **images and the loop** | |")
            .instead("| **images** | |\n"),
        Cut::lines("ARCHITECTURE.md", "| `tilt up` |"),
        Cut::block(
            "docs/image.md",
            "## The development loop\n",
            "`.ci/tiltfile`.",
        ),
    ],
};
