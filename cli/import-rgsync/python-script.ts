import type { SyntaxNode } from '@lezer/common';
import { parser } from '@lezer/python';
import { AfterwriteError } from '../../ops/errors/index.ts';
import { pythonText } from './python-text.ts';
import type { PythonCall, PythonValue } from './python-value.ts';

/** What a script says without being run: the calls that stand by themselves, in order, with their arguments. */
export interface ReadScript {
  readonly calls: readonly PythonCall[];
  /** Statements that could call something and were not understood, such as a loop. */
  readonly skipped: readonly { readonly source: string; readonly line: number }[];
}

/**
 * Reads the literal arguments of a script's calls. Nothing is run: a name stands for the literal, the call or the function of
 * one `return` that the script assigned to it last; anything else is `unread`, and so is from then on each name that a
 * statement may have changed which is not understood.
 *
 * @throws AfterwriteError PYTHON_UNREADABLE, with the line
 */
export function readScript(file: string, source: string): ReadScript {
  return new Script(file, source).read();
}

class Script {
  readonly #file: string;
  readonly #source: string;
  readonly #names = new Map<string, PythonValue>();
  /** What names of the script are called where they come from. */
  readonly #imported = new Map<string, string>();
  readonly #calls: PythonCall[] = [];
  readonly #skipped: { source: string; line: number }[] = [];

  constructor(file: string, source: string) {
    this.#file = file;
    this.#source = source;
  }

