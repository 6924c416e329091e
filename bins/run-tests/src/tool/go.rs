//! `go test`: which of its arguments are packages, and how `-run` picks tests.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use common::exec::Command;

use super::Selector;

/// Flags of `go test` and of `go build` that take no value. What is not among them takes one,
/// behind `=` or as the next argument.
const SWITCHES: [&str; 22] = [
    "a",
    "artifacts",
    "asan",
    "benchmem",
    "buildvcs",
    "c",
    "cover",
    "failfast",
    "fullpath",
    "h",
    "help",
    "i",
    "json",
    "linkshared",
    "modcacherw",
    "msan",
    "n",
    "race",
    "short",
    "trimpath",
    "v",
    "work",
];

/// Flags whose files a second run of some tests would overwrite, or that pick tests.
const NOT_AGAIN: [&str; 11] = [
    "blockprofile",
    "count",
    "coverprofile",
    "cpuprofile",
    "json",
    "list",
    "memprofile",
    "mutexprofile",
    "run",
    "skip",
    "trace",
];

/// Whether these are arguments of a `go test` that runs tests.
pub(super) fn is_test(args: &[OsString]) -> bool {
    let Some(place) = place_of_test(args) else {
        return false;
    };
    let arguments = Arguments::of(&args[place + 1..]);
    !arguments.has(&["c", "n", "list", "h", "help"])
}

/// Where the word `test` stands: first, or behind `-C DIR`.
fn place_of_test(args: &[OsString]) -> Option<usize> {
    let place = match args.first()?.to_str()? {
        "-C" | "--C" => 2,
        flag if flag.starts_with("-C=") || flag.starts_with("--C=") => 1,
        _ => 0,
    };
    (args.get(place)? == "test").then_some(place)
}

/// The command with `-json`, where it has not got that.
pub(super) fn with_json(mut command: Command) -> Command {
    if let Some(place) = place_of_test(&command.args)
        && !Arguments::of(&command.args[place + 1..]).has(&["json"])
    {
        command.args.insert(place + 1, "-json".into());
    }
    command
}

/// A `go test` whose packages and tests can be chosen.
pub(crate) struct GoTest<'a> {
    command: &'a Command,
    /// Where the word `test` stands.
    place: usize,
    arguments: Arguments<'a>,
}

impl<'a> GoTest<'a> {
    /// Reads a command that is a `go test`.
    pub(crate) fn of(command: &'a Command) -> Option<Self> {
        let place = place_of_test(&command.args)?;
        Some(GoTest {
            command,
            place,
            arguments: Arguments::of(&command.args[place + 1..]),
        })
    }

    /// Whether flags of its own pick tests.
    pub(crate) fn picks_tests(&self) -> bool {
        self.arguments.has(&["run", "skip", "bench", "fuzz"])
    }

    /// The option that ends a package's tests at the first that fails.
    pub(crate) fn stops_early(&self) -> Option<String> {
        let flags = self.arguments.flags.iter().map(|flag| &flag[0]);
        let own = flags.filter(|flag| stops_early(flag));
        let binarys = self.arguments.for_the_binary.iter();
        let binarys = binarys.filter(|arg| {
            // Without that prefix it is a flag of the tests' own.
            stops_early(arg) && arg.to_string_lossy().contains("-test.")
        });
        let mut found = own.chain(binarys).map(|flag| flag.to_string_lossy());
        found.next().map(Into::into)
    }

    /// The command that lists its packages in this format.
    pub(crate) fn list(&self, format: &str) -> Command {
        let mut list = self.command.clone();
        list.args.truncate(self.place);
        list.args.extend(["list", "-f", format].map(OsString::from));
        let flags = self.arguments.flags.iter();
        let of_build = flags.filter(|flag| {
            let name = name_of_flag(&flag[0]);
            name.is_some_and(|name| ["mod", "modfile", "overlay", "tags"].contains(&name))
        });
        list.args
            .extend(of_build.flat_map(|flag| flag.iter().cloned()));
        list.args.extend(self.arguments.packages.iter().cloned());
        list
    }

