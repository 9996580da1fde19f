/**
 * Stands in the bundle for the SDK's own look-up of credentials, which is most of its weight: here every client is told whose
 * credentials it has (clients.ts), and the runner's own chain is loaded only where it is asked for.
 */
export const defaultProvider = () => (): Promise<never> =>
  Promise.reject(new Error('a client of S3 was made without credentials'));
