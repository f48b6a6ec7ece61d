import { describe, expect, it } from "vitest";
import { repositoryDelivery } from "../../core/kubernetes/loader.ts";
import { kubernetesSchema, type RepositorySource } from "../../core/spec/kubernetes.ts";

const image = "docker.io/rclone/rclone:1.71.2";

function sourceOf(fields: object): RepositorySource {
  return kubernetesSchema.parse({ repository: fields }).repository;
}

const hash = "ab".repeat(32);
const requests = { cpu: 4_000, memory: 8 * 1024 ** 3 };
const s3 = { source: "s3", bucket: "models", prefix: "team/prod" };

describe("how a pod comes to its repository", () => {
  it("never asks for more than Triton does, whom the scheduler counts", () => {
    const ask = (cpu: number, memory: number) =>
      repositoryDelivery(sourceOf(s3), hash, image, { cpu, memory }).initContainers[0]?.resources?.requests;
    expect(ask(4_000, 8 * 1024 ** 3)).toEqual({ cpu: "500m", memory: "512Mi" });
    expect(ask(50, 128 * 1024 ** 2)).toEqual({ cpu: "50m", memory: "128Mi" });
  });

  it("is the loader, which alone writes the volume that Triton reads", () => {
    const delivery = repositoryDelivery(sourceOf(s3), hash, image, requests, 100 * 1024 ** 2);
    expect(delivery.repository).toBe(`/models/repository/${hash}`);
    expect(delivery.volumes).toEqual([{ name: "models", emptyDir: { sizeLimit: "361Mi" } }]);
    expect(delivery.serverMounts).toEqual([{ name: "models", mountPath: "/models", readOnly: true }]);
    expect(delivery.serverEnvironment).toEqual([]);
    const [loader] = delivery.initContainers;
    expect(loader).toMatchObject({
      name: "loader",
      image,
      volumeMounts: [{ name: "models", mountPath: "/models" }],
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      },
    });
    expect(Object.fromEntries((loader?.env ?? []).map(({ name, value }) => [name, value]))).toEqual({
      RCLONE_CONFIG_S3_TYPE: "s3",
      RCLONE_CONFIG_S3_PROVIDER: "AWS",
      RCLONE_CONFIG_S3_ENV_AUTH: "true",
      RCLONE_CONFIG_S3_REGION: "us-east-1",
      SOURCE: "s3:models/team/prod",
      HASH: hash,
      MODELS: "/models",
    });
  });

  it("reads a volume or an image that is mounted read-only", () => {
    const claim = sourceOf({ source: "persistentVolumeClaim", claimName: "weights", path: "a/b" });
    const fromClaim = repositoryDelivery(claim, hash, image, requests);
    expect(fromClaim.volumes).toEqual([
      { name: "models", emptyDir: {} },
      { name: "model-source", persistentVolumeClaim: { claimName: "weights", readOnly: true } },
    ]);
    expect(fromClaim.initContainers[0]?.volumeMounts).toContainEqual({
      name: "model-source",
      mountPath: "/source",
      readOnly: true,
    });
    expect(fromClaim.initContainers[0]?.env).toContainEqual({ name: "SOURCE", value: "/source/a/b" });
    const fromImage = repositoryDelivery(
      sourceOf({ source: "image", reference: "r/m:1" }),
      hash,
      image,
      requests,
    );
    expect(fromImage.volumes[1]).toEqual({
      name: "model-source",
      image: { reference: "r/m:1", pullPolicy: "IfNotPresent" },
    });
  });

  it("gives keys as a file and nowhere else, and only where there is a Secret", () => {
    const { volumes, initContainers } = repositoryDelivery(
      sourceOf({ ...s3, endpoint: "https://minio:9000", credentialsSecret: "minio" }),
      hash,
      image,
      requests,
    );
    expect(volumes[1]).toEqual({
      name: "object-store-credentials",
      secret: {
        secretName: "minio",
        items: [{ key: "credentials", path: "credentials" }],
        defaultMode: 0o440,
      },
    });
    const env = initContainers[0]?.env ?? [];
    expect(env).toContainEqual({
      name: "AWS_SHARED_CREDENTIALS_FILE",
      value: "/var/run/secrets/object-store/credentials",
    });
    expect(env).toContainEqual({ name: "RCLONE_CONFIG_S3_ENDPOINT", value: "https://minio:9000" });
    expect(env).toContainEqual({ name: "RCLONE_CONFIG_S3_PROVIDER", value: "Other" });
  });

  it.each([
    [undefined, `s3://models/team/prod/trees/${hash}`],
    ["https://minio:9000", `s3://https://minio:9000/models/team/prod/trees/${hash}`],
    ["http://minio", `s3://http://minio:80/models/team/prod/trees/${hash}`],
  ])("leaves it to Triton where the config says so (endpoint %s)", (endpoint, repository) => {
    const delivery = repositoryDelivery(
      sourceOf({ ...s3, delivery: "triton", ...(endpoint === undefined ? {} : { endpoint }) }),
      hash,
      image,
      requests,
    );
    expect(delivery.initContainers).toEqual([]);
    expect(delivery.repository).toBe(repository);
    expect(delivery.serverEnvironment).toEqual([
      { name: "AWS_DEFAULT_REGION", value: "us-east-1" },
      { name: "TRITON_AWS_MOUNT_DIRECTORY", value: "/models" },
    ]);
    expect(delivery.serverMounts).toEqual([{ name: "models", mountPath: "/models" }]);
  });
});
