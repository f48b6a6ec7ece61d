import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { serverImageBuild } from "../../../core/kubernetes/server-image.ts";

const base = "nvcr.io/nvidia/tritonserver:25.08-py3";
const file = "images/requirements.txt";
const sha256 = "ab".repeat(32);

function build(requirements: string | undefined, from = base) {
  return serverImageBuild({ base: from, file, requirements });
}

function valueOf(requirements: string, from = base) {
  const result = build(requirements, from);
  if ("problems" in result) throw new Error(JSON.stringify(result.problems));
  return result.value;
}

/** Lines that are refused. */
function refused(requirements: string): (number | undefined)[] {
  const result = build(requirements);
  return "problems" in result ? result.problems.map(({ line }) => line) : [];
}

describe("the image with the models' packages", () => {
  it("is built from two files, by hashes where there are some", () => {
    const requirements = `numpy==2.1.3 \\\n    --hash=sha256:${sha256}\n`;
    expect(valueOf(requirements)).toMatchInlineSnapshot(`
      {
        "args": {
          "SOURCE_DATE_EPOCH": "315532800",
        },
        "files": [
          {
            "content": "FROM nvcr.io/nvidia/tritonserver:25.08-py3
      ARG SOURCE_DATE_EPOCH
      ARG PIP_BREAK_SYSTEM_PACKAGES=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
      USER root
      RUN --mount=type=bind,source=requirements.txt,target=/tmp/requirements.txt \\
          python3 -m pip install --no-cache-dir --no-compile --requirement /tmp/requirements.txt --require-hashes
      USER 1000
      ",
            "path": "Dockerfile",
          },
          {
            "content": "numpy==2.1.3 \\
          --hash=sha256:abababababababababababababababababababababababababababababababab
      ",
            "path": "requirements.txt",
          },
        ],
        "tag": "98857b353f3cf03fc588de59b272ef4a32e55f2bbc871259f7444fcf8e8a01c1",
      }
    `);
  });

  it("gets exactly the listed packages where there are no hashes, and all that they need", () => {
    expect(valueOf("numpy==2.1.3\n").files[0]?.content).toMatchInlineSnapshot(`
      "FROM nvcr.io/nvidia/tritonserver:25.08-py3
      ARG SOURCE_DATE_EPOCH
      ARG PIP_BREAK_SYSTEM_PACKAGES=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
      USER root
      RUN --mount=type=bind,source=requirements.txt,target=/tmp/requirements.txt \\
          python3 -m pip install --no-cache-dir --no-compile --requirement /tmp/requirements.txt --no-deps \\
       && python3 -m pip install --no-cache-dir --no-compile --requirement /tmp/requirements.txt --no-index
      USER 1000
      "
    `);
  });

  it("has another tag for other inputs, and the same for the same", () => {
    const versions = fc
      .tuple(fc.nat(2), fc.nat(2))
      .map(([major, minor]) => `a==${String(major)}.${String(minor)}\n`);
    const bases = fc.constantFrom(base, "registry.local/triton:1");
    fc.assert(
      fc.property(versions, versions, bases, bases, (one, other, from, otherFrom) => {
        const isSame = one === other && from === otherFrom;
        expect(valueOf(one, from).tag === valueOf(other, otherFrom).tag).toBe(isSame);
      }),
    );
    expect(valueOf("a==1\r\nb==2\r\n")).toEqual(valueOf("a==1\nb==2\n"));
    // What registries take for a tag.
    expect(valueOf("a==1").tag).toMatch(/^\w[\w.-]{0,127}$/);
  });
});

