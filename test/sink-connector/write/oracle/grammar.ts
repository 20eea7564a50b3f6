import { PlSqlLexer, PlSqlParser } from '@griffithswaite/ts-plsql-parser';
import { CharStream, CommonTokenStream, ErrorListener } from 'antlr4';

/** Collects what a lexer or a parser objects to. */
class Objections extends ErrorListener {
  readonly found: string[] = [];

  override syntaxError(_recognizer: unknown, _symbol: unknown, line: number, column: number, message: string): void {
    this.found.push(`${line}:${column} ${message}`);
  }
}

/**
 * What an Oracle grammar (antlr's PL/SQL) objects to in a statement. It also takes some statements that no Oracle does:
 * VARCHAR2 without a length is one of them.
 */
export function objectionsTo(statement: string): readonly string[] {
  const objections = new Objections();
  const lexer = new PlSqlLexer(new CharStream(`${statement};`));
  lexer.removeErrorListeners();
  lexer.addErrorListener(objections);
  const parser = new PlSqlParser(new CommonTokenStream(lexer));
  parser.removeErrorListeners();
  parser.addErrorListener(objections);
  parser.sql_script();
  return objections.found;
}
