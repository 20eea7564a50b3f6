import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import type { Scope } from '../../../support/scope.ts';

/** What is answered in the place of the server. */
export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** An HTTP relay before the emulator, which gives answers that the emulator never gives. */
export interface AnsweringRelay {
  readonly url: string;
  /** Gives these answers, one after the other, to the next requests whose path and body contain these texts. */
  inPlaceOf(path: string, text: string, ...answers: readonly Answer[]): void;
  /** How many requests were answered by the relay itself. */
  readonly given: () => number;
}

/** An answer of the service, as Snowflake words a refusal: status 200, and no success. */
export function refusal(code: string, message: string, sqlState: string | null = null): Answer {
  return { status: 200, body: JSON.stringify({ success: false, code, message, data: { sqlState, errorCode: code } }) };
}

export function httpError(status: number): Answer {
  return { status, body: 'not now' };
}

/** @param target the emulator's address */
export async function startAnsweringRelay(scope: Scope, target: string): Promise<AnsweringRelay> {
  const wanted: { path: string; text: string; answers: Answer[] }[] = [];
  let given = 0;
  const relay = async (asked: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await buffer(asked);
    const path = asked.url ?? '';
    const found = wanted.find(
      (each) => path.includes(each.path) && body.includes(each.text) && each.answers.length > 0,
    );
    const answer = found?.answers.shift();
    if (answer !== undefined) {
      given++;
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body);
      return;
    }
    const { hostname, port } = new URL(target);
    const onward = request({ hostname, port, path, method: asked.method, headers: asked.headers }, (answered) => {
      response.writeHead(answered.statusCode ?? 502, answered.headers);
      answered.pipe(response);
    });
    onward.on('error', () => response.destroy());
    onward.end(body);
  };
  const server = createServer((asked, response) => {
    relay(asked, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  scope.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the relay has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    inPlaceOf: (path, text, ...answers) => {
      wanted.push({ path, text, answers: [...answers] });
    },
    given: () => given,
  };
}
