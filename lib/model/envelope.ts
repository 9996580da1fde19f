import type { ResourceRequest } from './resources.ts';

/** What a message is: a request in clear text, its JSON parsed, or a sealed one. */
export type Message =
  | { readonly type: 'clear'; readonly value: Readonly<Record<string, unknown>> }
  | { readonly type: 'envelope'; readonly envelope: Envelope };

/** A message as a client sealed it. The clear members are advice for scheduling only. Source: spec "Encrypted request". */
export interface Envelope {
  /** `BASE64(key),BASE64(box)`, exactly as sent: the bytes that the signature covers. */
  readonly payload: string;
  readonly fingerprint?: string;
  readonly signature?: string;
  readonly clear: {
    readonly status?: string;
    readonly pythonVersion?: string;
    readonly timeAddedSeconds?: number;
    readonly lifetimeMs?: number;
    readonly resources: ResourceRequest;
  };
}
