/** What the grammar test uses of antlr4, whose own declarations its package.json does not lead to. */
declare module 'antlr4' {
  export class CharStream {
    constructor(text: string);
    readonly size: number;
  }
  export class ErrorListener {
    syntaxError(recognizer: unknown, symbol: unknown, line: number, column: number, message: string): void;
  }
  class Recognizer {
    removeErrorListeners(): void;
    addErrorListener(listener: ErrorListener): void;
  }
  export class Lexer extends Recognizer {
    constructor(input: CharStream);
  }
  export class CommonTokenStream {
    constructor(lexer: Lexer);
    fill(): void;
  }
  export type TokenStream = CommonTokenStream;
  export class Parser extends Recognizer {
    constructor(input: TokenStream);
  }
}
