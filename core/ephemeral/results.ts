/** A bucket and a folder in it, where results are kept. */
export interface BucketFolder {
  readonly bucket: string;
  /** Without slashes at its ends; empty for the bucket itself. */
  readonly prefix: string;
}

const scheme = "s3://";

/** Bucket names as S3 has them (S3 User Guide, General purpose bucket naming rules), and any folder. */
const pattern = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/+(.*?))?\/*$/;

/** Whether a place of results is meant to be in S3; others are folders. */
export function isInS3(place: string): boolean {
  return place.toLowerCase().startsWith(scheme);
}

/** `s3://bucket/prefix`; undefined where it names no bucket. */
export function bucketFolderOf(place: string): BucketFolder | undefined {
  const [, bucket, prefix = ""] = pattern.exec(place) ?? [];
  return bucket === undefined ? undefined : { bucket, prefix };
}
