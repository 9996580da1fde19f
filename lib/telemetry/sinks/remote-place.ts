/** A place that events go to and that is no file. */
export type RemotePlace =
  | { readonly type: 'tcp'; readonly host: string; readonly port: number }
  | { readonly type: 'http'; readonly url: string }
  | { readonly type: 'syslog'; readonly protocol: 'tcp' | 'udp'; readonly host: string; readonly port: number }
  | { readonly type: 'package'; readonly name: string; readonly options: Readonly<Record<string, unknown>> };
