/** As shells tell of one that SIGPIPE ended. */
const exitCode = 141;

/**
 * Let a command end quietly when nobody reads what it prints any more (`runner dead list | head`): in order where it follows SIGINT, else
 * at once.
 */
export const endWithoutReader = (): void => {
  let ended = false;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    if (ended) return;
    ended = true;
    if (!process.emit('SIGINT')) process.exit(exitCode);
  });
};
