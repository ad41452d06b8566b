"""A real Kubernetes control plane on loopback, with a stand-in for the kubelets."""
