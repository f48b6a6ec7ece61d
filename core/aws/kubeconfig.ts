/** What a kubeconfig needs of a cluster of EKS. */
export interface ClusterAccess {
  readonly name: string;
  readonly region: string;
  readonly endpoint: string;
  /** In PEM, and that in base64. */
  readonly certificateAuthority: string;
}

/**
 * A kubeconfig without a secret in it, as JSON, which is YAML too: who uses it gets a token of their own by the AWS CLI.
 * Source: EKS user guide, "Connect kubectl to an EKS cluster by creating a kubeconfig file".
 */
export function kubeconfig({ name, region, endpoint, certificateAuthority }: ClusterAccess): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server: endpoint, "certificate-authority-data": certificateAuthority } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
    users: [
      {
        name,
        user: {
          exec: {
            apiVersion: "client.authentication.k8s.io/v1beta1",
            command: "aws",
            args: ["eks", "get-token", "--cluster-name", name, "--region", region, "--output", "json"],
          },
        },
      },
    ],
  });
}
