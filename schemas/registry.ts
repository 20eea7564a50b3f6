import { AfterwriteError, type Where } from '../ops/errors/index.ts';
import type { AvroSchema } from './avro.ts';

/** How to reach the registry. */
export interface RegistryOptions {
  /** Base URL, with its path when it has one. It may hold `user:password@`. */
  readonly url: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

interface Call {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly body?: unknown;
  readonly where: Where;
  /** Statuses that are answers, beside 200. */
  readonly expected?: readonly number[];
}

/** The registry is near and answers in milliseconds; longer than this it is taken for down. */
const TIMEOUT_MS = 15_000;
/** How often a conflict is asked about again before it is believed. */
const RACES = 2;
const MEDIA_TYPE = 'application/vnd.schemaregistry.v1+json';

/** Confluent's codes for: no such subject, no such version, no such schema. */
const NO_SCHEMA = 40403;

/**
 * A client of the REST API that Confluent's schema registry has and others copy. Messages differ between them, so only
 * statuses and codes are judged. Every method throws REGISTRY_DOWN (to be tried again), REGISTRY_AUTH and
 * REGISTRY_REFUSED, beside what its own comment says.
 * https://docs.confluent.io/platform/current/schema-registry/develop/api.html
 */
export class SchemaRegistry {
  readonly #options: () => RegistryOptions | Promise<RegistryOptions>;

  /** @param options is asked anew for each request, so that rotated credentials are picked up */
  constructor(options: () => RegistryOptions | Promise<RegistryOptions>) {
    this.#options = options;
  }

  /**
   * Registers a schema, or finds the one that is there already.
   * @returns the schema's id.
   * @throws SCHEMA_INCOMPATIBLE with the registry's own reason.
   */
  async register(subject: string, schema: AvroSchema): Promise<number> {
    const { status, body } = await this.#call({
      method: 'POST',
      path: `/subjects/${encodeURIComponent(subject)}/versions`,
      body: { schema: JSON.stringify(schema) },
      where: { subject },
      expected: [409, 422],
    });
    if (status !== 200) throw incompatible(subject, messageOf(body));
    if (typeof body.id !== 'number') throw refused('its answer has no id', { subject });
    return body.id;
  }

  /** The text of a schema. @throws SCHEMA_UNKNOWN */
  async schemaById(id: number): Promise<string> {
    const where = { schemaId: id };
    const { status, body } = await this.#call({ method: 'GET', path: `/schemas/ids/${id}`, where, expected: [404] });
    if (status === 404) {
      if (body.error_code !== NO_SCHEMA) throw refused(messageOf(body), where);
      throw new AfterwriteError('SCHEMA_UNKNOWN', `The registry has no schema with the id ${id}`, { where });
    }
    if (typeof body.schema !== 'string') throw refused('its answer has no schema', where);
    return body.schema;
  }

  /** Whether a schema may become the next version of a subject; the first version always may. */
  async isCompatible(subject: string, schema: AvroSchema): Promise<boolean> {
    const { status, body } = await this.#call({
      method: 'POST',
      path: `/compatibility/subjects/${encodeURIComponent(subject)}/versions/latest`,
      body: { schema: JSON.stringify(schema) },
      where: { subject },
      expected: [404, 422],
    });
    if (status === 422) throw incompatible(subject, messageOf(body));
    return status === 404 || body.is_compatible === true;
  }

  /** The compatibility level of a subject itself, or of the whole registry; undefined when the subject has none. */
  async compatibility(subject?: string): Promise<string | undefined> {
    const path = subject === undefined ? '/config' : `/config/${encodeURIComponent(subject)}`;
    const { status, body } = await this.#call({ method: 'GET', path, where: { subject }, expected: [404] });
    const level = body.compatibilityLevel ?? body.compatibility;
    return status === 200 && typeof level === 'string' ? level : undefined;
  }

  /** Sets the compatibility level of a subject, or of the whole registry. */
  async setCompatibility(level: string, subject?: string): Promise<void> {
    const path = subject === undefined ? '/config' : `/config/${encodeURIComponent(subject)}`;
    await this.#call({ method: 'PUT', path, body: { compatibility: level }, where: { subject } });
  }

  /**
   * Of two that write the same at once, a subject's first version or its level, Apicurio answers one with a conflict as if it were
   * an incompatible schema. Asked again, it finds what the other one wrote; a real conflict is told again.
   */
  async #call(call: Call): Promise<Answer> {
    const expected = [...(call.expected ?? []), 409];
    for (let again = 0; again < RACES; again++) {
      const answer = await this.#callOnce({ ...call, expected });
      if (answer.status !== 409) return answer;
    }
    return await this.#callOnce(call);
  }

  async #callOnce({ method, path, body, where, expected = [] }: Call): Promise<Answer> {
    const { url, headers } = await this.#target(path);
    let response: Response;
    let text: string;
    try {
      response = await fetch(url, {
        method,
        headers,
        signal: AbortSignal.timeout(TIMEOUT_MS),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      text = await response.text();
    } catch (cause) {
      throw new AfterwriteError('REGISTRY_DOWN', 'The schema registry does not answer', {
        where: { url, ...where },
        cause,
      });
    }
    const { status } = response;
    const answer = { status, body: parseBody(text) };
    if (status === 200 || expected.includes(status)) return answer;
    const said = `The schema registry answers ${status}: ${messageOf(answer.body)}`;
    if (status >= 500 || status === 429 || status === 408)
      throw new AfterwriteError('REGISTRY_DOWN', said, { where: { url, ...where } });
    if (status === 401 || status === 403)
      throw new AfterwriteError('REGISTRY_AUTH', said, { where: { url, ...where } });
    throw refused(`${status}: ${messageOf(answer.body)}`, { url, ...where });
  }

  /** The request's URL without credentials, and its headers with them. */
  async #target(path: string): Promise<{ url: string; headers: Record<string, string> }> {
    const options = await this.#options();
    let base: URL;
    try {
      base = new URL(options.url);
    } catch {
      // The URL may hold a password, so it is not quoted.
      throw refused('registry.url is no URL', {});
    }
    const username = options.username ?? decodeURIComponent(base.username);
    const password = options.password ?? decodeURIComponent(base.password);
    const headers: Record<string, string> = { accept: `${MEDIA_TYPE}, application/json`, 'content-type': MEDIA_TYPE };
    if (username !== '') headers.authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    return { url: base.origin + base.pathname.replace(/\/+$/, '') + path, headers };
  }
}

function incompatible(subject: string, reason: string): AfterwriteError {
  return new AfterwriteError('SCHEMA_INCOMPATIBLE', `The schema registry refuses a schema: ${reason}`, {
    where: { subject },
  });
}

function refused(reason: string, where: Where): AfterwriteError {
  return new AfterwriteError('REGISTRY_REFUSED', `The schema registry cannot be used: ${reason}`, { where });
}

/** The answer as an object; of anything else, its beginning as the message. */
function parseBody(text: string): Readonly<Record<string, unknown>> {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null) return { ...body };
  } catch {
    // Proxies answer in HTML.
  }
  return { message: text.slice(0, 200) };
}

function messageOf(body: Readonly<Record<string, unknown>>): string {
  return typeof body.message === 'string' && body.message !== '' ? body.message : 'it does not say why';
}
