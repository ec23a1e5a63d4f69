//! The program `user-client`; what it does is in the library, so that tests and the demo can do it too.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    user_client::run(std::env::args_os()).await
}
