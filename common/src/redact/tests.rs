use std::os::unix::fs::symlink;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

fn rules(values: &[&str]) -> Rules {
    let mut secrets = Secrets::default();
    for value in values {
        secrets.add("a test", value.as_bytes());
    }
    secrets.with_token_shapes().compile().unwrap()
}

fn in_chunks<'a>(rules: &Rules, chunks: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut redactor = rules.redactor();
    let mut shown = Vec::new();
    for chunk in chunks {
        shown.extend_from_slice(redactor.push(chunk));
    }
    shown.extend_from_slice(redactor.finish());
    shown
}

/// What is made for this test only, from parts: no scanner shall take it for a real one.
fn token(start: &str, length: usize) -> String {
    let mut token = start.to_owned();
    token.extend("Ab3dE5gH7jK2mN4pQ6".chars().cycle().take(length));
    token
}

fn private_key() -> String {
    let body = format!("{}\n", token("MII", 61)).repeat(3);
    ["BEGIN", "END"]
        .map(|end| format!("-----{end} RSA PRIVATE KEY-----"))
        .join(&format!("\n{body}"))
}

/// Everything that can be found, and what is left of it.
fn shapes() -> Vec<(String, String)> {
    let upper = "ABCDEFGHIJ234567";
    let masked = |text: &str, secret: &str| {
        let mask: String = secret
            .chars()
            .map(|character| if character == '\n' { '\n' } else { 'X' })
            .collect();
        (text.to_owned(), text.replace(secret, &mask))
    };
    let mut shapes = Vec::new();
    for (start, length) in [
        ("ghp_", 36),
        ("gho_", 36),
        ("ghs_", 36),
        ("github_pat_", 82),
        ("glpat-", 20),
        ("AIza", 35),
        ("ya29.", 60),
        ("GOCSPX-", 28),
        ("xoxb-", 50),
        ("npm_", 36),
        ("Bearer ", 40),
        ("Authorization: Basic ", 24),
    ] {
        let whole = token(start, length);
        shapes.push(masked(&whole, &whole[start.len()..]));
    }
    shapes.push(masked(&format!("AKIA{upper}"), upper));
    let jwt = format!("eyJ{0}.eyJ{0}.{0}", token("", 30));
    shapes.push(masked(&jwt, &jwt[3..]));
    let url = "https://user:pa55%20w@host/path";
    shapes.push(masked(url, "pa55%20w"));
    let key = private_key();
    let body = &key[31..key.len() - 29];
    shapes.push(masked(&key, body));
    shapes
}

#[test]
fn token_shapes_are_censored_wherever_they_are_cut() {
    let rules = rules(&[]);
    for (text, expected) in shapes() {
        let text = format!("before \"{text}\" after");
        let expected = format!("before \"{expected}\" after");
        assert_eq!(rules.redact(&text), expected);
        for cut in 0..=text.len() {
            let (one, other) = text.as_bytes().split_at(cut);
            let shown = in_chunks(&rules, [one, other].into_iter());
            assert_eq!(String::from_utf8_lossy(&shown), expected, "cut at {cut}");
        }
    }
}

#[test]
fn what_only_resembles_a_token_stays() {
    let rules = rules(&[]);
    for text in [
        "ghp_short and xghp_Ab3dE5gH7jK2mN4pQ6Ab3dE5gH7jK2mN4pQ6",
        "AIzaOnlyAPrefix, AKIA, TAKIA234567ABCDEFGHIJ, AKIAABCDEFGHIJ234567X",
        "http://host:8080/a@b and http://$USER:$PASSWORD@host and git@github.com:a/b.git",
        "ssh://git@host/x, eyJhIjoxfQ, Bearer token, sha256:0123456789abcdef0123456789abcdef",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "-----BEGIN RSA PRIVATE KEY----- is how it starts",
    ] {
        assert_eq!(rules.redact(text), text);
    }
}

#[test]
fn a_private_key_is_censored_with_the_name_of_its_step_before_each_line() {
    let key = private_key().replace('\n', "\n2026-01-02T03:04:05Z [step] ");
    let shown = rules(&[]).redact(&key);
    assert!(!shown.contains("MII"), "{shown}");
    assert_eq!(shown.lines().count(), key.lines().count());
    assert!(shown.ends_with("-----END RSA PRIVATE KEY-----"));
}