  read(): ReadScript {
    const tree = parser.parse(this.#source);
    tree.iterate({
      enter: ({ type, from }) => {
        if (!type.isError) return;
        const where = { file: this.#file, line: this.#lineAt(from) };
        throw new AfterwriteError('PYTHON_UNREADABLE', 'the script is not Python', { where });
      },
    });
    for (const statement of childrenOf(tree.topNode)) this.#statement(statement);
    return { calls: this.#calls, skipped: this.#skipped };
  }

  #statement(node: SyntaxNode): void {
    switch (node.name) {
      case 'ImportStatement':
        this.#import(node);
        return;
      case 'AssignStatement':
        if (this.#assign(node)) return;
        break;
      case 'FunctionDefinition':
        this.#define(node);
        return;
      case 'ExpressionStatement':
        if (this.#expression(node)) return;
        break;
      case 'Comment':
      case 'PassStatement':
      case 'ClassDefinition':
        return;
    }
    this.#skip(node);
  }

  /** `name = expression`, and nothing more. */
  #assign(node: SyntaxNode): boolean {
    const [name, operator, expression, ...more] = childrenOf(node);
    if (name?.name !== 'VariableName' || operator?.name !== 'AssignOp' || expression === undefined || more.length > 0)
      return false;
    if (this.#textOf(operator) !== '=') return false;
    this.#names.set(this.#textOf(name), this.#valueOf(expression));
    return true;
  }

  /** A call of something by its name, or a literal that does nothing. */
  #expression(node: SyntaxNode): boolean {
    const expression = node.firstChild;
    if (expression === null || expression.name === 'String' || expression.name === 'ContinuedString') return true;
    if (expression.name !== 'CallExpression') return false;
    const value = this.#valueOf(expression);
    if (value.kind !== 'call') return false;
    this.#calls.push(value);
    return true;
  }

  /** `from a import b as c`: c stands for b. Other imports need no care, since callees count by their last name. */
  #import(node: SyntaxNode): void {
    const names = childrenOf(node);
    names.forEach((part, index) => {
      const [original, alias] = [names[index - 1], names[index + 1]];
      if (part.name !== 'as' || original === undefined || alias === undefined) return;
      this.#imported.set(this.#textOf(alias), this.#textOf(original));
    });
  }

  /** A function stands for what it returns when that is all it does: the recipe calls it at each connection. */
  #define(node: SyntaxNode): void {
    const name = node.getChild('VariableName');
    const body = node.getChild('Body');
    if (name === null) return;
    const [first, ...more] = body === null ? [] : childrenOf(body).filter((part) => part.name !== ':');
    const returned = first?.name === 'ReturnStatement' && more.length === 0 ? childrenOf(first)[1] : undefined;
    const value = returned === undefined ? this.#unread(node) : this.#valueOf(returned);
    this.#names.set(this.#textOf(name), value);
  }

  /** Names a statement that is not understood. Whatever it names may be something else afterwards. */
  #skip(node: SyntaxNode): void {
    this.#skipped.push({ source: firstLine(this.#textOf(node)), line: this.#lineAt(node.from) });
    const touched = new Set<PythonValue>();
    node.cursor().iterate(({ name, from, to }) => {
      const value = name === 'VariableName' ? this.#names.get(this.#source.slice(from, to)) : undefined;
      if (value !== undefined) touched.add(value);
    });
    for (const [name, value] of this.#names) if (touched.has(value)) this.#names.set(name, this.#unread(node));
    node.cursor().iterate((part) => {
      if (part.name === 'VariableName') this.#names.set(this.#source.slice(part.from, part.to), this.#unread(node));
    });
  }

  #valueOf(node: SyntaxNode): PythonValue {
    const text = this.#textOf(node);
    switch (node.name) {
      case 'String': {
        const read = pythonText(text);
        return read === undefined ? this.#unread(node) : { kind: 'text', text: read };
      }
      case 'ContinuedString':
        return this.#joined(node);
      case 'Number':
        return Number.isFinite(Number(text)) ? { kind: 'number', number: Number(text) } : this.#unread(node);
      case 'None':
        return { kind: 'none' };
      case 'ParenthesizedExpression': {
        const [, inner, ...more] = childrenOf(node);
        return inner !== undefined && more.length === 1 ? this.#valueOf(inner) : this.#unread(node);
      }
      case 'ArrayExpression':
      case 'TupleExpression':
        return { kind: 'list', items: partsOf(node).map((item) => this.#valueOf(item)) };
      case 'DictionaryExpression':
        return this.#dictionary(node);
      case 'VariableName':
        return this.#names.get(text) ?? this.#unread(node);
      case 'LambdaExpression': {
        const body = node.lastChild;
        return body === null ? this.#unread(node) : this.#valueOf(body);
      }
      case 'MemberExpression':
        return this.#environment(node) ?? this.#unread(node);
      case 'CallExpression':
        return this.#environment(node) ?? this.#call(node);
      default:
        return this.#unread(node);
    }
  }

  #joined(node: SyntaxNode): PythonValue {
    const texts = childrenOf(node).map((part) => this.#valueOf(part));
    let joined = '';
    for (const part of texts) {
      if (part.kind !== 'text') return this.#unread(node);
      joined += part.text;
    }
    return { kind: 'text', text: joined };
  }

  #dictionary(node: SyntaxNode): PythonValue {
    const parts = childrenOf(node).slice(1, -1);
    const entries: (readonly [PythonValue, PythonValue])[] = [];
    for (let at = 0; at < parts.length; at += 4) {
      const [key, colon, value] = parts.slice(at, at + 3);
      if (key === undefined || colon?.name !== ':' || value === undefined) return this.#unread(node);
      entries.push([this.#valueOf(key), this.#valueOf(value)]);
    }
    return { kind: 'dict', entries };
  }

  /** os.environ['X'], os.environ.get('X') and os.getenv('X'), without a default. */
  #environment(node: SyntaxNode): PythonValue | undefined {
    const text = this.#textOf(node).replace(/\s/g, '');
    const [, name] = /^(?:os\.)?(?:environ\[|environ\.get\(|getenv\()['"]([A-Za-z_]\w*)['"][\])]$/.exec(text) ?? [];
    return name === undefined ? undefined : { kind: 'environment', name };
  }

  #call(node: SyntaxNode): PythonValue {
    const [callee, list] = childrenOf(node);
    const [, name] = /([A-Za-z_]\w*)$/.exec(callee === undefined ? '' : this.#textOf(callee)) ?? [];
    if (callee === undefined || list?.name !== 'ArgList' || name === undefined) return this.#unread(node);
    // A method may change what it is called on: only the names of modules stand before a dot.
    const [owner] = this.#textOf(callee).split('.');
    if (owner !== undefined && owner !== name && this.#names.has(owner)) return this.#unread(node);
    const positional: PythonValue[] = [];
    const keywords = new Map<string, PythonValue>();
    for (const argument of argumentsOf(list)) {
      const [first, second, third, ...more] = argument;
      if (first === undefined || more.length > 0) return this.#unread(node);
      if (second === undefined) positional.push(this.#valueOf(first));
      else if (second.name !== 'AssignOp' || third === undefined) return this.#unread(node);
      else keywords.set(this.#textOf(first), this.#valueOf(third));
    }
    const line = this.#lineAt(node.from);
    return { kind: 'call', callee: this.#imported.get(name) ?? name, positional, keywords, line };
  }

  #unread(node: SyntaxNode): PythonValue {
    return { kind: 'unread', source: firstLine(this.#textOf(node)), line: this.#lineAt(node.from) };
  }

  #textOf(node: SyntaxNode): string {
    return this.#source.slice(node.from, node.to);
  }

  #lineAt(place: number): number {
    return this.#source.slice(0, place).split('\n').length;
  }
}

/** The children without comments. */
function childrenOf(node: SyntaxNode): SyntaxNode[] {
  const children: SyntaxNode[] = [];
  for (let child = node.firstChild; child !== null; child = child.nextSibling) {
    if (child.name !== 'Comment' || node.name === 'Script') children.push(child);
  }
  return children;
}

/** What stands between brackets and commas. */
function partsOf(node: SyntaxNode): SyntaxNode[] {
  return childrenOf(node)
    .slice(1, -1)
    .filter(({ name }) => name !== ',');
}

function argumentsOf(list: SyntaxNode): SyntaxNode[][] {
  const groups: SyntaxNode[][] = [[]];
  for (const part of childrenOf(list).slice(1, -1)) {
    if (part.name === ',') groups.push([]);
    else groups.at(-1)?.push(part);
  }
  return groups.filter((group) => group.length > 0);
}

/** Enough of a statement to find it; its texts are left out, which may be secrets. */
function firstLine(source: string): string {
  const [line = ''] = source.replace(/('''|"""|'|")[^]*?\1/g, '$1…$1').split('\n');
  return line.trim().length > 80 ? `${line.trim().slice(0, 79)}…` : line.trim();
}
