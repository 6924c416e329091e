#!/usr/bin/env bash
# From trigger to verdict on one machine: a repository made of examples/greeter, a real git
# server on loopback, two pull requests, and what Prow would do for each. The first is good, the
# second breaks a test. Needs git, make, a C compiler and Rust; changes nothing outside DEMO_DIR.
#
#   DEMO_DIR   where everything goes; default target/demo
#   DEMO_BIN   folder of built binaries; default: builds them, with the dev profile, which takes
#              a third of the time of a release build and is fast enough here
#   DEMO_IMAGE the image of test-worker; with it each step is a container, by the docker program,
#              and the steps that compile have an image made of it
set -euo pipefail

examples=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(dirname "$examples")
target=$(realpath -m "${CARGO_TARGET_DIR:-$top/target}")
demo=$(realpath -m "${DEMO_DIR:-$top/target/demo}")
bin=${DEMO_BIN:-}
image=${DEMO_IMAGE:-}
host=127.0.0.1
runtime=()
bucket=file://$demo/bucket

# The caller may be in a Prow job or a git hook: nothing of that is meant for the demo.
unset JOB_SPEC JOB_NAME JOB_TYPE BUILD_ID BUILD_NUMBER PROW_JOB_ID REPO_OWNER REPO_NAME BRANCH_NAME
unset PULL_BASE_REF PULL_BASE_SHA PULL_REFS PULL_NUMBER PULL_PULL_SHA ARTIFACTS EXTRA_REPOS SRC_DIR
unset GIT_BASE_URL GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE TEST_TARGET_NAME

server=
port=
stop_server() {
  [[ -n $server ]] || return 0
  kill "$server" 2>/dev/null || true
  # A signal ends it: that is no failure of ours.
  wait "$server" 2>/dev/null || true
}
trap stop_server EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() {
  printf '\n==> %s\n' "$*"
}

# Shows a command as a person would type it, then runs it.
show() {
  printf '$ %s\n' "${*//"$bin/"/}"
  "$@"
}

# git without the caller's settings: a signing key or a template must not change the demo.
plain_git() {
  GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=$demo/gitconfig git "$@"
}

build() {
  [[ -z $bin ]] || return 0
  say 'Building the binaries'
  (cd "$top" && cargo build --workspace --bins --locked)
  bin=$target/debug
}

# The image of the steps that compile. Containers reach this machine by the address that it has on
# their bridge.
prepare_containers() {
  [[ -n $image ]] || return 0
  say "Making the image of the steps that compile, of $image"
  # The classic builder: BuildKit would look for the local image in a registry.
  DOCKER_BUILDKIT=0 docker build --quiet --build-arg "TEST_WORKER=$image" --tag "$image-greeter" \
    "$examples/greeter/test/image"
  host=$(docker network inspect bridge --format '{{(index .IPAM.Config 0).Gateway}}')
  [[ -n $host ]] || {
    printf 'the bridge of docker has no gateway\n' >&2
    return 1
  }
  runtime=(--runtime docker)
}

