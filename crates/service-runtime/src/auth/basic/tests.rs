//! Tests of names with passwords: who gets in, and what a guess costs.

use std::io::Write as _;

use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
use proptest::prelude::*;

use super::super::reload::Parse as _;
use super::passwords::{PasswordsError, Reader};
use super::*;

const READER: Reader = Reader { remember: 100 };

/// As cheap as argon2id can be.
fn hash(password: &str) -> String {
    let params = Params::new(Params::MIN_M_COST, 1, 1, None).unwrap();
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon.hash_password_with_salt(password.as_bytes(), b"0123456789abcdef");
    hash.unwrap().to_string()
}

fn header(value: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(value) = http::HeaderValue::from_bytes(value) {
        headers.insert(http::header::AUTHORIZATION, value);
    }
    headers
}

fn basic_header(name: &str, password: &str) -> HeaderMap {
    let encoded = STANDARD.encode(format!("{name}:{password}"));
    header(format!("Basic {encoded}").as_bytes())
}

async fn outcome(basic: &Basic, headers: &HeaderMap) -> Option<Result<String, Refusal>> {
    let result = match basic.check(headers, Timestamp::now()) {
        Checked::NotMine => return None,
        Checked::Known(caller) => Ok(caller),
        Checked::Refused(refusal) => Err(refusal),
        Checked::Later(pending) => pending.await,
    };
    Some(result.map(|caller| caller.to_string()))
}

fn start(text: &str) -> (Basic, tempfile::NamedTempFile) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let config = Config {
        file: file.path().to_owned(),
        ..Config::default()
    };
    (Basic::start(&config).unwrap(), file)
}

#[test]
fn a_file_with_a_mistake_is_refused_by_its_line_and_not_shown() {
    for text in [
        "hunter2",
        ":x",
        "a b:x",
        "a:hunter2",
        "a:$argon2i$v=19$m=8,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$aGFzaGhhc2g",
    ] {
        let error = READER.parse(&format!("# names\n\n{text}\n")).err().unwrap();
        let message = error.to_string();
        assert!(message.starts_with("line 3: expected"), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
    let twice = format!("a:{0}\na:{0}\n", hash("x"));
    let error = READER.parse(&twice).err().unwrap();
    assert!(matches!(error, PasswordsError::Twice { line: 2 }));
}

#[tokio::test]
async fn only_the_right_password_of_a_known_name_is_let_in() {
    let (basic, _file) = start(&format!("reporting:{}\n", hash("secret:with colon")));
    let right = Some(Ok("basic:reporting".to_owned()));
    let wrong = Some(Err(Refusal::Invalid("wrong name or password")));
    for _ in 0..2 {
        // The second time it is remembered.
        let headers = basic_header("reporting", "secret:with colon");
        assert_eq!(outcome(&basic, &headers).await, right);
        for (name, password) in [("reporting", "secret"), ("reporting", ""), ("stranger", "")] {
            assert_eq!(outcome(&basic, &basic_header(name, password)).await, wrong);
        }
    }
    let mut metadata = HeaderMap::new();
    metadata.insert(USERNAME, "reporting".parse().unwrap());
    assert_eq!(outcome(&basic, &metadata).await, None);
    metadata.insert(PASSWORD, "secret:with colon".parse().unwrap());
    assert_eq!(outcome(&basic, &metadata).await, right);
}

#[tokio::test]
async fn more_guesses_than_may_wait_are_refused_unchecked() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "a:{}", hash("x")).unwrap();
    let config = Config {
        file: file.path().to_owned(),
        max_hashes: 1,
        max_waiting: 2,
        ..Config::default()
    };
    let basic = Basic::start(&config).unwrap();
    let check = |password: &str| basic.check(&basic_header("a", password), Timestamp::now());
    let (first, second) = (check("1"), check("2"));
    assert!(matches!(check("3"), Checked::Refused(Refusal::Busy)));
    drop((first, second));
    assert!(
        matches!(check("3"), Checked::Later(_)),
        "a place is free again"
    );
}

#[tokio::test]
async fn malformed_credentials_are_refused() {
    let (basic, _file) = start(&format!("a:{}\n", hash("x")));
    let encoded = |bytes: &[u8]| [b"basic ", STANDARD.encode(bytes).as_bytes()].concat();
    for value in [
        b"Basic ".to_vec(),
        b"Basic !!!!".to_vec(),
        b"Basic YTp4Cg".to_vec(),
        encoded(b"no colon"),
        encoded(b":x"),
        encoded(b"a:x\n"),
        encoded(b"a\0:x"),
        encoded(b"\xff:x"),
        encoded(&vec![b'a'; 3 * LONGEST_CREDENTIALS]),
    ] {
        let outcome = outcome(&basic, &header(&value)).await;
        assert!(
            matches!(outcome, Some(Err(Refusal::Invalid(_)))),
            "{value:?}: {outcome:?}"
        );
    }
}

proptest! {
    /// No bytes make it panic, and none but the right ones are let in.
    #[test]
    fn no_other_bytes_are_let_in(bytes: Vec<u8>, encode: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (basic, _file) = start(&format!("a:{}\n", hash("only this")));
            let value = if encode { STANDARD.encode(&bytes).into_bytes() } else { bytes };
            let outcome = outcome(&basic, &header(&[b"Basic ", &value[..]].concat())).await;
            assert!(!matches!(outcome, Some(Ok(_))));
        });
    }
}
