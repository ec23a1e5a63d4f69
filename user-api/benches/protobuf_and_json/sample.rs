//! Resources as a real service has them: no two alike, some without an age, some names beyond ASCII.

use prost_types::Timestamp;
use user_api::v1::User;

const NAMES: [&str; 5] = [
    "Ada Lovelace",
    "Grace Brewster Murray Hopper",
    "Zoë Müller-Lüdenscheidt",
    "李明",
    "Bob",
];

/// The resource with this number.
pub(crate) fn user(number: u32) -> User {
    let name = NAMES[usize::try_from(number).expect("it is small") % NAMES.len()];
    let created = i64::from(number) * 61 + 1_700_000_000;
    let time = |seconds| Timestamp {
        seconds,
        nanos: i32::try_from(number % 1_000_000).expect("it is small") * 1_000 + 123_000,
    };
    User {
        id: format!("01890a5d-ac96-774b-bcce-{number:012x}"),
        display_name: name.to_owned(),
        email: format!("person.{number}@example.com"),
        age: (number % 4 != 3).then(|| i32::try_from(18 + number % 70).expect("it is small")),
        create_time: Some(time(created)),
        update_time: Some(time(created + 86_400)),
        etag: format!(
            "{:016x}",
            u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ),
    }
}
