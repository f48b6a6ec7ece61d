import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Model } from "../../../core/spec/load.ts";
import { renderConfigPbtxt } from "../../../core/triton/config-from-spec.ts";
import {
  absentProblems,
  buildRepository,
  generatedFile,
  manifest,
  servedVersions,
  withoutSources,
} from "../../../core/triton/repository.ts";
import { artifactOf, modelOf, type SpecFields } from "../../support/models.ts";

const step = { model: "a", inputs: { x: "x" }, outputs: { y: "y" } };

describe("a repository", () => {
  it("has each model's config, labels and served versions, sorted by path", () => {
    const labelled: Model = {
      ...modelOf("b", {}, ["1/model.py", "2/model.py"]),
      companions: [artifactOf("labels.txt")],
    };
    const ensemble = modelOf("both", { ensemble: { steps: [step] } });
    const { files } = buildRepository([ensemble, labelled, modelOf("a")]);
    expect(files.map((file) => file.path)).toEqual([
      "a/1/model.py",
      "a/config.pbtxt",
      "b/2/model.py",
      "b/config.pbtxt",
      "b/labels.txt",
      "both/1/.keep",
      "both/config.pbtxt",
    ]);
    expect(files[2]?.from).toEqual({ file: "/models/b/2/model.py" });
  });

  it("has an empty version folder where the backend reads no file", () => {
    const own: Model = {
      ...modelOf("own", { backend: "own" }, []),
      companions: [artifactOf("libtriton_own.so")],
    };
    expect(buildRepository([own]).files.map((file) => file.path)).toEqual([
      "own/1/.keep",
      "own/config.pbtxt",
      "own/libtriton_own.so",
    ]);
  });

  it("has a manifest with one line per file: hash, size and path", () => {
    const files = [generatedFile("a/config.pbtxt", "å"), generatedFile("a/1/.keep", "")];
    expect(manifest(files)).toBe(
      [
        "e83979df9d36090142f23051f8e8d7ad48e5c20dff5c9e7b92ca3454f67469f9  2  a/config.pbtxt\n",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  0  a/1/.keep\n",
      ].join(""),
    );
  });

  it("has the files a target adds", () => {
    const { files, hash } = buildRepository([modelOf("a")], [generatedFile("a/1/extra.py", "")]);
    expect(files.map((file) => file.path)).toEqual(["a/1/extra.py", "a/1/model.py", "a/config.pbtxt"]);
    expect(hash).not.toBe(buildRepository([modelOf("a")]).hash);
  });
});

describe("a file that lies in S3", () => {
  const source = { uri: "s3://weights/big model.bin", versionId: "v1" };
  const big = "1/big.bin";
  const inS3 = (fields: Partial<Model["artifacts"]> = {}): Model => {
    const model = modelOf("a", {}, ["1/model.py", big]);
    return { ...model, artifacts: { ...model.artifacts, sources: new Map([[big, source]]), ...fields } };
  };
  const originsOf = (model: Model): unknown[] => buildRepository([model]).files.map(({ from }) => from);

  it("is named where it lies, whether it is on disk too or not; the repository is the same", () => {
    for (const model of [inS3(), inS3({ missing: [big] })]) {
      expect(originsOf(model)).toEqual([
        { s3: source },
        { file: "/models/a/1/model.py" },
        { content: renderConfigPbtxt(model.spec) },
      ]);
      expect(buildRepository([model]).hash).toBe(buildRepository([withoutSources(model)]).hash);
    }
  });

  it("is the one on disk where that is another, or where there is no way to S3", () => {
    const onDisk = { file: "/models/a/1/big.bin" };
    expect(originsOf(inS3({ unlocked: [big] }))).toContainEqual(onDisk);
    expect(originsOf(withoutSources(inS3()))).toContainEqual(onDisk);
  });

  it("is missing there where it is served and not on disk, and the hint brings it", () => {
    expect(absentProblems(inS3())).toEqual([]);
    expect(absentProblems(inS3({ missing: [big] }))).toEqual([
      {
        file: "models/a/model.yaml",
        path: "",
        message: "1/big.bin is missing: it lies in s3://weights/big model.bin, and not in the folder",
        hint: "bring it here: mkdir -p /models/a/1 && aws s3api get-object --bucket weights --key 'big model.bin' --version-id v1 /models/a/1/big.bin",
      },
    ]);
    const older: Model = { ...modelOf("a", {}, [big, "2/model.py"]), artifacts: inS3().artifacts };
    const files = [artifactOf(big), artifactOf("2/model.py")];
    expect(absentProblems({ ...older, artifacts: { ...older.artifacts, files, missing: [big] } })).toEqual(
      [],
    );
  });
});

