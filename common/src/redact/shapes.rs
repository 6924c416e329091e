//! Well-known shapes of tokens: those that a scanner finds with next to no false alarm,
//! because their issuer gave them a prefix for just that purpose.

/// A shape: a literal start, and what follows it.
pub(super) struct Shape {
    /// How it starts; stays readable, so that the reader learns what was there.
    pub(super) start: &'static [u8],
    /// Whether it must not follow a letter, a digit or an underscore.
    pub(super) word: bool,
    /// What stands between the start and the secret.
    before: &'static [Part],
    /// The secret.
    secret: &'static [Part],
    /// What must follow it.
    after: &'static [Part],
}

/// A part of a shape.
enum Part {
    Literal(&'static [u8]),
    /// As many bytes of a kind as there are, within bounds.
    Run(fn(u8) -> bool, usize, usize),
    /// Everything up to a literal, at most so many bytes, and not beyond another start.
    Until(&'static [u8], usize),
    /// No letter, digit or underscore.
    WordEnd,
}

/// What a look at some bytes tells.
pub(super) enum Verdict {
    /// It is one; where the secret in it starts and ends.
    Found(usize, usize),
    Nothing,
    /// More bytes decide.
    Undecided,
}

/// No token is longer, in bytes.
const LONGEST: usize = 4096;

impl Shape {
    /// Looks at bytes that begin with the start. `ended`: no more will come.
    pub(super) fn look(&self, bytes: &[u8], ended: bool) -> Verdict {
        let mut at = self.start.len();
        let mut marks = [0; 3];
        for (mark, parts) in marks.iter_mut().zip([self.before, self.secret, self.after]) {
            for part in parts {
                match part.take(bytes.get(at..).unwrap_or_default(), ended) {
                    Taken::Bytes(taken) => at += taken,
                    Taken::Nothing => return Verdict::Nothing,
                    Taken::Undecided => return Verdict::Undecided,
                }
            }
            *mark = at;
        }
        Verdict::Found(marks[0], marks[1])
    }
}

enum Taken {
    Bytes(usize),
    Nothing,
    Undecided,
}

impl Part {
    fn take(&self, bytes: &[u8], ended: bool) -> Taken {
        match *self {
            Part::Literal(literal) if bytes.starts_with(literal) => Taken::Bytes(literal.len()),
            Part::Literal(literal) if !ended && literal.starts_with(bytes) => Taken::Undecided,
            Part::Literal(_) => Taken::Nothing,
            Part::Run(kind, least, most) => {
                let run = bytes.iter().take(most).take_while(|byte| kind(**byte));
                let run = run.count();
                if run == bytes.len() && run < most && !ended {
                    Taken::Undecided
                } else if run < least {
                    Taken::Nothing
                } else {
                    Taken::Bytes(run)
                }
            }
            Part::Until(literal, most) => until(bytes, literal, most, ended),
            Part::WordEnd => match bytes.first() {
                Some(byte) if is_word(*byte) => Taken::Nothing,
                None if !ended => Taken::Undecided,
                _ => Taken::Bytes(0),
            },
        }
    }
}

fn until(bytes: &[u8], literal: &[u8], most: usize, ended: bool) -> Taken {
    let window = &bytes[..bytes.len().min(most)];
    // The first line of dashes decides: it is the right end, or there is none.
    let mut from = 0;
    while let Some(dashes) = find(&window[from..], b"-----") {
        let rest = &bytes[from + dashes..];
        if rest.starts_with(literal) {
            return Taken::Bytes(from + dashes);
        }
        if !ended && literal.starts_with(rest) {
            return Taken::Undecided;
        }
        if rest.starts_with(b"-----BEGIN ") {
            return Taken::Nothing;
        }
        if !ended && b"-----BEGIN ".starts_with(rest) {
            return Taken::Undecided;
        }
        from += dashes + 1;
    }
    if bytes.len() < most && !ended {
        Taken::Undecided
    } else {
        Taken::Nothing
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_word_or_dash(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}

fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn is_base32(byte: u8) -> bool {
    byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte)
}

fn is_base64(byte: u8) -> bool {
    is_alphanumeric(byte) || b"+/=".contains(&byte)
}

/// What RFC 6750 has a bearer token made of.
fn is_bearer(byte: u8) -> bool {
    is_alphanumeric(byte) || b"-._~+/=".contains(&byte)
}

/// A part of a URL's user information that is written out: `$USER` and `<user>` are not.
fn is_user(byte: u8) -> bool {
    is_word(byte) || b"-.~%!&+=".contains(&byte)
}

fn is_password(byte: u8) -> bool {
    is_user(byte) || b"#^;,:".contains(&byte)
}

fn is_path(byte: u8) -> bool {
    is_alphanumeric(byte) || byte == b'/'
}

const fn token(start: &'static [u8], secret: &'static [Part]) -> Shape {
    Shape {
        start,
        word: true,
        before: &[],
        secret,
        after: &[],
    }
}

const fn key(start: &'static [u8], end: &'static [Part], label: &'static [Part]) -> Shape {
    Shape {
        start,
        word: false,
        before: &[],
        secret: end,
        after: label,
    }
}

/// A private key has at most so many bytes, the name of the step before each line included.
const LONGEST_KEY: usize = 16 * 1024;

macro_rules! private_key {
    ($label:literal) => {
        key(
            concat!("-----BEGIN ", $label, "-----").as_bytes(),
            &[Part::Until(
                concat!("-----END ", $label, "-----").as_bytes(),
                LONGEST_KEY,
            )],
            &[],
        )
    };
}

/// All shapes. Sources: the issuers' own descriptions, as the rules of gitleaks and secretlint
/// collect them.
pub(super) const ALL: &[Shape] = &[
    token(b"ghp_", &[Part::Run(is_alphanumeric, 36, 255)]),
    token(b"gho_", &[Part::Run(is_alphanumeric, 36, 255)]),
    token(b"ghu_", &[Part::Run(is_alphanumeric, 36, 255)]),
    // Newer installation tokens carry a JWT.
    token(b"ghs_", &[Part::Run(is_bearer, 36, LONGEST)]),
    token(b"ghr_", &[Part::Run(is_alphanumeric, 36, 255)]),
    token(b"github_pat_", &[Part::Run(is_word, 60, 255)]),
    token(b"glpat-", &[Part::Run(is_word_or_dash, 20, 255)]),
    token(
        b"AIza",
        &[Part::Run(is_word_or_dash, 35, 35), Part::WordEnd],
    ),
    token(b"ya29.", &[Part::Run(is_bearer, 20, LONGEST)]),
    token(b"GOCSPX-", &[Part::Run(is_word_or_dash, 28, 28)]),
    token(b"AKIA", &[Part::Run(is_base32, 16, 16), Part::WordEnd]),
    token(b"ASIA", &[Part::Run(is_base32, 16, 16), Part::WordEnd]),
    token(b"AccountKey=", &[Part::Run(is_base64, 86, 88)]),
    token(b"xoxa-", &[Part::Run(is_word_or_dash, 20, 255)]),
    token(b"xoxb-", &[Part::Run(is_word_or_dash, 20, 255)]),
    token(b"xoxe-", &[Part::Run(is_word_or_dash, 20, 255)]),
    token(b"xoxp-", &[Part::Run(is_word_or_dash, 20, 255)]),
    token(b"xoxr-", &[Part::Run(is_word_or_dash, 20, 255)]),
    token(b"xoxs-", &[Part::Run(is_word_or_dash, 20, 255)]),
    token(b"xapp-", &[Part::Run(is_word_or_dash, 20, 255)]),
    token(b"hooks.slack.com/services/", &[Part::Run(is_path, 40, 120)]),
    token(
        b"npm_",
        &[Part::Run(is_alphanumeric, 36, 36), Part::WordEnd],
    ),
    token(
        b"pypi-AgEIcHlwaS5vcmc",
        &[Part::Run(is_word_or_dash, 50, LONGEST)],
    ),
    token(b"dckr_pat_", &[Part::Run(is_word_or_dash, 27, 64)]),
    token(b"sk_live_", &[Part::Run(is_alphanumeric, 24, 255)]),
    token(b"rk_live_", &[Part::Run(is_alphanumeric, 24, 255)]),
    // A JSON web token: two JSON objects and a signature.
    token(
        b"eyJ",
        &[
            Part::Run(is_word_or_dash, 10, LONGEST),
            Part::Literal(b".eyJ"),
            Part::Run(is_word_or_dash, 10, LONGEST),
            Part::Literal(b"."),
            Part::Run(is_word_or_dash, 10, LONGEST),
        ],
    ),
    token(b"Bearer ", &[Part::Run(is_bearer, 20, LONGEST)]),
    token(b"bearer ", &[Part::Run(is_bearer, 20, LONGEST)]),
    token(
        b"Authorization: Basic ",
        &[Part::Run(is_base64, 8, LONGEST)],
    ),
    token(
        b"authorization: Basic ",
        &[Part::Run(is_base64, 8, LONGEST)],
    ),
    token(
        b"authorization: basic ",
        &[Part::Run(is_base64, 8, LONGEST)],
    ),
    Shape {
        start: b"://",
        word: false,
        before: &[Part::Run(is_user, 0, 256), Part::Literal(b":")],
        secret: &[Part::Run(is_password, 1, 256)],
        after: &[Part::Literal(b"@")],
    },
    private_key!("PRIVATE KEY"),
    private_key!("RSA PRIVATE KEY"),
    private_key!("EC PRIVATE KEY"),
    private_key!("DSA PRIVATE KEY"),
    private_key!("OPENSSH PRIVATE KEY"),
    private_key!("ENCRYPTED PRIVATE KEY"),
    private_key!("PGP PRIVATE KEY BLOCK"),
];
