// Package client, as tests/cluster/build has it: the part of it that the executor uses. The other one brings Argo's server
// along.
package client

import (
	"os"

	"k8s.io/client-go/tools/clientcmd"
)

// GetConfig finds the cluster.
func GetConfig() clientcmd.ClientConfig {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	return clientcmd.NewInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{}, os.Stdin)
}

// Namespace is the one that the executor works in.
func Namespace() string {
	return os.Getenv("ARGO_NAMESPACE")
}
