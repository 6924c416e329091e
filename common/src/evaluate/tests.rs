use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::json;

use super::*;

/// The C++ jsonnet of the package index, which `make test` installs.
const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.tools/jsonnet/bin");

/// Reads evaluations and prints the value of each, or null where it has none.
const PYTHON: &str = "
import json, sys
sys.path.insert(0, sys.argv[1])
import _jsonnet
def value(one):
    text = lambda value: json.dumps(value)
    codes = {name: text(value) for name, value in one['ext_vars'].items()}
    codes.update(one['ext_code'])
    try:
        return json.loads(_jsonnet.evaluate_file(one['file'], jpathdir=one['search_paths'], ext_codes=codes,
            tla_codes={name: text(value) for name, value in one['top_level_args'].items()}))
    except RuntimeError:
        return None
print(json.dumps([value(one) for one in json.load(sys.stdin)]))
";

/// What the peer gives for each; the last folder in `jpathdir` comes first there.
fn of_peer(evaluations: &[Evaluation]) -> Vec<Value> {
    let mut python = Command::new("python3")
        .args(["-I", "-c", PYTHON, PEER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    let mut stdin = python.stdin.take().unwrap();
    stdin
        .write_all(&serde_json::to_vec(evaluations).unwrap())
        .unwrap();
    drop(stdin);
    let output = python.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "the peer is missing: `make test` installs it into {PEER}"
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A program for each part of the language and the library that manifests use.
const PROGRAMS: &[&str] = &[
    "{ a: 1, b: self.a + 1, c:: 3, d: $.c, e+: { x: 1 } } + { a: 5, e+: { y: 2 } }",
    "local f(x, y=2) = [x, y, x / 3]; { r: f(1), s: f(y=3, x=1), t: [i * i for i in std.range(1, 5) if i % 2 == 1] }",
    "{ [k]: std.length(k) for k in ['a', 'bb', 'é', '\\u0001'] }",
    "{ a: std.format('%05.2f|%-5s|%+d|%x|%e|%g|%c', [3.14159, 'ab', 7, 255, 12345.678, 1e-5, 'q']), b: '%(x)s-%(y)03d' % { x: 'k', y: 4 } }",
    "std.prune({ a: null, b: [], c: { d: {} }, e: [null, 1, { f: null }], g: '' })",
    "{ a: std.manifestYamlDoc({ x: [1, { y: 'z: 1' }], t: true }), b: std.manifestJsonEx({ a: [1, 2], b: {} }, '  '), c: std.manifestIni({ main: { a: 1 }, sections: { s: { b: [1, 2] } } }), d: std.manifestPython([true, null, 'x']) }",
    "{ a: std.mergePatch({ x: 1, y: { z: 2 } }, { x: null, y: { w: 3 } }), b: std.base64('hé'), c: std.base64Decode('aGk='), d: std.md5('x') }",
    "{ a: std.sort([3, 1, 2]), b: std.uniq([1, 1, 2]), c: std.set(['b', 'a', 'b']), d: std.setUnion([1, 2], [2, 3]), e: std.setInter([1, 2], [2, 3]), f: std.setDiff([1, 2], [2]), g: std.foldl(function(a, b) a + b, [1, 2, 3], 0), h: std.reverse([1, 2]) }",
    "{ a: std.split('a,b,c', ','), b: std.join('-', ['x', 'y']), c: std.strReplace('aXbX', 'X', '--'), d: std.asciiUpper('abc'), e: std.startsWith('abc', 'ab'), f: std.substr('hello', 1, 3), g: std.trim('  x '), h: std.lstripChars('xxa', 'x'), i: std.splitLimit('a.b.c', '.', 1), j: std.escapeStringBash(\"it's\"), k: std.findSubstr('a', 'banana'), l: std.stringChars('héy') }",
    "{ a: std.type(null), b: std.parseInt('-12'), c: std.parseJson('{\"a\": [1, 2.5]}'), d: std.parseYaml('a: [1, x]\\nb: {c: true}'), e: std.parseHex('ff'), f: std.toString({ a: 1.0, b: [1e20, 0.1 + 0.2] }), g: [1e20, 1e-7, 0.1 + 0.2, 1e308] }",
    "{ a: std.objectFields({ b: 1, a: 2, h:: 3 }), b: std.objectFieldsAll({ b: 1, h:: 3 }), c: std.objectHas({ h:: 1 }, 'h'), d: std.objectHasAll({ h:: 1 }, 'h'), e: std.get({ a: 1 }, 'b', 7), f: std.mapWithKey(function(k, v) k + v, { a: 1 }), g: std.objectValues({ a: 3 }), h: std.objectKeysValues({ a: 1 }), i: std.objectRemoveKey({ a: 1, b: 2 }, 'a') }",
    "{ a: std.all([true]), b: std.any([false]), c: std.sum([1, 2]), d: std.avg([1, 2]), e: std.maxArray([1, 3, 2]), f: std.minArray([2, 1]), g: std.contains([1, 2], 2), h: std.remove([1, 2, 1], 1), i: std.flattenDeepArray([1, [2, [3]]]), j: std.clamp(5, 1, 3), k: std.repeat('ab', 2), l: std.lines(['a', 'b']), m: std.count([1, 1, 2], 1), n: std.member('abc', 'b'), o: std.find(1, [1, 2, 1]), p: std.round(1.5), q: std.isEmpty(''), r: std.equalsIgnoreCase('A', 'a'), s: std.xor(true, false) }",
    "local a = { assert self.x > 0 : 'positive', x: 1 }; { a: a, b: if 'x' in a then 'yes' else 'no', c: a { x: 2 }.x, d: |||\n  text\n    more\n|||, e: @'a\\b', f: 'a' < 'b', g: [1, 2] == [1, 2], h: 5 % 3, i: 1 << 4, j: ~5, k: !true }",
    "{ local x = self.n, n: 3, f(a):: a * x, r: self.f(2), s: super.nope } + { s: 1 }",
    "std.mod(-5, 3) + std.floor(2.7) + std.ceil(2.1) + std.pow(2, 10) + std.abs(-1) + std.sqrt(16)",
    "[std.extVar('name'), std.extVar('list')[1], std.extVar('code')]",
    "function(a, b='default') { a: a, b: b }",
    "local lib = import 'lib.libsonnet'; lib.twice(21) + std.length(importstr 'lib.libsonnet') * 0",
    "{ a: error 'no' }",
    "{ a: self.b, b: self.a }",
    "{ a: 1, a: 2 }",
    "{ a: 'x' + 1 + null, b: [1] + [2], c: 1 / 0 }",
    "local x = 1; y",
    "{ a: std.nonesuch(1) }",
    "{ a: + 'x' }",
];

#[test]
fn values_are_those_of_the_c_implementation() {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("lib");
    std::fs::create_dir(&library).unwrap();
    std::fs::write(library.join("lib.libsonnet"), "{ twice(x):: x * 2 }\n").unwrap();
    let evaluation = |(index, text): (usize, &&str)| {
        let file = folder.path().join(format!("{index}.jsonnet"));
        std::fs::write(&file, text).unwrap();
        Evaluation {
            file,
            root: folder.path().to_owned(),
            search_paths: vec![library.clone()],
            ext_vars: json!({"name": "a \"b\"", "list": [1, {"x": null}]})
                .as_object()
                .unwrap()
                .clone(),
            ext_code: vec![("code".to_owned(), "1 + 2".to_owned())],
            top_level_args: if text.starts_with("function") {
                json!({"a": [1, "x"]}).as_object().unwrap().clone()
            } else {
                Map::new()
            },
            ..Evaluation::default()
        }
    };
    let evaluations: Vec<_> = PROGRAMS.iter().enumerate().map(evaluation).collect();
    let mut failed = 0;
    for ((ours, peer), program) in evaluations.iter().zip(of_peer(&evaluations)).zip(PROGRAMS) {
        let ours = ours.evaluate();
        let ours = ours.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap());
        failed += usize::from(peer.is_null());
        assert_eq!(ours, peer, "{program}");
    }
    // The last ones are mistakes to both.
    assert_eq!(failed, 7);
}
