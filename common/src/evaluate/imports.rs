//! Imports stay within a folder, the repository: a pull request writes them, and the program that
//! evaluates them may read more than their author. The path of an import is a literal in jsonnet,
//! so all of them are known, and looked at, before anything is evaluated.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rsjsonnet_lang::arena::Arena;
use rsjsonnet_lang::interner::StrInterner;
use rsjsonnet_lang::lexer::Lexer;
use rsjsonnet_lang::span::SpanManager;
use rsjsonnet_lang::token::{STokenKind, TokenKind};

use super::Evaluation;

/// An import as it is written.
#[derive(Debug, PartialEq, Eq)]
struct Import {
    /// Where, in bytes.
    start: usize,
    path: String,
    /// Whether the file is jsonnet too, and not only text or bytes.
    is_code: bool,
}

/// Checks the file, what is evaluated with it, and all that they import; gives what is wrong. An
/// import of what is not there is left to the evaluator: it may never come to it.
pub(super) fn check(evaluation: &Evaluation) -> Result<(), String> {
    let root = &evaluation.root;
    let limit = canonical(root)?;
    let mut files = vec![evaluation.file.clone()];
    // A file is read anew for each folder that it is imported by: its imports start there.
    let mut seen = HashSet::new();
    let mut follow = |name: &str, text: &[u8], folder: Option<&Path>, files: &mut Vec<PathBuf>| {
        for import in imports(text) {
            let Some(target) = find(&import.path, folder, &evaluation.search_paths) else {
                continue;
            };
            if !canonical(&target)?.starts_with(&limit) {
                let line = text[..import.start].split(|byte| *byte == b'\n').count();
                let path = import.path;
                return Err(format!(
                    "{name}:{line}: import {path:?} leaves {}: imports stay within the repository",
                    limit.display()
                ));
            }
            let place = target.parent().map_or(Ok(limit.clone()), canonical)?;
            if import.is_code && seen.insert((canonical(&target)?, place)) {
                files.push(target);
            }
        }
        Ok(())
    };
    for (name, code) in &evaluation.ext_code {
        follow(&format!("<{name}>"), code.as_bytes(), None, &mut files)?;
    }
    while let Some(file) = files.pop() {
        // The evaluator tells what cannot be read.
        if let Ok(text) = std::fs::read(&file) {
            let name = crate::on_one_line(&file.display().to_string());
            follow(&name, &text, file.parent(), &mut files)?;
        }
    }
    Ok(())
}

/// The file that an import means, as the evaluator finds it.
fn find(path: &str, folder: Option<&Path>, search_paths: &[PathBuf]) -> Option<PathBuf> {
    if Path::new(path).is_absolute() {
        return Some(PathBuf::from(path)).filter(|path| path.exists());
    }
    let search_paths = search_paths.iter().map(PathBuf::as_path);
    let mut candidates = folder
        .into_iter()
        .chain(search_paths)
        .map(|folder| folder.join(path));
    candidates.find(|candidate| candidate.exists())
}

fn canonical(path: &Path) -> Result<PathBuf, String> {
    // What is in the folder that the program is in has no folder in its name.
    let path = if path == Path::new("") {
        Path::new(".")
    } else {
        path
    };
    path.canonicalize()
        .map_err(|error| format!("read {}: {error}", path.display()))
}

