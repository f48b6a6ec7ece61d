/**
 * Releases of NVIDIA's Triton containers, `YY.MM`. Rules, fields and backends come and go with them.
 */
export type Release = `${number}.${number}`;

/** The release model_config.proto is of, and the newest whose sources the rules were read in. */
export const newestRelease = "26.07";
/** The oldest whose sources the rules were read in; the local target's tritonserver 2.51 is this release. */
export const oldestRelease = "24.10";

export function isAtLeast(release: Release, other: Release): boolean {
  // Both have two digits before and after the point.
  return release >= other;
}

/** The last container with the TensorFlow backend (release notes of 25.03). */
export const lastTensorFlowRelease = "25.02";
/** The first that knows the platform torch_aoti (core `src/constants.h`, kPyTorchAotiPlatform). */
export const firstTorchAotiRelease = "26.03";
