use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::Pattern;

#[test]
fn a_star_crosses_slashes_and_the_whole_path_has_to_match() {
    for (pattern, path, matches) in [
        ("code_search/*", "code_search/src/a/b.py", true),
        ("code_search/*", "docs/code_search/a", false),
        ("common/", "common/a", false),
        ("go.*", "go.mod", true),
        ("go.*", "x/go.mod", false),
        ("*.md", ".github/a.md", true),
        ("", "", true),
        ("", "a", false),
        ("[abc", "[abc", true),
        ("[z-a]", "m", false),
        ("[!z-a]", "m", true),
    ] {
        assert_eq!(
            Pattern::new(pattern).matches(path),
            matches,
            "{pattern} {path}"
        );
    }
}

#[test]
fn many_stars_take_no_exponential_time() {
    let pattern = Pattern::new(&"*a".repeat(200));
    assert!(!pattern.matches(&("a".repeat(2000) + "b")));
}

/// Reads `[[pattern, text]…]` and prints `0` or `1` for each.
const PYTHON: &str = "
import fnmatch, json, sys, warnings
warnings.simplefilter('ignore')
pairs = json.load(sys.stdin)
print(''.join('1' if fnmatch.fnmatchcase(t, p) else '0' for p, t in pairs))
";

#[test]
fn python_decides_the_same_on_random_patterns_and_paths() {
    let mut runner = TestRunner::deterministic();
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (pattern, text) in [
        ("[a-e!*?/.\\]\\[\\-]{0,8}", "[a-e!/.\\]\\[\\-]{0,5}"),
        ("\\[[a-d!^\\-\\]]{0,7}\\]", "[a-e!^\\-\\]]"),
        (
            "[\\[\\]*?!a&|~\\\\\\n\u{e9}\\-]{0,9}",
            "[\\[\\]a&|~\\\\\\n\u{e9}!\\-]{0,4}",
        ),
        (
            "(src|pkg|\\*|\\?|/|[a-b]|\\[[!a-c]{1,2}\\]|\\.go){0,7}",
            "(src|pkg|/|[a-c]|\\.go){0,7}",
        ),
    ] {
        let pair = (pattern.to_owned(), text.to_owned());
        let strategy = (
            proptest::string::string_regex(&pair.0).unwrap(),
            proptest::string::string_regex(&pair.1).unwrap(),
        );
        for _ in 0..8_000 {
            pairs.push(strategy.new_tree(&mut runner).unwrap().current());
        }
    }
    let mut python = Command::new("python3")
        .args(["-I", "-c", PYTHON])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3, whose fnmatch is the rule");
    let mut stdin = python.stdin.take().unwrap();
    stdin
        .write_all(&serde_json::to_vec(&pairs).unwrap())
        .unwrap();
    drop(stdin);
    let output = python.wait_with_output().unwrap();
    let expected = String::from_utf8(output.stdout).unwrap();
    assert_eq!(expected.trim().len(), pairs.len());
    let mut matched = 0;
    for ((pattern, text), expected) in pairs.iter().zip(expected.trim().chars()) {
        let ours = Pattern::new(pattern).matches(text);
        assert_eq!(ours, expected == '1', "{pattern:?} against {text:?}");
        matched += usize::from(ours);
    }
    assert!(
        matched > 1_000,
        "only {matched} pairs match: the test says little"
    );
}
