import type { Target } from "../target.ts";

/** EKS on AWS, from nothing. */
export const target: Target = {
  prepare(_models, { file }) {
    const problem = {
      file,
      path: "triton-platform:target",
      message: "eks is being built",
      hint: "use kubernetes",
    };
    return { problems: [problem] };
  },
};
