/**
 * Work on several values at once and give what comes of them in their order. Not more is asked for than is worked on.
 * Errors: those of the source and of the work; what is still being done is waited for.
 */
export async function* inOrder<T, R>(
  source: AsyncIterable<T>,
  atOnce: number,
  work: (value: T) => Promise<R>,
): AsyncGenerator<R> {
  const running: Promise<R>[] = [];
  try {
    for await (const value of source) {
      const one = work(value);
      // It is looked at in its turn.
      one.catch(() => undefined);
      running.push(one);
      const first = running.length >= atOnce ? running.shift() : undefined;
      if (first) yield await first;
    }
    for (let first = running.shift(); first; first = running.shift()) yield await first;
  } finally {
    await Promise.allSettled(running);
  }
}
