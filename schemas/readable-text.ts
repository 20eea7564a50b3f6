import { isUtf8 } from 'node:buffer';

const BASE64_MARK = 'b64:';

/** The text when the bytes are UTF-8, else `b64:` and base64; a text that itself begins with `b64:` is base64, too. */
export function readableText(bytes: Buffer): string {
  const text = isUtf8(bytes) ? bytes.toString('utf8') : BASE64_MARK;
  return text.startsWith(BASE64_MARK) ? BASE64_MARK + bytes.toString('base64') : text;
}
