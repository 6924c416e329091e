//! Start-up shared by all binaries: command line, logging, signals, exit code.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::env::{self, Env};
use crate::{Error, Exit, Result, ResultExt, exec, logging};

/// What a program gets of the world, once, at its start.
#[derive(Clone)]
pub struct App {
    /// The environment as it was at start.
    pub env: Env,
    /// Tells when the program has been asked to end.
    pub stop: Stop,
}

impl App {
    /// Writes data to stdout; a reader that went away is no error.
    pub fn print(&self, text: impl std::fmt::Display) -> Result<Exit> {
        let mut stdout = std::io::stdout().lock();
        match write!(stdout, "{text}").and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(Error::failed("write to stdout").because(error))
            }
            _ => Ok(Exit::Success),
        }
    }
}

/// Parses the command line into `Opts`, runs the program and turns what it returns into an
/// exit code. Signals are honoured from the start; see [`Stop`].
pub fn main<Opts, F>(program: impl FnOnce(Opts, App) -> F) -> ExitCode
where
    Opts: clap::Parser,
    F: Future<Output = Result<Exit>>,
{
    main_as(Ok, program)
}

/// As [`main`], for a program that answers to other names as well: `called` turns the command
/// line of such a name, the name first, into the program's own.
pub fn main_as<Opts, F>(
    called: impl FnOnce(Vec<OsString>) -> std::result::Result<Vec<OsString>, clap::Error>,
    program: impl FnOnce(Opts, App) -> F,
) -> ExitCode
where
    Opts: clap::Parser,
    F: Future<Output = Result<Exit>>,
{
    let env = Env::of_process();
    let logging = logging::start(&env);
    let args = called(std::env::args_os().collect());
    let opts = match args.and_then(parse::<Opts>) {
        Ok(opts) => opts,
        Err(error) => return ExitCode::from(not_parsed(&error, &env).code()),
    };
    let end = logging.and_then(|()| run(env, |app| program(opts, app)));
    let exit = end.unwrap_or_else(|error| {
        tracing::error!("{}", error.report());
        error.exit()
    });
    ExitCode::from(exit.code())
}

/// Prints what clap says in place of a run: the help, or what is wrong with the command line.
fn not_parsed(error: &clap::Error, env: &Env) -> Exit {
    if error.use_stderr() && env.get(env::LOG_FORMAT) == Some("json") {
        // Whoever reads this log reads a JSON object a line.
        let message = error.to_string();
        let message = message.strip_prefix("error: ").unwrap_or(&message);
        tracing::error!("{}", message.trim_end());
    } else {
        // A reader of --help who went away (`| head`) is no error.
        let _ = error.print();
    }
    if error.use_stderr() {
        Exit::Usage
    } else {
        Exit::Success
    }
}

fn parse<Opts: clap::Parser>(args: Vec<OsString>) -> std::result::Result<Opts, clap::Error> {
    let command = without_empty_variables(<Opts as CommandFactory>::command())
        .version(crate::VERSION)
        .propagate_version(true);
    <Opts as FromArgMatches>::from_arg_matches(&command.try_get_matches_from(args)?)
}

/// clap takes a variable that is set to nothing as a value; here it counts as unset.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    command
        .mut_args(|arg| {
            let empty = arg
                .get_env()
                .is_some_and(|name| std::env::var_os(name).is_some_and(|value| value.is_empty()));
            if empty { arg.env(None::<&str>) } else { arg }
        })
        .mut_subcommands(without_empty_variables)
}

fn run<F: Future<Output = Result<Exit>>>(env: Env, program: impl FnOnce(App) -> F) -> Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .or_failed(|| "start the event loop")?;
    let end = runtime.block_on(async {
        let stop = Stop::on_signals()?;
        tokio::select! {
            end = program(App { env, stop }) => end,
            failed = exec::reap_orphans() => failed.map(|()| Exit::Failed),
        }
    });
    // A blocking read that nobody waits for any more must not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(100));
    end
}

/// How often and by which signal the program has been asked to end.
#[derive(Debug, Clone, Copy, Default)]
struct Asked {
    first: Option<i32>,
    times: u32,
}

/// Tells when SIGINT, SIGTERM or SIGHUP has arrived, and when a second one insists.
#[derive(Debug, Clone)]
pub struct Stop {
    asked: watch::Receiver<Asked>,
    // Keeps the channel open where no signal handler does.
    _sender: Option<std::sync::Arc<watch::Sender<Asked>>>,
}

impl Stop {
    /// Installs the handlers for SIGINT, SIGTERM and SIGHUP. A hang-up asks as SIGTERM does, but
    /// never insists: a terminal or a parent that is gone may send several.
    fn on_signals() -> Result<Self> {
        let (sender, asked) = watch::channel(Asked::default());
        let mut terminate = signal(SignalKind::terminate()).or_failed(|| "handle SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).or_failed(|| "handle SIGINT")?;
        let mut hangup = signal(SignalKind::hangup()).or_failed(|| "handle SIGHUP")?;
        tokio::spawn(async move {
            loop {
                let (kind, insists) = tokio::select! {
                    _ = terminate.recv() => (SignalKind::terminate(), true),
                    _ = interrupt.recv() => (SignalKind::interrupt(), true),
                    _ = hangup.recv() => (SignalKind::terminate(), false),
                };
                sender.send_modify(|asked| {
                    asked.times += u32::from(insists || asked.first.is_none());
                    asked.first.get_or_insert(kind.as_raw_value());
                });
            }
        });
        Ok(Stop {
            asked,
            _sender: None,
        })
    }

    /// One that nobody asks: for work that must be finished although the program is ending.
    pub fn never() -> Self {
        let (sender, asked) = watch::channel(Asked::default());
        Stop {
            asked,
            _sender: Some(std::sync::Arc::new(sender)),
        }
    }

    /// One that `StopHandle::stop` asks: a part of the program that another part can end.
    pub fn by_hand() -> (StopHandle, Self) {
        let (sender, asked) = watch::channel(Asked::default());
        let sender = std::sync::Arc::new(sender);
        (
            StopHandle(sender.clone()),
            Stop {
                asked,
                _sender: Some(sender),
            },
        )
    }

    /// The first signal that asked the program to end, if one has.
    pub fn asked(&self) -> Option<i32> {
        self.asked.borrow().first
    }

    /// Waits until the program is asked to end; gives the signal.
    pub async fn wait(&self) -> i32 {
        self.wait_for(1).await
    }

    /// Waits until the program is asked a second time: no grace any more.
    pub async fn insisted(&self) -> i32 {
        self.wait_for(2).await
    }

    /// The error of work that the signal cut short.
    pub fn check(&self, what: &str) -> Result<()> {
        match self.asked() {
            Some(signal) => Err(Error::interrupted(signal, format!("interrupted: {what}"))),
            None => Ok(()),
        }
    }

    async fn wait_for(&self, times: u32) -> i32 {
        let mut asked = self.asked.clone();
        let first = asked
            .wait_for(|asked| asked.times >= times)
            .await
            .map(|asked| asked.first);
        let Ok(first) = first else {
            // The handlers live as long as the event loop: nobody can ask any more.
            return std::future::pending().await;
        };
        first.unwrap_or_default()
    }
}

/// The asking end of [`Stop::by_hand`].
#[derive(Debug)]
pub struct StopHandle(std::sync::Arc<watch::Sender<Asked>>);

impl StopHandle {
    /// Asks with this signal; a second call insists.
    pub fn stop(&self, signal: i32) {
        self.0.send_modify(|asked| {
            asked.first.get_or_insert(signal);
            asked.times += 1;
        });
    }
}
