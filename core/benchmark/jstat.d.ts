/** What is used of jstat 1.9.6, which has no types of its own. */
declare module "jstat" {
  interface StudentT {
    /** P(T ≤ x) with `df` degrees of freedom, which need be no whole number. */
    cdf(x: number, df: number): number;
    /** The x with P(T ≤ x) = p. */
    inv(p: number, df: number): number;
  }
  const jstat: { readonly jStat: { readonly studentt: StudentT } };
  export default jstat;
}
