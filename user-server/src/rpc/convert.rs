//! Protobuf ⇄ domain types.

use jiff::Timestamp;
use user_api::v1;

use crate::domain::{ChangeKind, Draft, User};

/// The resource as callers see it.
pub(super) fn user(user: &User) -> v1::User {
    v1::User {
        id: user.id.to_string(),
        etag: user.etag().to_string(),
        display_name: user.display_name.as_str().to_owned(),
        email: user.email.as_str().to_owned(),
        age: user.age.map(|age| age.years().into()),
        create_time: Some(timestamp(user.create_time)),
        update_time: Some(timestamp(user.update_time)),
    }
}

/// What a caller chose; what is output only is left out.
pub(super) fn draft(user: &v1::User) -> Draft<'_> {
    Draft {
        display_name: &user.display_name,
        email: &user.email,
        age: user.age,
    }
}

/// The kind of a change as callers see it.
pub(super) fn change_type(kind: ChangeKind) -> v1::ChangeType {
    match kind {
        ChangeKind::Added => v1::ChangeType::Added,
        ChangeKind::Updated => v1::ChangeType::Updated,
        ChangeKind::Deleted => v1::ChangeType::Deleted,
    }
}

fn timestamp(time: Timestamp) -> prost_types::Timestamp {
    // Both have the sign of the time; protobuf's nanoseconds count forward.
    let (seconds, nanos) = (time.as_second(), time.subsec_nanosecond());
    let (seconds, nanos) = if nanos < 0 {
        (seconds - 1, nanos + 1_000_000_000)
    } else {
        (seconds, nanos)
    };
    prost_types::Timestamp { seconds, nanos }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_count_forward_also_before_1970() {
        for (time, expected) in [
            ("1970-01-01T00:00:01.5Z", (1, 500_000_000)),
            ("1969-12-31T23:59:59.25Z", (-1, 250_000_000)),
        ] {
            let proto = timestamp(time.parse().unwrap());
            assert_eq!((proto.seconds, proto.nanos), expected, "{time}");
        }
    }
}