#[test]
fn a_text_is_shown_as_soon_as_nothing_in_it_can_be_a_secret() {
    let rules = rules(&["correct horse"]);
    let mut redactor = rules.redactor();
    assert_eq!(redactor.push(b"a line\n"), b"a line\n");
    assert_eq!(redactor.push(b"corr"), b"");
    assert_eq!(redactor.push(b"upt cor"), b"corrupt ");
    assert_eq!(redactor.held_back(), 3);
    assert_eq!(redactor.push(b"rect horse."), b"XXXXXXXXXXXXX.");
    assert_eq!(redactor.masked(), 13);
    assert_eq!(redactor.finish(), b"");
}

#[test]
fn a_number_stays_a_number_and_overlapping_secrets_go_as_a_whole() {
    let rules = rules(&["1234567890", "67890-abcdef"]);
    assert_eq!(
        rules.redact("{\"pin\": 1234567890}"),
        "{\"pin\": 0000000000}"
    );
    assert_eq!(rules.redact("1234567890-abcdef"), "00000XXXXXXXXXXXX");
}

#[test]
fn of_secrets_that_begin_the_same_each_is_found() {
    let rules = rules(&[
        "password-of-",
        "password-of-the-database",
        "password-and-more",
    ]);
    for text in [
        "password-of-",
        "password-of-the-database",
        "password-of-the-cat",
        "password-and-more",
        "password-of-password-of-the-database",
    ] {
        let shown = rules.redact(text);
        let expected = text
            .replace("password-of-the-database", &"X".repeat(24))
            .replace("password-and-more", &"X".repeat(17))
            .replace("password-of-", &"X".repeat(12));
        assert_eq!(shown, expected);
    }
}

#[test]
fn a_chunk_without_secrets_is_given_back_without_a_copy() {
    let rules = rules(&["correct horse"]);
    let mut redactor = rules.redactor();
    let chunk = b"a line without\n".as_slice();
    assert!(std::ptr::eq(redactor.push(chunk), chunk));
    assert_eq!(redactor.push(b"my correct"), b"my ");
    assert_eq!(redactor.push(b" mistake\n"), b"correct mistake\n");
    assert!(std::ptr::eq(redactor.push(chunk), chunk));
    // What stands before still counts: no word begins here.
    let token = token("ghp_", 36);
    let mut redactor = rules.redactor();
    redactor.push(b"7");
    assert_eq!(redactor.push(token.as_bytes()), token.as_bytes());
}

#[test]
fn nothing_is_copied_where_there_is_nothing_to_look_for() {
    let rules = Secrets::default().compile().unwrap();
    assert!(rules.is_empty());
    let chunk = b"ghp_".as_slice();
    let mut redactor = rules.redactor();
    assert!(std::ptr::eq(redactor.push(chunk), chunk));
    assert!(redactor.finish().is_empty());
}

#[test]
fn short_values_and_switches_are_no_secrets() {
    let mut secrets = Secrets::default();
    for value in ["", "  \n", "admin", "true", "seven77\n"] {
        secrets.add("a test", value.as_bytes());
    }
    assert_eq!(secrets.len(), 0);
    assert!(secrets.is_empty());
}

#[test]
fn secrets_are_read_as_kubernetes_mounts_them() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("..2026_01_01");
    std::fs::create_dir(&data).unwrap();
    symlink("..2026_01_01", place.path().join("..data")).unwrap();
    let docker = r#"{"auths": {"https://index": {"auth": "dXNlcjpkb2NrZXItcGFzc3dvcmQ="}}}"#;
    for (name, content) in [
        ("token", b"a-token-with-a-line-end\n".as_slice()),
        ("ca.crt", b"a certificate authority"),
        ("namespace", b"kubeflow-test-infra"),
        ("binary", b"\xff\x00\xfe binary \x80"),
        (".dockerconfigjson", docker.as_bytes()),
        (
            "env",
            b"export API_KEY='of-an-env-file'\nURL=https://innocent\n",
        ),
    ] {
        std::fs::write(data.join(name), content).unwrap();
        symlink(format!("..data/{name}"), place.path().join(name)).unwrap();
    }
    let mut secrets = Secrets::default();
    secrets.add_folder(place.path()).unwrap();
    let rules = secrets.compile().unwrap();
    for secret in [
        "a-token-with-a-line-end",
        "docker-password",
        "of-an-env-file",
    ] {
        assert_eq!(rules.redact(secret), "X".repeat(secret.len()));
    }
    for innocent in ["kubeflow-test-infra", "https://innocent", "https://index"] {
        assert_eq!(rules.redact(innocent), innocent);
    }
    let shown = in_chunks(
        &rules,
        [b"<\xff\x00\xfe binary \x80>".as_slice()].into_iter(),
    );
    assert_eq!(shown, b"<XXXXXXXXXXXX>");
    assert!(
        format!("{secrets:?} {rules:?}")
            .find("token-with")
            .is_none()
    );
}

