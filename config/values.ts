import { z } from 'zod';

/** Pieces of the configuration that several sections share. */

const name = /^[A-Za-z0-9._-]+$/;

/** Names of pipelines, mappings, sinks and topics: what Kafka allows in the name of a topic. */
export const topicSafeName = z
  .string()
  .regex(name, 'letters, digits, ".", "_" and "-"')
  .max(200, 'at most 200 characters');

/** Names of columns: they become names of Avro fields too. */
export const columnName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'a letter or "_", then letters, digits and "_"');

export const text = z.string().min(1, 'a text that is not empty');

/** A port to connect to. */
export const port = z.int().min(1).max(65535);

/** A text that begins with one of these schemes, or with a reference that resolves to such a text. */
export function urlOf(...schemes: readonly [string, ...string[]]) {
  return z
    .string()
    .regex(
      new RegExp(`^((${schemes.join('|')})://.|\\$\\{(env|file|command):)`),
      `a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`,
    );
}

const tlsParts = z.strictObject({
  ca: text.optional().describe('PEM of the authorities to trust, usually ${file:/path}'),
  cert: text.optional().describe('PEM of the client certificate'),
  key: text.optional().describe('PEM of the client key'),
  rejectUnauthorized: z.boolean().default(true).describe('false accepts any certificate: for tests only'),
});

/** TLS: true for the machine's own trusted authorities, or the parts by name. */
export const tls = z
  .union([z.boolean(), tlsParts], { error: 'true, false, or an object with ca, cert, key, rejectUnauthorized' })
  .describe('TLS: true, or its parts');

/** As `tls`, with the name that the certificate carries. */
export const namedTls = z
  .union(
    [
      z.boolean(),
      tlsParts.extend({
        servername: text
          .optional()
          .describe(
            'the name that the certificate must carry, where it is not the host; told to the server, too (SNI)',
          ),
      }),
    ],
    { error: 'true, false, or an object with ca, cert, key, servername, rejectUnauthorized' },
  )
  .describe('TLS: true, or its parts');

/** The HTTP server of one process: metrics, health and the REST API. */
export function httpServer(defaultPort: number) {
  return z
    .strictObject({
      host: text.default('127.0.0.1').describe('address to listen on'),
      port: z.int().min(0).max(65535).default(defaultPort).describe('port to listen on; 0 takes a free one'),
    })
    .prefault({});
}

/** An endpoint has two spellings; exactly one of them must be there. */
export function urlOrHost<T extends z.ZodType>(schema: T) {
  return oneOf(['url', 'host'], 'a url, or a host with its port', schema);
}

/** Exactly one of these options must be there. */
export function oneOf<T extends z.ZodType>(names: readonly string[], described: string, schema: T) {
  const given = (value: unknown): number =>
    typeof value === 'object' && value !== null ? names.filter((name) => name in value).length : 0;
  const always = { when: () => true };
  const not = names.length === 2 ? 'not both' : 'not several';
  return schema
    .refine((value) => given(value) > 0, { error: described, ...always })
    .refine((value) => given(value) <= 1, { error: `either ${names.join(' or ')}, ${not}`, ...always });
}
