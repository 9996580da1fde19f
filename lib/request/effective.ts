import type { Request } from '../model/experiment.ts';

/** When a request's lifetime is over, ms since the epoch; undefined where it has none, or not from when. */
export const deadlineMs = (request: Pick<Request, 'timeAddedSeconds' | 'lifetimeMs'>): number | undefined =>
  request.timeAddedSeconds === undefined || request.lifetimeMs === undefined
    ? undefined
    : request.timeAddedSeconds * 1000 + request.lifetimeMs;

/**
 * A value of config.env with each `%NAME%` in it replaced by the runner's own variable, where that is set and open; others
 * stay as they are. What was put in is not looked at again. Source: spec "Clear-text request", config.env.
 * @param openEnv what of the runner's environment anybody may see, see open-env.ts
 */
export const expandValue = (value: string, openEnv: Readonly<Record<string, string>>): string =>
  value.replace(/%([A-Za-z_]\w*)%/g, (whole, name: string) =>
    Object.hasOwn(openEnv, name) ? (openEnv[name] ?? whole) : whole,
  );

/** config.env with each value as `expandValue` gives it. */
export const expandEnv = (
  env: Readonly<Record<string, string>>,
  openEnv: Readonly<Record<string, string>>,
): Record<string, string> =>
  Object.fromEntries(Object.entries(env).map(([name, value]) => [name, expandValue(value, openEnv)]));
