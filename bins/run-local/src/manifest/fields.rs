//! Which fields of a manifest run-local honours, and which it may leave out because they only
//! matter to a cluster. Any other field would change what runs: it is an error.

/// The fields of one kind of object.
pub(crate) struct Fields {
    pub(super) honoured: &'static [&'static str],
    pub(super) cluster_only: &'static [&'static str],
}

pub(crate) const SPEC: Fields = Fields {
    honoured: &[
        "activeDeadlineSeconds",
        "arguments",
        "entrypoint",
        "onExit",
        "parallelism",
        "templates",
        "volumeClaimTemplates",
        "volumes",
    ],
    cluster_only: &[
        "affinity",
        "archiveLogs",
        "artifactGC",
        "artifactRepositoryRef",
        "automountServiceAccountToken",
        "dnsConfig",
        "dnsPolicy",
        "executor",
        "hostAliases",
        "hostNetwork",
        "imagePullSecrets",
        "metrics",
        "nodeSelector",
        "podDisruptionBudget",
        "podGC",
        "podMetadata",
        "podPriorityClassName",
        "priority",
        "schedulerName",
        "securityContext",
        "serviceAccountName",
        "synchronization",
        "tolerations",
        "ttlStrategy",
        "volumeClaimGC",
        "workflowMetadata",
    ],
};

pub(crate) const TEMPLATE: Fields = Fields {
    honoured: &[
        "activeDeadlineSeconds",
        "container",
        "dag",
        "initContainers",
        "inputs",
        "name",
        "outputs",
        "parallelism",
        "retryStrategy",
        "script",
        "steps",
        "volumes",
    ],
    cluster_only: &[
        "affinity",
        "archiveLocation",
        "automountServiceAccountToken",
        "executor",
        "hostAliases",
        "memoize",
        "metadata",
        "metrics",
        "nodeSelector",
        "priorityClassName",
        "schedulerName",
        "securityContext",
        "serviceAccountName",
        "synchronization",
        "tolerations",
    ],
};

const CONTAINER_CLUSTER_ONLY: &[&str] = &[
    "image",
    "imagePullPolicy",
    "livenessProbe",
    "mirrorVolumeMounts",
    "name",
    "ports",
    "readinessProbe",
    "resources",
    "securityContext",
    "startupProbe",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
];

pub(crate) const CONTAINER: Fields = Fields {
    honoured: &[
        "args",
        "command",
        "env",
        "envFrom",
        "volumeMounts",
        "workingDir",
    ],
    cluster_only: CONTAINER_CLUSTER_ONLY,
};

/// Of `initContainers`. One with a `restartPolicy` would go on running beside the step.
pub(crate) const INIT_CONTAINER: Fields = Fields {
    honoured: &[
        "args",
        "command",
        "env",
        "envFrom",
        "mirrorVolumeMounts",
        "name",
        "volumeMounts",
        "workingDir",
    ],
    cluster_only: &[
        "image",
        "imagePullPolicy",
        "ports",
        "resources",
        "securityContext",
        "stdin",
        "stdinOnce",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "tty",
    ],
};

pub(crate) const SCRIPT: Fields = Fields {
    honoured: &[
        "args",
        "command",
        "env",
        "envFrom",
        "source",
        "volumeMounts",
        "workingDir",
    ],
    cluster_only: CONTAINER_CLUSTER_ONLY,
};

pub(crate) const STEP: Fields = Fields {
    honoured: &[
        "arguments",
        "continueOn",
        "name",
        "template",
        "when",
        "withItems",
        "withParam",
        "withSequence",
    ],
    cluster_only: &[],
};

pub(crate) const TASK: Fields = Fields {
    honoured: &[
        "arguments",
        "continueOn",
        "dependencies",
        "depends",
        "name",
        "template",
        "when",
        "withItems",
        "withParam",
        "withSequence",
    ],
    cluster_only: &[],
};

// In Argo a task of a DAG that can start does start, failFast or not: see `assessDAGPhase`
// in its workflow/controller/dag.go.
pub(crate) const DAG: Fields = Fields {
    honoured: &["failFast", "tasks"],
    cluster_only: &[],
};
pub(crate) const ARGUMENTS: Fields = Fields {
    honoured: &["parameters"],
    cluster_only: &[],
};
pub(crate) const INPUTS: Fields = Fields {
    honoured: &["parameters"],
    cluster_only: &[],
};
pub(crate) const OUTPUTS: Fields = Fields {
    honoured: &["parameters"],
    cluster_only: &["artifacts"],
};
pub(crate) const PARAMETER: Fields = Fields {
    honoured: &["default", "name", "value"],
    cluster_only: &["description", "enum"],
};
pub(crate) const OUTPUT_PARAMETER: Fields = Fields {
    honoured: &["name", "valueFrom"],
    cluster_only: &["description"],
};
pub(crate) const VALUE_FROM: Fields = Fields {
    honoured: &["default", "parameter", "path"],
    cluster_only: &[],
};
pub(crate) const RETRY: Fields = Fields {
    honoured: &["backoff", "expression", "limit", "retryPolicy"],
    cluster_only: &["affinity"],
};
pub(crate) const BACKOFF: Fields = Fields {
    honoured: &["cap", "duration", "factor", "maxDuration"],
    cluster_only: &[],
};
pub(crate) const CONTINUE_ON: Fields = Fields {
    honoured: &["error", "failed"],
    cluster_only: &[],
};
pub(crate) const SEQUENCE: Fields = Fields {
    honoured: &["count", "end", "format", "start"],
    cluster_only: &[],
};
pub(crate) const MOUNT: Fields = Fields {
    honoured: &["mountPath", "name", "readOnly", "subPath"],
    cluster_only: &["mountPropagation", "recursiveReadOnly"],
};
pub(crate) const ENV: Fields = Fields {
    honoured: &["name", "value", "valueFrom"],
    cluster_only: &[],
};
pub(crate) const ENV_SOURCE: Fields = Fields {
    honoured: &["configMapKeyRef", "fieldRef", "secretKeyRef"],
    cluster_only: &[],
};
pub(crate) const ENV_FROM: Fields = Fields {
    honoured: &["configMapRef", "prefix", "secretRef"],
    cluster_only: &[],
};
pub(crate) const VOLUME: Fields = Fields {
    honoured: &[
        "configMap",
        "emptyDir",
        "ephemeral",
        "hostPath",
        "name",
        "nfs",
        "persistentVolumeClaim",
        "secret",
    ],
    cluster_only: &[],
};
