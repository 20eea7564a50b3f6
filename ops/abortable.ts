/** Waits no longer than the signal lets: then its reason is thrown, and what was waited for ends by itself, whatever it gives. */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let abort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => {
      reject(reasonOfAbort(signal));
    };
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
    work.catch(() => undefined);
  }
}

function reasonOfAbort({ reason }: AbortSignal): Error {
  return reason instanceof Error ? reason : new Error('It is not waited for any more');
}