# A base branch and two pull requests, as a git server holds them: main, refs/pull/N/head.
make_repository() {
  say 'Making a repository with a base branch and two pull requests'
  # Only what an earlier demo made.
  if [[ -d $demo && ! -e $demo/.test-worker-demo && -n $(ls -A "$demo") ]]; then
    printf '%s is not empty and no folder of an earlier demo; name another DEMO_DIR\n' "$demo" >&2
    return 1
  fi
  mkdir -p "$demo"
  : >"$demo/.test-worker-demo"
  rm -rf "$demo"/{bucket,git,work,pull-1,pull-2,git-server.log}
  mkdir -p "$demo"/{bucket,git/example}
  printf '[user]\n\tname = Ada\n\temail = ada@example.com\n[uploadpack]\n\tallowAnySHA1InWant = true\n' \
    >"$demo/gitconfig"
  plain_git init --quiet --bare --initial-branch=main "$demo/git/example/greeter.git"
  cp -R "$examples/greeter" "$demo/work"
  cd "$demo/work"
  if [[ -n $image ]]; then
    sed -i -e "s|image: ghcr.io/test-worker/test-worker:.*|image: $image|" \
      -e "s|image: ghcr.io/test-worker/greeter-ci:.*|image: $image-greeter|" test/workflows/*.yaml
  fi
  plain_git init --quiet --initial-branch=main .
  plain_git add --all
  plain_git commit --quiet --message 'Greet people in three languages'
  plain_git push --quiet "$demo/git/example/greeter.git" main
  local number patch
  for patch in "$examples"/pulls/*.patch; do
    number=$(basename "$patch")
    number=${number%%-*}
    plain_git checkout --quiet -B "pull-$number" main
    plain_git am --quiet "$patch"
    plain_git push --quiet "$demo/git/example/greeter.git" "HEAD:refs/pull/$number/head"
    printf 'pull request %s: %s\n' "$number" "$(git log -1 --format=%s)"
  done
  cd "$top"
}

# Not by way of `git daemon`: killing that would leave the daemon itself running.
start_server() {
  local daemon try
  daemon=$(git --exec-path)/git-daemon
  for try in {1..20}; do
    port=$((20000 + RANDOM % 12000))
    : >"$demo/git-server.log"
    GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=$demo/gitconfig "$daemon" --verbose --export-all --reuseaddr \
      --listen="$host" --port="$port" --base-path="$demo/git" </dev/null >"$demo/git-server.log" 2>&1 &
    server=$!
    # It says so when it listens, and ends when another program has the port.
    while kill -0 "$server" 2>/dev/null; do
      if grep -q 'Ready to rumble' "$demo/git-server.log"; then
        say "Serving it at git://$host:$port (git daemon, process $server, try $try)"
        return 0
      fi
      sleep 0.05
    done
    server=
  done
  printf 'git daemon found no free port in 20 tries; see %s\n' "$demo/git-server.log" >&2
  return 1
}

# What Prow tells a presubmit's container: https://docs.prow.k8s.io/docs/jobs/#job-environment-variables
job_spec() {
  local number=$1 build=$2 base head
  base=$(git -C "$demo/git/example/greeter.git" rev-parse main)
  head=$(git -C "$demo/git/example/greeter.git" rev-parse "refs/pull/$number/head")
  cat <<JSON
{"type": "presubmit", "job": "greeter-presubmit", "buildid": "$build", "prowjobid": "demo-$build",
 "refs": {"org": "example", "repo": "greeter", "base_ref": "main", "base_sha": "$base",
          "clone_uri": "git://$host:$port/example/greeter.git",
          "pulls": [{"number": $number, "author": "ada", "sha": "$head"}]}}
JSON
}

# Runs a pull request as Prow would; leaves submit-e2e's exit code in `verdict`.
test_pull_request() {
  local number=$1 build=$2
  local folder=$demo/pull-$number
  verdict=0
  say "Pull request $number, as Prow runs it: JOB_SPEC says what to test"
  JOB_SPEC=$(job_spec "$number" "$build")
  export JOB_SPEC
  printf '%s\n\n' "$JOB_SPEC"
  show "$bin/checkout" --src-dir "$folder/src"
  printf '\n'
  show "$bin/submit-e2e" run --repos-dir "$folder/src" --bucket "$bucket" --engine local \
    --run-dir "$folder/run" "${runtime[@]}" || verdict=$?
  unset JOB_SPEC
  printf '\npull request %s: submit-e2e ended with exit code %s\n' "$number" "$verdict"
}

build
prepare_containers
make_repository
start_server
test_pull_request 1 1001
green=$verdict
test_pull_request 2 1002
red=$verdict

results=bucket/pr-logs/pull/example_greeter
say "The bucket: $demo/bucket"
(cd "$demo" && find bucket -type f | LC_ALL=C sort)
say 'What to look at'
cat <<TEXT
  The command above that runs the failed step again works as it is, with $bin on the PATH.
  $demo/$results/1/greeter-presubmit/1001/finished.json   the good verdict
  $demo/$results/2/greeter-presubmit/1002/finished.json   the bad one
  $demo/$results/2/greeter-presubmit/1002/build-log.txt   why: the failed step, its test, the command to run it again
  $demo/$results/2/greeter-presubmit/1002/artifacts       JUnit of each step
  $demo/work   the repository; examples/greeter/test/workflows/e2e.yaml says what ran
TEXT

if [[ $green != 0 || $red != 1 ]]; then
  say "The demo FAILED: exit codes $green and $red where 0 and 1 were expected"
  exit 1
fi
say 'The first pull request is good and the second is not, as expected'