/// The imports of a text. One that is no jsonnet has none: the evaluator refuses it.
fn imports(text: &[u8]) -> Vec<Import> {
    let (arena, ast) = (Arena::new(), Arena::new());
    let strings = StrInterner::new();
    let mut spans = SpanManager::new();
    let (context, _) = spans.insert_source_context(text.len());
    let tokens = Lexer::new(&arena, &ast, &strings, &mut spans, context, text).lex_to_eof(false);
    let tokens = tokens.unwrap_or_default();
    let import = |(keyword, path): (&_, &_)| match (keyword, path) {
        (TokenKind::Simple(STokenKind::Import), TokenKind::String(path)) => Some((*path, true)),
        (
            TokenKind::Simple(STokenKind::Importstr | STokenKind::Importbin),
            TokenKind::String(path),
        ) => Some((*path, false)),
        _ => None,
    };
    let pairs = tokens.iter().zip(tokens.iter().skip(1));
    pairs
        .filter_map(|(keyword, path)| {
            let (_, start, _) = spans.get_span(keyword.span);
            let (path, is_code) = import((&keyword.kind, &path.kind))?;
            Some(Import {
                start,
                path: path.to_owned(),
                is_code,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn imports_are_found_wherever_they_stand() {
        let text = b"local a = import 'a.libsonnet';\n// import 'b'\n{ s: 'import \"c\"', x: [importstr\n@'d'], y: importbin \"e\\u0066\" }";
        let import = |start, path: &str, is_code| Import {
            start,
            path: path.to_owned(),
            is_code,
        };
        let expected = [
            import(10, "a.libsonnet", true),
            import(69, "d", false),
            import(89, "ef", false),
        ];
        assert_eq!(imports(text), expected);
        assert_eq!(imports(b"import 'x"), []);
    }

    /// A repository with a file beside it, and an evaluation of the repository's `d/a.jsonnet`.
    fn outcome(files: &[(&str, &str)], links: &[(&str, &str)]) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().canonicalize().unwrap();
        std::fs::write(place.join("secret"), "x").unwrap();
        let root = place.join("r");
        for name in ["d/e", "lib"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        for (name, text) in files {
            std::fs::write(root.join(name), text).unwrap();
        }
        for (target, link) in links {
            symlink(target, root.join(link)).unwrap();
        }
        let evaluation = Evaluation {
            file: root.join("d/a.jsonnet"),
            search_paths: vec![root.join("lib")],
            root,
            ..Evaluation::default()
        };
        check(&evaluation).map_err(|what| what.replace(&place.display().to_string(), "[ROOT]"))
    }

    #[test]
    fn imports_within_the_repository_are_good() {
        let files = [
            (
                "d/a.jsonnet",
                "import 'b.libsonnet' + import 'c.libsonnet' + importstr 'nowhere'",
            ),
            ("d/b.libsonnet", "import '../d/a.jsonnet'"),
            ("lib/c.libsonnet", "importstr '../x'"),
            ("x", "import '/etc/passwd'"),
        ];
        assert_eq!(outcome(&files, &[]), Ok(()));
    }

    #[test]
    fn imports_that_leave_the_repository_are_refused_wherever_they_stand() {
        let leaves = |place: &str, path: &str| {
            Err(format!(
                "[ROOT]/r/{place}: import {path:?} leaves [ROOT]/r: imports stay within the repository"
            ))
        };
        let lazy = "if false then (importstr '/etc/passwd')";
        assert_eq!(
            outcome(&[("d/a.jsonnet", lazy)], &[]),
            leaves("d/a.jsonnet:1", "/etc/passwd")
        );
        let files = [
            ("d/a.jsonnet", "import 'b.libsonnet'"),
            ("lib/b.libsonnet", "\nimportbin '../../secret'"),
        ];
        assert_eq!(
            outcome(&files, &[]),
            leaves("lib/b.libsonnet:2", "../../secret")
        );
        let link = [("../../secret", "d/s")];
        let files = [("d/a.jsonnet", "importstr 's'")];
        assert_eq!(outcome(&files, &link), leaves("d/a.jsonnet:1", "s"));
    }

    #[test]
    fn a_file_under_a_second_name_has_its_imports_from_there() {
        let files = [
            (
                "d/a.jsonnet",
                "[import 'e/b.libsonnet', import 'b.libsonnet']",
            ),
            ("d/e/b.libsonnet", "importstr '../../secret'"),
        ];
        let links = [("e/b.libsonnet", "d/b.libsonnet")];
        let refused = outcome(&files, &links).unwrap_err();
        assert!(
            refused.starts_with("[ROOT]/r/d/b.libsonnet:1: import"),
            "{refused}"
        );
    }
}
