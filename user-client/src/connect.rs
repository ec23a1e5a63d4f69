//! From settings to the channel that every command uses.

use grpc_channel::Keepalive;
pub use grpc_channel::{Channel, Error, State};

use crate::settings::Settings;

/// Opens the channel. Returns at once: connections are made in the background.
///
/// Needs a tokio runtime.
///
/// # Errors
/// When the target has no form that the channel knows, or a setting is not acceptable.
pub fn connect(settings: &Settings) -> Result<Channel, Error> {
    let channel = &settings.channel;
    Channel::builder(&settings.target)
        .user_agent(concat!(
            env!("CARGO_PKG_NAME"),
            "/",
            env!("CARGO_PKG_VERSION")
        ))
        .descriptors(user_api::FILE_DESCRIPTOR_SET)
        .wait_for_ready(settings.wait_for_ready)
        .connect_timeout(channel.connect_timeout)
        .keepalive(channel.keepalive_time.map(|time| Keepalive {
            time,
            timeout: channel.keepalive_timeout,
            without_calls: channel.keepalive_without_calls,
        }))
        .dns_interval(channel.dns_interval_min, channel.dns_interval_max)
        .connect()
}
