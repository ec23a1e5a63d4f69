//! What operators see of TLS in the metrics.

use service_runtime::telemetry::instruments;
use service_runtime::tls::handshake::Failure;
use service_runtime::tls::server::Mode;
use tokio::net::TcpStream;

use super::certificates::{Authority, SERVER, Validity};
use super::client::{refused, trusting};
use super::files::Folder;
use crate::log;
use crate::scrape::Scraped;
use crate::subject;

#[tokio::test(flavor = "multi_thread")]
async fn expiry_refused_files_and_failed_handshakes_are_measured() {
    log::start();
    let authority = Authority::named("a");
    let folder = Folder::with(&authority.server(), &authority);
    let scraped = Scraped::start();
    let (bound, layered) = subject::bind(folder.listener(Mode::Mtls));
    let server = bound.measured(&scraped.meter()).serve(layered);
    let address = server.local_address();

    let seconds = scraped.value("tls_certificate_expiry_seconds").await;
    // rcgen's certificates are valid until the year 4096.
    assert!(seconds > 60e9, "seconds from now on: {seconds}");
    assert!(scraped.value("tls_files_rejected").await < 1.0);
    let text = scraped.text().await;
    for instrument in instruments::ALL {
        let name = instrument.prometheus;
        let help = format!("# HELP {name} {}\n", instrument.description);
        assert!(!name.starts_with("tls_") || text.contains(&help), "{help}");
    }

    let over = authority.client(Validity::Over);
    for config in [
        trusting(&authority, None),
        trusting(&authority, Some(&over)),
        trusting(&authority, Some(&over)),
    ] {
        let (us, _) = refused(address, config, SERVER).await;
        log::line_with(&["no handshake", &format!("peer={us} ")]).await;
    }
    let probe = TcpStream::connect(address).await.unwrap();
    let us = probe.local_addr().unwrap();
    drop(probe);
    log::line_with(&["no handshake", &format!("peer={us} ")]).await;
    for reason in Failure::REASONS {
        let expected = match reason {
            "expired" => 2.0,
            "no_certificate" | "left" => 1.0,
            _ => 0.0,
        };
        let series = format!("tls_handshake_failures_total{{reason=\"{reason}\"}}");
        scraped.until(&series, expected).await;
    }

    folder.put("tls.crt", "broken");
    scraped.until("tls_files_rejected", 1.0).await;
}
