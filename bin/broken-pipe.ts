/** As shells tell of one that SIGPIPE ended. */
const exitCode = 141;

/**
 * Let a command end quietly when nobody reads what it prints any more (`runner dead list | head`): in order where it follows SIGINT, else
 * at once. Where what it prints can not be written (a full disk), it says so in a line and ends with 1: half of it is not all.
 */
export const endWithoutReader = (): void => {
  let ended = false;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') {
      process.stderr.write(`runner: stdout can not be written to: ${error.message}\n`);
      process.exit(1);
    }
    if (ended) return;
    ended = true;
    if (!process.emit('SIGINT')) process.exit(exitCode);
  });
};
