/** What closes what a test opened: a TestContext, or `{ after }` of node:test for a whole suite. */
export interface Scope {
  after(close: () => Promise<void>): void;
}
