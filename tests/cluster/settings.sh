# shellcheck shell=bash disable=SC2034
# What the scripts of this folder share: versions, places, addresses. To be sourced.
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
top=$(readlink -f "$here/../..")

# The versions that programs/go.mod asks for.
kubernetes=$(awk '$1 == "k8s.io/kubernetes" { print $2 }' "$here/programs/go.mod")
argo=$(awk '$1 == "github.com/argoproj/argo-workflows/v3" { print $2 }' "$here/programs/go.mod")

# What is built once. Clones on one machine may share it.
binaries=$(realpath -m "${TEST_CLUSTER_BINARIES:-$top/.tools/kubernetes-$kubernetes-argo-$argo}")
# What the stand-in for the test-worker image is built on.
test_worker_base=$binaries/test-worker-base
# What lives as long as the cluster does. One machine has one cluster, so this is the same for all clones.
state=/var/lib/test-worker-cluster
# Held by whoever changes the cluster or runs tests on it.
lock_file=/run/lock/test-worker-cluster

node=test-worker
bridge=test-worker0
# Both networks exist on this machine only. Pods reach this machine at $host, and one another.
host=10.245.0.1
pods=10.245.0.0/24
services=10.97.0.0/16
api_service=10.97.0.1
api_port=17443
etcd_port=17379
etcd_peer_port=17380
kubelet_port=17250
kubelet_health_port=17248
controller_manager_port=17257
scheduler_port=17259

containerd_socket=$state/containerd/containerd.sock
# The one set of names that both the images' makers and the pods know.
pause_image=localhost/pause:1
step_image=localhost/busybox:1
controller_image=localhost/workflow-controller:$argo
executor_image=localhost/argoexec:$argo

# Servers' programs are there, and an ordinary user's PATH lacks it.
PATH=$PATH:/usr/sbin:/sbin

say() {
  printf '%s\n' "$*" >&2
}

fail() {
  say "$*"
  exit 1
}

kubectl() {
  "$binaries/bin/kubectl" --kubeconfig "$state/admin.kubeconfig" "$@"
}

containerd_images() {
  ctr --address "$containerd_socket" --namespace k8s.io images "$@"
}

# Identifies what a running cluster was made from.
stamp() {
  printf '%s\n' "$binaries"
  find "$here" -type f ! -name '*.md' ! -name run -print0 | LC_ALL=C sort --zero-terminated | xargs -0 cat | sha256sum
}

# Takes a lock until this script ends, unless the script that has started this one holds it: lock DESCRIPTOR FILE WHAT
lock() {
  [[ $(readlink "/proc/$$/fd/$1") != "$(readlink -m "$2")" ]] || return 0
  eval "exec $1>>'$2'"
  flock --nonblock "$1" && return
  say "waiting for $3"
  flock "$1"
}

# The cluster is one for all clones, and so is its lock.
lock_cluster() {
  lock 9 "$lock_file" "another test run or change of the cluster to end ($lock_file)"
}