describe("requirements", () => {
  it.each([
    "numpy==2.1.3",
    "numpy == 2.1.3",
    "numpy===2.1.3",
    "scikit-learn==1.5.2  # a comment",
    "torch==2.5.0+cu124",
    "a==1!2.0.post1",
    "uvicorn[standard, http2]==0.32.0",
    'tomli==2.0.2 ; python_version < "3.11"',
    `numpy==2.1.3 --hash=sha256:${sha256} --hash=sha256:${sha256}`,
    `pkg @ https://example.com/pkg-1.0-py3-none-any.whl --hash=sha256:${sha256}`,
    "--extra-index-url https://download.pytorch.org/whl/cu124\ntorch==2.5.0",
    "--index-url=https://pypi.example.com/simple\n--only-binary :all:\nnumpy==2.1.3",
    "# only a comment\n\nnumpy==2.1.3",
  ])("may be %s", (requirements) => {
    expect(refused(requirements)).toEqual([]);
  });

  it.each([
    "numpy",
    "numpy>=1",
    "numpy~=1.2",
    "numpy==1.*",
    "numpy==1.2,<2",
    "numpy!=1.2",
    "numpy==",
    "==1.2",
    'numpy; python_version < "3.11"',
    "numpy # ==1.2",
    "pkg @ https://example.com/pkg-1.0-py3-none-any.whl",
    "git+https://example.com/pkg.git@main",
    "./pkg",
    "-e ./pkg",
    "-r other.txt",
    "-rother.txt",
    "--requirement=other.txt",
    "-c constraints.txt",
    "--find-links ./wheels",
    "--trusted-host pypi.example.com",
    "--index-urls https://x",
  ])("may not be %s", (requirement) => {
    expect(refused(`a==1\n${requirement}\nb==2\n`)).toEqual([2]);
  });

  it("are all reported at once, each with its line", () => {
    const text = ["numpy", "", "# why", "scipy==1.14.1", "pandas \\", "  >=2", "-r more.txt", ""].join("\n");
    const result = build(text);
    expect("problems" in result ? result.problems : []).toEqual([
      {
        file,
        path: "",
        line: 1,
        message: "`numpy` is not pinned to one version",
        hint: "write name==version, or let `pip-compile --generate-hashes` write the whole file",
      },
      expect.objectContaining({ line: 5, message: "`pandas   >=2` is not pinned to one version" }),
      expect.objectContaining({ line: 7, message: "`-r more.txt` brings in what this file does not show" }),
    ]);
  });

  it("have hashes on all or on none", () => {
    const hash = `--hash=sha256:${sha256}`;
    expect(refused(`a==1 ${hash}\nb==2\nc==3 ${hash}\n`)).toEqual([2]);
    expect(refused("--require-hashes\na==1\n")).toEqual([2]);
    expect(refused(`a==1 \\\n  ${hash} \\\n  # via b\nb==2 ${hash}\n`)).toEqual([]);
  });

  it("go on after a backslash, unless it ends a comment", () => {
    expect(refused("# see C:\\\nnumpy\n")).toEqual([2]);
    expect(refused("numpy \\\n# see C:\\\n==1\n")).toEqual([1, 3]);
  });

  it("cannot be missing or nothing", () => {
    expect(build(undefined)).toEqual({
      problems: [expect.objectContaining({ file, message: "these requirements cannot be read" })],
    });
    expect(refused("# nothing\n--no-binary :all:\n")).toEqual([1]);
  });

  it("are reported at their line for any file, whatever stands between them", () => {
    const line = fc.oneof(
      fc.constantFrom({ text: "", bad: 0 }, { text: "  # note", bad: 0 }, { text: "a==1.0 # note", bad: 0 }),
      fc.constantFrom(
        { text: "numpy", bad: 1 },
        { text: "b>=1 # ==2", bad: 1 },
        { text: "-r x.txt", bad: 1 },
      ),
      fc.constantFrom({ text: "c \\\n  ==1.0", bad: 0 }, { text: "d \\\n  >=1.0", bad: 1 }),
    );
    fc.assert(
      fc.property(fc.array(line), fc.constantFrom("\n", "\r\n"), (lines, end) => {
        const all = [{ text: "first==1", bad: 0 }, ...lines];
        let at = 1;
        const expected = all.flatMap(({ text, bad }) => {
          const here = at;
          at += text.split("\n").length;
          return bad === 1 ? [here] : [];
        });
        const text = all.map((one) => one.text.replaceAll("\n", end)).join(end);
        expect(refused(text)).toEqual(expected);
      }),
    );
  });
});