    /// The command with more flags, and these packages instead of its own.
    pub(crate) fn with(&self, flags: &[String], packages: &[String]) -> Command {
        let mut with = self.command.clone();
        with.args.truncate(self.place + 1);
        with.args.extend(flags.iter().map(OsString::from));
        let own = self.arguments.flags.iter();
        with.args.extend(own.flat_map(|flag| flag.iter().cloned()));
        with.args.extend(packages.iter().map(OsString::from));
        with.args
            .extend(self.arguments.for_the_binary.iter().cloned());
        with
    }
}

/// The commands that run these tests again: one for each package and each test whose subtests
/// are asked for, so that no test runs that did not fail.
pub(super) fn again(command: &Command, tests: &[Selector]) -> Vec<Command> {
    let Some(place) = place_of_test(&command.args) else {
        return Vec::new();
    };
    let arguments = Arguments::of(&command.args[place + 1..]);
    let mut groups: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for test in tests.iter().filter(|test| !has_failed_subtest(test, tests)) {
        let (parent, name) = test.name.rsplit_once('/').unwrap_or(("", &test.name));
        let group = (test.group.as_str(), parent);
        groups.entry(group).or_default().push(name);
    }
    groups
        .into_iter()
        .map(|((package, parent), names)| {
            let mut again = command.clone();
            again.args.truncate(place + 1);
            // A result of an earlier day would prove nothing.
            again.args.push("-count=1".into());
            again.args.extend(arguments.kept());
            let words = [
                "-run".to_owned(),
                pattern(parent, &names),
                package.to_owned(),
            ];
            again.args.extend(words.map(OsString::from));
            again.args.extend(arguments.for_the_binary.iter().cloned());
            again
        })
        .collect()
}

/// The tests that these are, or are subtests of, each once.
pub(super) fn roots(tests: &[Selector]) -> Vec<Selector> {
    let root = |test: &Selector| Selector {
        group: test.group.clone(),
        name: test.name.split('/').next().unwrap_or_default().to_owned(),
    };
    let mut roots: Vec<Selector> = Vec::new();
    for root in tests.iter().map(root) {
        if !roots.contains(&root) {
            roots.push(root);
        }
    }
    roots
}

/// A test that failed because of a subtest is run with that.
fn has_failed_subtest(test: &Selector, tests: &[Selector]) -> bool {
    tests.iter().any(|other| {
        let rest = other.name.strip_prefix(test.name.as_str());
        other.group == test.group && rest.is_some_and(|rest| rest.starts_with('/'))
    })
}

/// What `-run` takes for these subtests of a test, or tests where it has no name.
fn pattern(parent: &str, names: &[&str]) -> String {
    let exactly = |names: &[&str]| {
        let quoted: Vec<String> = names.iter().map(|name| quote(name)).collect();
        match quoted.as_slice() {
            [one] => format!("^{one}$"),
            many => format!("^({})$", many.join("|")),
        }
    };
    let parents = parent.split('/').filter(|_| !parent.is_empty());
    let mut levels: Vec<String> = parents.map(|name| exactly(&[name])).collect();
    levels.push(exactly(names));
    levels.join("/")
}