#[test]
fn secrets_that_cannot_be_read_are_an_error() {
    let place = tempfile::tempdir().unwrap();
    let mut secrets = Secrets::default();
    assert!(secrets.add_folder(&place.path().join("missing")).is_err());
    symlink("nowhere", place.path().join("dangling")).unwrap();
    assert!(secrets.add_folder(place.path()).is_err());
    std::fs::remove_file(place.path().join("dangling")).unwrap();
    std::fs::write(place.path().join("large"), vec![b'x'; 1024 * 1024 + 1]).unwrap();
    let error = secrets.add_folder(place.path()).unwrap_err();
    assert!(error.report().contains("large"), "{}", error.report());
}

#[test]
fn a_large_secret_is_found_in_chunks_of_any_size() {
    let digits = (0..40_000u32).map(|n| format!("{:x}", n * 7919));
    let value = digits.collect::<Vec<_>>().concat();
    let rules = rules(&[&value]);
    let text = format!("{}<{value}>{}", &value[..5000], &value[..100_000]);
    for size in [1000, 4096, 70_000] {
        let shown = in_chunks(&rules, text.as_bytes().chunks(size));
        let expected = text.replace(&value, &"X".repeat(value.len()));
        assert!(shown == expected.as_bytes(), "chunks of {size}");
    }
}

/// Texts in which secrets, parts of secrets and their forms are frequent.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let known = shapes().into_iter().map(|(text, _)| text);
    let mut pieces: Vec<Vec<u8>> = known.map(String::into_bytes).collect();
    pieces.extend(FORMS.iter().cloned());
    let whole = prop::sample::select(pieces);
    let part = (whole.clone(), any::<prop::sample::Index>(), any::<bool>());
    let part = part.prop_map(|(piece, at, first)| {
        let (one, other) = piece.split_at(at.index(piece.len()));
        if first { one } else { other }.to_vec()
    });
    let noise = prop::collection::vec(any::<u8>(), 0..4);
    let piece = prop_oneof![whole, part, noise, Just(b" ".to_vec())];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

const VALUES: [&str; 5] = [
    "abababababab",
    "babababababa-and-more",
    "line one of it is long enough\nline two of it is so as well\n",
    "1234567890",
    "1234567890-a/b c?",
];

static KNOWN: LazyLock<Rules> = LazyLock::new(|| rules(&VALUES));

static FORMS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let forms = VALUES.iter().flat_map(|value| forms::of(value.as_bytes()));
    forms.map(|form| form.to_vec()).collect()
});

proptest! {
    #[test]
    fn borders_of_chunks_make_no_difference(
        text in text(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let rules = &*KNOWN;
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let chunks = cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]);
        let whole = in_chunks(rules, [text.as_slice()].into_iter());
        prop_assert_eq!(&in_chunks(rules, chunks), &whole);
        prop_assert_eq!(&in_chunks(rules, text.chunks(1)), &whole);
        prop_assert_eq!(whole.len(), text.len());
        // No form of a secret is left.
        for form in FORMS.iter() {
            let left = whole.windows(form.len()).any(|window| window == form);
            prop_assert!(!left, "{}", String::from_utf8_lossy(form));
        }
    }

    #[test]
    fn any_bytes_pass(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8)) {
        let rules = &*KNOWN;
        let shown = in_chunks(rules, chunks.iter().map(Vec::as_slice));
        prop_assert_eq!(shown.len(), chunks.concat().len());
    }
}
