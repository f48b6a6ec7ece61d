/** Type token of an object of the Kubernetes API, as Pulumi's SDK has it: `kubernetes:apps/v1:Deployment`. */
export function typeToken({
  apiVersion,
  kind,
}: {
  readonly apiVersion: string;
  readonly kind: string;
}): string {
  return `kubernetes:${apiVersion === "v1" ? "core/v1" : apiVersion}:${kind}`;
}
