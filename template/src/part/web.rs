//! gRPC-Web, which `service-runtime` serves and the server's settings switch on.

use super::Part;
use crate::cut::Cut;

const SERVER: &str = "user-server/src/server.rs";
const SETTINGS: &str = "user-server/src/settings.rs";
const RUNNING: &str = "user-server/tests/it/running.rs";

pub(super) const PART: Part = Part {
    name: "web",
    what: "gRPC-Web with CORS, for browsers",
    needs: None,
    paths: &["user-server/tests/it/browsers.rs"],
    cuts: &[
        Cut::lines(SERVER, "use service_runtime::web;"),
        Cut::lines(SERVER, "    web: Option<web::Bound>,"),
        Cut::block(
            SERVER,
            "the listener for browsers cannot start",
            "Web(#[source] server::ListenError),",
        ),
        Cut::lines(
            SERVER,
            "let web = settings.web.clone().bind().map_err(Error::Web)?;",
        ),
        Cut::lines(SERVER, "            web,\n"),
        Cut::block(
            SERVER,
            "    /// Where browsers are served, if they are.",
            "    }\n\n",
        ),
        Cut::block(SERVER, "let web = self.web.map(|web| {", "        });\n"),
        Cut::lines(SERVER, "drop((web, ops));").instead("        drop(ops);\n"),
        Cut::lines(
            SERVER,
            "web = self.web_address().map(tracing::field::display),",
        ),
        Cut::lines(SETTINGS, "use service_runtime::web;"),
        Cut::lines(
            SETTINGS,
            "    /// gRPC-Web, for browsers.\n    pub web: web::Config,\n",
        ),
        Cut::lines(SETTINGS, "violations.section(\"web\""),
        Cut::lines(RUNNING, "pub(crate) web: Option<SocketAddr>,"),
        Cut::lines(RUNNING, "web: server.web_address(),"),
        Cut::lines("user-server/tests/it/main.rs", "mod browsers;"),
        Cut::lines("ARCHITECTURE.md", "| browsers: gRPC-Web, CORS |"),
        Cut::lines(
            "docs/metrics.md",
            " Calls of browsers (gRPC-Web) are calls; their connections are not counted.",
        )
        .instead("listener speaks TLS.\n"),
    ],
};