describe("versions that are served", () => {
  const paths = ["1/model.py", "2/model.py", "2/data", "10/model.py"];
  it.each<{ versions: SpecFields["versions"]; served: readonly number[] }>([
    { versions: undefined, served: [10] },
    { versions: { latest: 2 }, served: [2, 10] },
    { versions: { latest: 9 }, served: [1, 2, 10] },
    { versions: { all: true }, served: [1, 2, 10] },
    { versions: { specific: [10, 1, 7] }, served: [1, 10] },
  ])("follow the policy $versions", ({ versions, served }) => {
    expect(servedVersions(modelOf("m", { versions }, paths))).toEqual(served);
  });

  it("are 1 for an ensemble, which has no files", () => {
    expect(servedVersions(modelOf("m", { ensemble: { steps: [step] } }))).toEqual([1]);
  });

  it("are 1 for a backend that reads no file, and none for one that misses its own", () => {
    expect(servedVersions(modelOf("m", { backend: "own", versions: { all: true } }, []))).toEqual([1]);
    expect(servedVersions(modelOf("m.own", { backend: undefined }, []))).toEqual([1]);
    expect(servedVersions(modelOf("m", { backend: "own" }, ["3/data"]))).toEqual([3]);
    expect(servedVersions(modelOf("m", { backend: "vllm" }, []))).toEqual([]);
    expect(servedVersions(modelOf("m", { backend: undefined }, []))).toEqual([]);
  });
});

interface Content {
  readonly path: string;
  readonly content: string;
}

/** Models by name, each with files in its version folders. */
const contents = fc.dictionary(
  fc.stringMatching(/^[a-z]{1,3}$/),
  fc.uniqueArray(
    fc.record({
      path: fc.stringMatching(/^[1-9]\/[a-z]{1,2}(\/[a-z])?$/),
      content: fc.string({ maxLength: 5 }),
    }),
    { selector: ({ path }) => path, minLength: 1, maxLength: 4 },
  ),
  { minKeys: 1, maxKeys: 4, noNullPrototype: true },
);

function hashOf(models: readonly (readonly [string, readonly Content[]])[], directory = "/models"): string {
  return buildRepository(
    models.map(([name, files]) => {
      const model = modelOf(name, { versions: { all: true } });
      return {
        ...model,
        directory: `${directory}/${name}`,
        artifacts: {
          ...model.artifacts,
          files: files.map(({ path, content }) => artifactOf(path, content)),
        },
      };
    }),
  ).hash;
}

function shuffled<T>(items: readonly T[]): fc.Arbitrary<T[]> {
  return fc.shuffledSubarray([...items], { minLength: items.length, maxLength: items.length });
}

describe("a repository's hash", () => {
  it("is the same in any order of models and files, and wherever the folder is", () => {
    const inOtherOrder = contents.chain((models) =>
      fc.tuple(
        fc.constant(Object.entries(models)),
        shuffled(Object.entries(models)).chain((entries) =>
          fc.tuple(...entries.map(([name, files]) => fc.tuple(fc.constant(name), shuffled(files)))),
        ),
        fc.string(),
      ),
    );
    fc.assert(
      fc.property(inOtherOrder, ([models, other, directory]) => {
        expect(hashOf(other, directory)).toBe(hashOf(models));
      }),
    );
  });

  it("is another one after any change of a content, a path or a name", () => {
    const withChange = contents.chain((models) => {
      const places = Object.entries(models).flatMap(([name, files]) => files.map((_, i) => ({ name, i })));
      return fc.tuple(
        fc.constant(models),
        fc.constantFrom(...places),
        fc.constantFrom<(file: Content) => Content[]>(
          (file) => [{ ...file, content: `${file.content}.` }],
          (file) => [{ ...file, path: `${file.path}.` }],
          (file) => [file, { path: `${file.path}.`, content: "" }],
          () => [],
        ),
      );
    });
    fc.assert(
      fc.property(withChange, ([models, place, change]) => {
        const entries = Object.entries(models);
        const changed = entries.map(([name, files]): [string, Content[]] => [
          name,
          files.flatMap((file, i) => (name === place.name && i === place.i ? change(file) : [file])),
        ]);
        expect(hashOf(changed)).not.toBe(hashOf(entries));
        const renamed = entries.map(([name, files]): [string, Content[]] => [
          name === place.name ? `${name}.` : name,
          files,
        ]);
        expect(hashOf(renamed)).not.toBe(hashOf(entries));
      }),
    );
  });

  it("is another one after a change of the spec that Triton reads, and only then", () => {
    const { hash } = buildRepository([modelOf("m")]);
    expect(buildRepository([modelOf("m", { maxBatchSize: 9 })]).hash).not.toBe(hash);
    expect(buildRepository([modelOf("m", { description: "told better", idempotent: false })]).hash).toBe(
      hash,
    );
  });
});
