// Package executor, as tests/cluster/build has it: the cluster has no store of artifacts, and the clients of all that Argo
// knows cost as much time as the rest of it.
package executor

import (
	"context"
	"errors"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	"github.com/argoproj/argo-workflows/v3/workflow/artifacts/common"
	"github.com/argoproj/argo-workflows/v3/workflow/artifacts/logging"
	"github.com/argoproj/argo-workflows/v3/workflow/artifacts/raw"
	"github.com/argoproj/argo-workflows/v3/workflow/artifacts/resource"
)

// ErrUnsupportedDriver says that an artifact is of a store that is not there.
var ErrUnsupportedDriver = errors.New("the cluster of the tests has no store of artifacts")

// NewDriverFunc makes a driver.
type NewDriverFunc func(context.Context, *wfv1.Artifact, resource.Interface) (common.ArtifactDriver, error)

// NewDriver makes a driver for artifacts that are in the workflow itself.
func NewDriver(_ context.Context, artifact *wfv1.Artifact, _ resource.Interface) (common.ArtifactDriver, error) {
	if artifact.Raw == nil {
		return nil, ErrUnsupportedDriver
	}
	return logging.New(&raw.ArtifactDriver{}), nil
}
