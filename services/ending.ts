/** What still has to be done when this process ends. */
const tasks = new Set<() => void>();

/**
 * Has a task run when this process ends by itself, by an uncaught error, by Ctrl-C or by SIGTERM. It must be synchronous.
 *
 * @returns takes the task back
 */
export function whenThisProcessEnds(task: () => void): () => void {
  listen();
  tasks.add(task);
  return () => tasks.delete(task);
}

let listening = false;

function listen(): void {
  if (listening) return;
  listening = true;
  process.once('exit', () => {
    for (const task of tasks) task();
  });
  process.once('SIGINT', endUnlessHandled);
  process.once('SIGTERM', endUnlessHandled);
}

/** A signal without a listener ends Node without its exit event. A program with listeners of its own decides itself. */
function endUnlessHandled(signal: 'SIGINT' | 'SIGTERM'): void {
  if (process.listenerCount(signal) === 0) process.exit(signal === 'SIGINT' ? 130 : 143);
}
