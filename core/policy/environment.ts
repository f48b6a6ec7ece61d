/** What a stack is for; rules are more or less strict by it. */
export const environments = ["dev", "staging", "prod", "bench"] as const;
export type Environment = (typeof environments)[number];

/** Other names that teams have for the same. */
const synonyms: Readonly<Record<string, Environment>> = {
  development: "dev",
  test: "dev",
  stage: "staging",
  preprod: "staging",
  production: "prod",
  benchmark: "bench",
};

/**
 * The environment of a stack, by the plain values of its config: `triton-platform:environment`, else the tag
 * `environment` of the target `eks`; `dev` where neither says it.
 */
export function environmentOf(config: {
  readonly environment?: string | undefined;
  readonly eks?: { readonly tags?: { readonly environment?: string } } | undefined;
}): Environment {
  const name = (config.environment ?? config.eks?.tags?.environment ?? "dev").toLowerCase();
  return (
    environments.find((environment) => environment === name) ??
    (Object.hasOwn(synonyms, name) ? synonyms[name] : undefined) ??
    "dev"
  );
}
