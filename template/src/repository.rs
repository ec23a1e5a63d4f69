//! The repository that the images are pushed to, such as `ghcr.io/example`: what it may be, and where the
//! images are named.

use crate::form::REPOSITORY;
use crate::refusal::Refusal;

/// What an image's name follows on: in the base's kustomization, in the end-to-end tests, and the beginning of
/// `docker build --tag user-server:0.1.0` wherever that is written.
const NAMED: [&str; 2] = ["newName: ", "_IMAGE: &str = \""];

/// The images.
const IMAGES: [&str; 2] = ["user-server", "user-client"];

/// What stands before an image's name: the repository and a slash, or nothing without one.
///
/// # Errors
///
/// What is no repository as the [OCI's distribution specification] has them: path components in lower case, the
/// first of which may have a port.
///
/// [OCI's distribution specification]: https://github.com/opencontainers/distribution-spec/blob/main/spec.md
pub(crate) fn prefix(repository: &str) -> Result<String, Refusal> {
    let trimmed = repository.trim().trim_end_matches('/');
    if trimmed.is_empty() {
        return Ok(String::new());
    }
    let (first, rest) = trimmed
        .split_once('/')
        .map_or((trimmed, None), |(first, rest)| (first, Some(rest)));
    let (host, port) = first.split_once(':').unwrap_or((first, "0"));
    let is_port = !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit());
    if is_port && is_component(host) && rest.is_none_or(|it| it.split('/').all(is_component)) {
        Ok(format!("{trimmed}/"))
    } else {
        Err(Refusal::Repository(repository.to_owned()))
    }
}

fn is_component(text: &str) -> bool {
    let is_inside = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().copied().is_some_and(is_inside)
        && bytes.last().copied().is_some_and(is_inside)
        && bytes.iter().all(|it| is_inside(*it) || b"._-".contains(it))
}

/// The text with the character of the repository before the name of each image.
pub(crate) fn marked(text: &str) -> String {
    let mut marked = text.to_owned();
    for image in IMAGES {
        for before in NAMED {
            marked = marked.replace(
                &format!("{before}{image}"),
                &format!("{before}{REPOSITORY}{image}"),
            );
        }
        marked = tagged(&marked, image);
    }
    marked
}

/// Where a version follows on the image's name, and no repository stands before it.
fn tagged(text: &str, image: &str) -> String {
    let mut parts = text.split(image);
    let mut marked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_tagged = part
            .strip_prefix(':')
            .is_some_and(|it| it.starts_with(|it: char| it.is_ascii_digit()));
        let is_alone = marked
            .chars()
            .next_back()
            .is_none_or(|it| it.is_whitespace() || matches!(it, '`' | '"'));
        if is_tagged && is_alone {
            marked.push(REPOSITORY);
        }
        marked.push_str(image);
        marked.push_str(part);
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_gets_its_slash() {
        for (said, expected) in [
            ("", ""),
            ("ghcr.io/example", "ghcr.io/example/"),
            ("ghcr.io/example/", "ghcr.io/example/"),
            ("localhost:5000", "localhost:5000/"),
            (
                "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team_a",
                "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team_a/",
            ),
        ] {
            assert_eq!(prefix(said), Ok(expected.to_owned()), "{said:?}");
        }
    }

    #[test]
    fn what_is_no_repository_is_refused_with_an_example() {
        for said in [
            "https://ghcr.io/example",
            "ghcr.io/Example",
            "ghcr.io//example",
            "ghcr.io:/example",
            "ghcr.io/example:1",
            "two words",
            "-example",
        ] {
            let refusal = prefix(said).map_err(|it| it.to_string());
            assert!(
                refusal
                    .as_ref()
                    .is_err_and(|it| it.contains(said) && it.contains("ghcr.io/example")),
                "{said:?}: {refusal:?}"
            );
        }
    }

    #[test]
    fn images_are_marked_where_they_are_images() {
        let text = "docker build --tag user-server:0.1.0 .\n- name: user-server\n  newName: user-server\n\
                    `user-client:0.1.0-next`, registry.example.com/user-server:0.1.0, dns:///user-server:50051\n";
        let expected = format!(
            "docker build --tag {REPOSITORY}user-server:0.1.0 .\n- name: user-server\n  newName: {REPOSITORY}user-server\n\
             `{REPOSITORY}user-client:0.1.0-next`, registry.example.com/user-server:0.1.0, dns:///user-server:50051\n"
        );
        assert_eq!(marked(text), expected);
    }
}
