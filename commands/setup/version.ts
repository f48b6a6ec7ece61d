export type Version = readonly [major: number, minor: number, patch: number];

/** The first version in a text: `v3.258.0-dev` → [3, 258, 0], `go1.26` → [1, 26, 0]; undefined where there is none. */
export function parseVersion(text: string): Version | undefined {
  const match = /(\d+)\.(\d+)(?:\.(\d+))?/.exec(text);
  return match === null ? undefined : [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)];
}

/** Negative where `a` is older than `b`, positive where it is newer, 0 where they are the same. */
export function compareVersions(a: Version, b: Version): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

export function formatVersion(version: Version): string {
  return version.join(".");
}