/// A name as a regular expression of Go that matches just it.
fn quote(name: &str) -> String {
    let mut quoted = String::with_capacity(name.len());
    for character in name.chars() {
        if r"\.+*?()|[]{}^$".contains(character) {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted
}

/// The arguments behind `go test`, sorted as that sorts them.
struct Arguments<'a> {
    /// Packages, as they were written.
    packages: &'a [OsString],
    /// Each flag with its value, as it was written.
    flags: Vec<&'a [OsString]>,
    /// What goes to the test binary unread: behind `-args`, or a flag that Go does not know.
    for_the_binary: &'a [OsString],
}

impl<'a> Arguments<'a> {
    fn of(args: &'a [OsString]) -> Self {
        let mut flags = Vec::new();
        let mut place = 0;
        // Packages are one unbroken list; what follows them but is no flag is the binary's.
        let mut packages: Option<usize> = None;
        let mut first = 0;
        while let Some(arg) = args.get(place) {
            let Some(name) = name_of_flag(arg) else {
                if packages.is_some_and(|end| end != place) {
                    break;
                }
                if packages.is_none() {
                    first = place;
                }
                place += 1;
                packages = Some(place);
                continue;
            };
            if name == "args" {
                break;
            }
            let has_value = arg.to_string_lossy().contains('=');
            let length = if has_value || SWITCHES.contains(&name) {
                1
            } else {
                2
            };
            let end = (place + length).min(args.len());
            flags.push(&args[place..end]);
            place = end;
        }
        Arguments {
            packages: packages.map_or(&[], |end| &args[first..end]),
            flags,
            for_the_binary: &args[place..],
        }
    }

    fn has(&self, names: &[&str]) -> bool {
        let mut flags = self.flags.iter().filter_map(|flag| name_of_flag(&flag[0]));
        flags.any(|name| names.contains(&name))
    }

    /// The flags that hold for a second run as well.
    fn kept(&self) -> impl Iterator<Item = OsString> {
        let kept = self.flags.iter().filter(|flag| {
            let name = name_of_flag(&flag[0]);
            name.is_some_and(|name| !NOT_AGAIN.contains(&name))
        });
        kept.flat_map(|flag| flag.iter().cloned())
    }
}

/// `-failfast`, unless it is `-failfast=false`.
pub(crate) fn stops_early(flag: &OsStr) -> bool {
    let is_off = |flag: &str| flag.ends_with("=false") || flag.ends_with("=0");
    name_of_flag(flag) == Some("failfast") && !flag.to_str().is_some_and(is_off)
}

/// `run` of `-run`, `--run=x` and `-test.run`.
fn name_of_flag(arg: &OsStr) -> Option<&str> {
    let flag = arg.to_str()?.strip_prefix('-')?;
    let flag = flag.strip_prefix('-').unwrap_or(flag);
    let name = flag.split('=').next()?;
    let name = name.strip_prefix("test.").unwrap_or(name);
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::super::command;
    use super::*;

    fn lines(line: &str, tests: &[(&str, &str)]) -> Vec<String> {
        let tests: Vec<Selector> = tests
            .iter()
            .map(|(group, name)| Selector {
                group: (*group).to_owned(),
                name: (*name).to_owned(),
            })
            .collect();
        let commands = again(&command(line), &tests);
        commands.iter().map(words).collect()
    }

    fn words(command: &Command) -> String {
        let args = command.args.iter().map(|arg| arg.to_string_lossy());
        args.fold("go".to_owned(), |line, arg| line + " " + &arg)
    }

    #[test]
    fn json_is_asked_for_once() {
        let asked = |line| words(&with_json(command(line)));
        assert_eq!(asked("go test ./..."), "go test -json ./...");
        assert_eq!(asked("go -C d test"), "go -C d test -json");
        assert_eq!(asked("go test -v -json ."), "go test -v -json .");
        assert_eq!(asked("go test --json=true"), "go test --json=true");
        // Behind -args it is the test's own.
        assert_eq!(
            asked("go test . -args -json"),
            "go test -json . -args -json"
        );
    }

    #[test]
    fn failed_tests_run_again_package_by_package_and_nothing_else_does() {
        assert_eq!(
            lines(
                "go test -race -run Test -count 3 -tags a,b ./... -coverprofile=c.out -args -x y",
                &[("e/a", "TestB"), ("e/b", "TestC"), ("e/a", "TestA")]
            ),
            [
                "go test -count=1 -race -tags a,b -run ^(TestB|TestA)$ e/a -args -x y",
                "go test -count=1 -race -tags a,b -run ^TestC$ e/b -args -x y",
            ]
        );
    }

    #[test]
    fn what_ends_the_tests_early_is_seen_wherever_it_stands() {
        for (line, flag) in [
            ("go test -v -failfast ./...", Some("-failfast")),
            ("go test --failfast=true .", Some("--failfast=true")),
            ("go test . -args -test.failfast", Some("-test.failfast")),
            ("go test . -args -failfast", None),
            ("go test -failfast=false .", None),
            ("go test -run failfast .", None),
        ] {
            let command = command(line);
            let found = GoTest::of(&command).unwrap().stops_early();
            assert_eq!(found.as_deref(), flag, "{line}");
        }
    }

    #[test]
    fn subtests_are_picked_level_by_level_and_not_their_parents() {
        assert_eq!(
            lines(
                "go test",
                &[
                    ("p", "TestA"),
                    ("p", "TestA/x"),
                    ("p", "TestA/y/1+1"),
                    ("p", "TestA/y")
                ]
            ),
            [
                "go test -count=1 -run ^TestA$/^x$ p",
                "go test -count=1 -run ^TestA$/^y$/^1\\+1$ p",
            ]
        );
    }
}
