# Brings the model repository $HASH from $SOURCE, an rclone remote or a folder, to /models/repository/$HASH.
# For any POSIX shell with sha256sum and xargs (busybox too), and rclone 1.60 or later. Started again in the same pod it
# goes on: what is there is verified and not fetched again.
set -eu
umask 022
export LC_ALL=C
blobs=$MODELS/blobs
work=$MODELS/.loader
manifest=$work/manifest
needed=$work/needed
missing=$work/missing
log=$work/log
started=$(date +%s)
child=

say() { echo "loader: $*" >&2; }
fail() {
  say "$1"
  say "→ $2"
  exit 1
}

# A shell that waits for a program hears no signal; one that waits for a child does.
trap 'test -z "$child" || kill "$child" 2>/dev/null; exit 143' TERM INT
run() {
  "$@" &
  child=$!
  code=0
  wait "$child" || code=$?
  child=
  return "$code"
}
# rclone tries each request ten times by itself.
fetch() {
  run rclone "$@" --config "" --ignore-checksum --retries-sleep 2s --contimeout 10s --timeout 60s
}

get_manifest() {
  rm -f "$manifest"
  fetch copyto "$SOURCE/manifests/$HASH" "$manifest" --retries 2 2>"$log" || explain
  test -f "$manifest" || not_published
  set -- $(sha256sum <"$manifest")
  test "$1" = "$HASH" ||
    fail "manifests/$HASH in $SOURCE is damaged: its sha256 is $1" "remove it there, then publish it again (pulumi up --refresh, or npm run publish)"
}
not_published() {
  fail "there is no manifests/$HASH in $SOURCE" \
    "publish it first (pulumi up, or npm run publish -- <folder>), and check bucket, prefix and path under triton-platform:kubernetes.repository"
}
explain() {
  tail -n 5 "$log" >&2
  if grep -qiE 'NoSuchBucket' "$log"; then
    fail "the bucket of $SOURCE is not there" "correct triton-platform:kubernetes.repository"
  elif grep -qiE 'NoCredentialProviders|no EC2 IMDS role|failed to (refresh|retrieve) .*credentials|no valid providers' "$log"; then
    fail "this pod has no credentials for $SOURCE" "set credentialsSecret, or a role on the ServiceAccount (serviceAccountAnnotations)"
  elif grep -qiE 'AccessDenied|Forbidden|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|status code: 403' "$log"; then
    fail "$SOURCE denies access to this pod's credentials" "they need s3:GetObject below the prefix, and s3:ListBucket on it, without which what is not there looks denied; with SSE-KMS also kms:Decrypt"
  elif grep -qiE 'not found|NoSuchKey|status code: 404' "$log"; then
    not_published
  else
    fail "$SOURCE cannot be read, see above" "check its endpoint, the NetworkPolicies and DNS"
  fi
}

# Reads `sha256  bytes  path` from the manifest and calls "$@" sha256 path for each file.
each_file() {
  while IFS= read -r line; do
    sha=${line%%  *}
    rest=${line#*  }
    path=${rest#*  }
    "$@" "$sha" "$path"
  done <"$manifest"
}
check_line() {
  case ${#1}:$1 in
  64:*[!0-9a-f]*) ;;
  64:*) case /$2/ in
    *//* | */./* | */../*) ;;
    *) return 0 ;;
    esac ;;
  esac
  fail "manifests/$HASH in $SOURCE names a file that is none: $1 $2" "publish the repository again"
}

# Of the blobs named in a file: removes those whose content is another.
verify() {
  while IFS= read -r sha; do
    test ! -f "$blobs/$sha" || echo "$sha"
  done <"$1" >"$work/present"
  run hash_present
}
hash_present() {
  cd "$blobs"
  xargs -r -n 1 -P "$jobs" sha256sum <"$work/present" | while read -r sum sha; do
    test "$sum" = "$sha" || { rm -f "$sha" && say "blobs/$sha: its content is another, fetching it again"; }
  done
}
list_missing() {
  while IFS= read -r sha; do
    test -f "$blobs/$sha" || echo "$sha"
  done <"$needed" >"$missing"
}

get_blobs() {
  sort -u "$work/all" >"$needed"
  # What a killed run of rclone left.
  rm -f "$blobs"/*.partial
  verify "$needed"
  list_missing
  for round in 1 2 3; do
    test -s "$missing" || return 0
    say "fetching $(wc -l <"$missing") of $(wc -l <"$needed") files, round $round of 3"
    fetch copy "$SOURCE/blobs" "$blobs" --files-from-raw "$missing" --no-traverse --retries 3 \
      --transfers 16 --checkers 32 --buffer-size 8Mi --multi-thread-cutoff 64Mi --multi-thread-streams 4 \
      --stats 10s --stats-one-line --stats-log-level NOTICE || say "rclone has not fetched all of them, see above"
    verify "$missing"
    list_missing
  done
  test ! -s "$missing" || fail "$(wc -l <"$missing") of the blobs of $HASH are not in $SOURCE, or not what their names say: blobs/$(head -n 1 "$missing")" \
    "publish the repository again (pulumi up --refresh, or npm run publish)"
}

# Hard links: one copy on disk, whatever the number of paths. The folder appears whole.
lay_out() {
  fresh=$work/repository
  place=$MODELS/repository/$HASH
  rm -rf "$fresh" "$place"
  mkdir -p "$fresh" "${place%/*}"
  each_file folder_of | sort -u | tr '\n' '\0' | (cd "$fresh" && xargs -0 -r mkdir -p)
  each_file link_arguments | (cd "$fresh" && xargs -0 -r -n 2 -P "$jobs" ln)
  mv "$fresh" "$place"
}
folder_of() {
  case $2 in
  */*) echo "./${2%/*}" ;;
  esac
}
link_arguments() { printf '%s\0./%s\0' "$blobs/$1" "$2"; }

jobs=$(nproc 2>/dev/null || echo 2)
mkdir -p "$blobs" "$work"
get_manifest
each_file check_line
cut -c1-64 "$manifest" >"$work/all"
get_blobs
lay_out
bytes=$(awk '{ sum += $2 } END { printf "%.0f", sum }' "$manifest")
say "repository $HASH is ready: $(wc -l <"$manifest") files, $bytes bytes, $(($(date +%s) - started)) s"
