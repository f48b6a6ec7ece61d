/** Something that the user can mend: `commands/run.mjs` shows the message and the hint, and no stack. */
export class UserError extends Error {
  constructor(
    message: string,
    /** What to do about it. */
    readonly hint: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "UserError";
  }
}
